// Package firewall opens the firewall backend that the configuration names.
package firewall

import (
	"context"
	"errors"
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
	typeAuto      = "auto"
	typeIPTables  = "iptables"
	typeFirewalld = "firewalld"
	typeNFTables  = "nftables"
	typeIPFW      = "ipfw"
)

// Chains returns the configured chains of iptables.
func Chains(s *conf.Server) map[enforce.Role]conf.ChainSpec {
	return map[enforce.Role]conf.ChainSpec{
		enforce.Input: s.InputChain, enforce.Output: s.OutputChain, enforce.Forward: s.ForwardChain,
		enforce.DNAT: s.DNATChain, enforce.SNAT: s.SNATChain, enforce.Masquerade: s.MasqueradeChain,
	}
}

// A Firewall is an open backend and its name.
type Firewall struct {
	enforce.Backend
	Name string // iptables, nftables, "iptables and nftables", firewalld, ipfw
}

// Open opens the backend of FIREWALL_TYPE without changing the firewall. It returns nil
// without an error for external_cmd, which needs no backend.
func Open(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	switch kind := l.Server.FirewallType; kind {
	case "external_cmd":
		return nil, nil
	case typeIPTables, typeNFTables, typeFirewalld, typeAuto, "":
		return openLayers(ctx, l, kind)
	case typeIPFW:
		return openIPFW(ctx, l)
	default:
		return nil, fmt.Errorf("FIREWALL_TYPE %s is not known", kind)
	}
}

// ApplyExitPolicy leaves the firewall as it must be when no daemon runs. With
// FLUSH_IPT_AT_EXIT all grants are removed. If that is not configured, grants stay until
// they expire if the kernel expires them, so that the next daemon can adopt them, and
// empty chains are removed. The guard of GUARD_FORWARD stays in every case: without it
// the ports would be open to all. closed reports that all grants were.
func (f *Firewall) ApplyExitPolicy(ctx context.Context, s *conf.Server) (closed bool, err error) {
	switch {
	case s.FlushAtExit && len(s.GuardForward) > 0:
		err = errors.Join(f.Flush(ctx), enforce.Prune(ctx, f.Backend))
		return err == nil, err
	case s.FlushAtExit:
	case s.KeepAtExit:
		return false, nil
	case f.KernelExpires():
		return false, enforce.Prune(ctx, f.Backend)
	}
	err = f.Teardown(ctx)
	return err == nil, err
}

// KernelExpires reports whether the kernel removes grants when they expire. With ipfw it
// does not: without a daemon the rules would stay.
func (f *Firewall) KernelExpires() bool { return f.Name != typeIPFW }

// layered is a Backend that consists of several, such as that of package layers.
type layered interface {
	Blocked(context.Context, enforce.Grant) ([]string, error)
	Bypasses(context.Context) ([]string, error)
	Parts() []enforce.Backend
}

// Blocked returns the names of the base chains that drop packets of g although it is
// open; none unless the backend is layered.
func (f *Firewall) Blocked(ctx context.Context, g enforce.Grant) ([]string, error) {
	if b, ok := f.Backend.(layered); ok {
		return b.Blocked(ctx, g)
	}
	return nil, nil
}

// Bypasses returns a line on each rule that lets packets for ports of GUARD_FORWARD through in front
// of the guard; none unless the backend is layered.
func (f *Firewall) Bypasses(ctx context.Context) ([]string, error) {
	if b, ok := f.Backend.(layered); ok {
		return b.Bypasses(ctx)
	}
	return nil, nil
}

// Reject rejects packets of connections that have ended, if the backend can, see
// [enforce.Rejecter].
func (f *Firewall) Reject(ctx context.Context, flows []enforce.Flow) error {
	if r, ok := f.Backend.(enforce.Rejecter); ok {
		return r.Reject(ctx, flows)
	}
	return nil
}

// Rejecter is f if one of the backends that it consists of can reject; else nil, also without a
// firewall.
func (f *Firewall) Rejecter() enforce.Rejecter {
	if f == nil {
		return nil
	}
	for _, part := range f.Parts() {
		if _, can := part.(enforce.Rejecter); can {
			return f
		}
	}
	return nil
}

// Revoke closes g.
func (f *Firewall) Revoke(ctx context.Context, g enforce.Grant) error {
	return enforce.Revoke(ctx, f.Backend, g)
}

// Parts returns the backends that f consists of.
func (f *Firewall) Parts() []enforce.Backend {
	if b, ok := f.Backend.(layered); ok {
		return b.Parts()
	}
	return []enforce.Backend{f.Backend}
}

// programDirs are searched for programs that are not at their configured path.
var programDirs = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}

// FindProgram returns the path of a program: as configured, or else in programDirs; ""
// if it is not found.
func FindProgram(path string) string {
	if path == "" {
		return ""
	}
	if found, err := exec.LookPath(path); err == nil {
		return found
	}
	for _, dir := range programDirs {
		name := filepath.Join(dir, filepath.Base(path))
		if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
			return name
		}
	}
	return ""
}

// openIPFW opens ipfw; on Linux it returns an error.
func openIPFW(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	s := l.Server
	b, err := ipfw.New(ctx, ipfw.Config{
		Path: FindProgram(s.IPFWExe), RuleNum: s.IPFWRule, SetNum: s.IPFWSet,
		Interval: s.IPFWInterval, Alarm: s.FirewallTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("FIREWALL_TYPE ipfw: %w", err)
	}
	return &Firewall{Backend: b, Name: typeIPFW}, nil
}
