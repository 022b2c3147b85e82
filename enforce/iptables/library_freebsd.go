package iptables

// FreeBSD has no iptables: there is nothing to kill.
func killNewChildren() func() { return func() {} }

// Nor has it nf_tables.
func nativeChains(bool) ([]nativeChain, error) { return nil, nil }
