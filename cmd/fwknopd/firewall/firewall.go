// Package firewall opens the backend that the configuration names.
package firewall

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
	"fwknopd/enforce/ipfw"
	"fwknopd/policy/conf"
)

// Values of FIREWALL_TYPE.
const (
	typeAuto     = "auto"
	typeIPTables = "iptables"
	typeNFTables = "nftables"
	typeIPFW     = "ipfw"
)

// Chains returns the chains of iptables that the configuration names.
func Chains(s *conf.Server) map[enforce.Role]conf.ChainSpec {
	return map[enforce.Role]conf.ChainSpec{
		enforce.Input: s.InputChain, enforce.Output: s.OutputChain, enforce.Forward: s.ForwardChain,
		enforce.DNAT: s.DNATChain, enforce.SNAT: s.SNATChain, enforce.Masquerade: s.MasqueradeChain,
	}
}

// A Firewall is an open backend and what it is called.
type Firewall struct {
	enforce.Backend
	Name string // iptables, nftables, "iptables and nftables", ipfw
}

// Open opens what FIREWALL_TYPE says, changing nothing; nil without an error
// for external_cmd, which needs none.
func Open(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	switch kind := l.Server.FirewallType; kind {
	case "external_cmd":
		return nil, nil
	case typeIPTables, typeNFTables, typeAuto, "":
		return openLayers(ctx, l, kind)
	case typeIPFW:
		return openIPFW(ctx, l)
	default:
		return nil, fmt.Errorf("FIREWALL_TYPE %s is not known", kind)
	}
}

// Leave makes the firewall what it is to be without a daemon. FLUSH_IPT_AT_EXIT closes
// everything. Unless a file says it either way, what is open stays to its end, where the
// kernel knows it, for the next daemon to take over, and chains that hold nothing go.
func (f *Firewall) Leave(ctx context.Context, s *conf.Server) error {
	switch {
	case s.FlushAtExit:
		return f.Teardown(ctx)
	case s.KeepAtExit:
		return nil
	case !f.EndsByItself():
		return f.Teardown(ctx)
	}
	return enforce.Prune(ctx, f.Backend)
}

// EndsByItself reports that the kernel ends each grant at its time. ipfw does not: without
// a daemon its rules would stay.
func (f *Firewall) EndsByItself() bool { return f.Name != typeIPFW }

// layered is a Backend that is made of several, as that of package layers.
type layered interface {
	Blocked(context.Context, enforce.Grant) ([]string, error)
	Parts() []enforce.Backend
}

// Blocked names the base chains that drop what g is for although it is open; none for
// firewalls that are no layers.
func (f *Firewall) Blocked(ctx context.Context, g enforce.Grant) ([]string, error) {
	if b, ok := f.Backend.(layered); ok {
		return b.Blocked(ctx, g)
	}
	return nil, nil
}

// Parts are the backends that f is made of.
func (f *Firewall) Parts() []enforce.Backend {
	if b, ok := f.Backend.(layered); ok {
		return b.Parts()
	}
	return []enforce.Backend{f.Backend}
}

// places are where programs are looked for that are not where a file says.
var places = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}

// Program is the path of a program: as configured, or where it is usually found; ""
// if it is nowhere.
func Program(path string) string {
	if path == "" {
		return ""
	}
	if found, err := exec.LookPath(path); err == nil {
		return found
	}
	for _, dir := range places {
		name := filepath.Join(dir, filepath.Base(path))
		if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
			return name
		}
	}
	return ""
}

// openIPFW is refused on Linux.
func openIPFW(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	s := l.Server
	b, err := ipfw.New(ctx, ipfw.Config{
		Path: Program(s.IPFWExe), RuleNum: s.IPFWRule, SetNum: s.IPFWSet,
		Interval: s.IPFWInterval, Alarm: s.FirewallTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("FIREWALL_TYPE ipfw: %w", err)
	}
	return &Firewall{Backend: b, Name: typeIPFW}, nil
}
