package nftables

import (
	"context"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/enforcetest"
	"fwknopd/fixtures/netlab"
)

// dropping is a ruleset as a user has it: every hook drops what it does not know.
const dropping = `
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
	}
	chain output {
		type filter hook output priority filter; policy drop;
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ct state established,related accept
	}
}
`

func load(ruleset string) func(testing.TB, *netlab.NS) {
	return func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.RunInput(t, ruleset, "nft -f -")
	}
}

func variant(name, ruleset string) enforcetest.Variant {
	return enforcetest.Variant{
		Name: name, Tools: []string{"nft"},
		Open:    func(context.Context) (enforce.Backend, error) { return New(Config{}) },
		Protect: load(ruleset),
		Strict: load(`flush chain inet filter output
			add rule inet filter output icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`),
		Wipe: map[string]func(testing.TB, *netlab.NS){
			"ruleset":            load("flush ruleset\n" + ruleset),
			"table":              load("delete table inet filter\n" + ruleset),
			"rules of the table": load("flush table inet filter\n" + ruleset),
		},
	}
}

func TestBackend(t *testing.T) {
	enforcetest.Run(t, variant("inet", dropping))
}
