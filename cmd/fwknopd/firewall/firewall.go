// Package firewall opens the backend that the configuration names.
package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
	"fwknopd/enforce/ipfw"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/nftables"
	"fwknopd/policy/conf"
)

// A Firewall is an open backend and what it is called.
type Firewall struct {
	enforce.Backend
	Name string   // iptables, nftables, ipfw
	Why  []string // why it was chosen, if that is worth a word
}

// Open opens what FIREWALL_TYPE says, changing nothing; nil without an error
// for external_cmd, which needs none.
func Open(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	switch kind := l.Server.FirewallType; kind {
	case "external_cmd":
		return nil, nil
	case "iptables":
		return openIPTables(ctx, l)
	case "nftables":
		return openNFTables(l)
	case "ipfw":
		return openIPFW(ctx, l)
	case "auto", "":
		return openAny(ctx, l)
	default:
		return nil, fmt.Errorf("FIREWALL_TYPE %s is not known", kind)
	}
}

// Leave makes the firewall what it is to be without a daemon. FLUSH_IPT_AT_EXIT closes
// everything. Unless a file says it either way, what is open stays to its end, which the
// kernel knows, for the next daemon to take over, and chains that hold nothing go.
func (f *Firewall) Leave(ctx context.Context, v *conf.Values) error {
	switch {
	case v.Bool("FLUSH_IPT_AT_EXIT"):
		return f.Teardown(ctx)
	case v.IsSet("FLUSH_IPT_AT_EXIT"):
		return nil
	}
	return enforce.Prune(ctx, f.Backend)
}

// openAny takes iptables where it works, else nftables.
func openAny(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	f, err := openIPTables(ctx, l)
	if err == nil {
		return f, nil
	}
	n, nftErr := openNFTables(l)
	if nftErr != nil {
		return nil, errors.Join(err, nftErr)
	}
	n.Why = []string{fmt.Sprintf("nftables, as iptables does not work: %v", err)}
	return n, nil
}

func openIPTables(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	v, s := l.Values, l.Server
	cfg := iptables.Config{
		Path:    iptablesPath(v),
		Chains:  make(map[iptables.Role]enforce.Chain),
		Prepend: v.Bool("ENABLE_RULE_PREPEND"),
		Tries:   v.Int("IPT_EXEC_TRIES"),
		Pause:   v.Duration("IPT_EXEC_SLEEP"),
		Alarm:   v.Duration("IPT_CMD_ALARM"),
	}
	for role, keyword := range map[iptables.Role]string{
		iptables.Input: "IPT_INPUT_ACCESS", iptables.Output: "IPT_OUTPUT_ACCESS", iptables.Forward: "IPT_FORWARD_ACCESS",
		iptables.DNAT: "IPT_DNAT_ACCESS", iptables.SNAT: "IPT_SNAT_ACCESS", iptables.Masquerade: "IPT_MASQUERADE_ACCESS",
	} {
		c, err := chain(v.Chain(keyword))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keyword, err)
		}
		cfg.Chains[role] = c
	}
	if s.Output {
		cfg.Roles = append(cfg.Roles, iptables.Output)
	}
	if s.Forwarding || s.CSyntax && s.LocalNAT {
		cfg.Roles = append(cfg.Roles, iptables.Forward, iptables.DNAT)
		if s.SNAT && s.SNATAddr.IsValid() {
			cfg.Roles = append(cfg.Roles, iptables.SNAT)
		} else if s.SNAT {
			cfg.Roles = append(cfg.Roles, iptables.Masquerade)
		}
	}
	b, err := iptables.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Firewall{Backend: b, Name: "iptables"}, nil
}

func chain(c conf.ChainSpec) (enforce.Chain, error) {
	var d enforce.Direction
	switch c.Direction {
	case "src":
		d = enforce.DirSrc
	case "dst":
		d = enforce.DirDst
	case "both":
		d = enforce.DirBoth
	default:
		return enforce.Chain{}, fmt.Errorf("direction %q", c.Direction)
	}
	return enforce.Chain{Target: c.Target, Direction: d, Table: c.Table, From: c.From, JumpPos: c.JumpPos, To: c.To, RulePos: c.RulePos}, nil
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

// iptablesPath is FIREWALL_EXE of a 2.6 file if that names an iptables, else
// iptablesCmd.
func iptablesPath(v *conf.Values) string {
	path := v.Path("iptablesCmd")
	if exe := v.Path("FIREWALL_EXE"); exe != "" && strings.Contains(filepath.Base(exe), "iptables") {
		path = exe
	}
	if found := Program(path); found != "" {
		return found
	}
	return path
}

// openIPFW is refused on Linux.
func openIPFW(ctx context.Context, l *config.Loaded) (*Firewall, error) {
	v := l.Values
	b, err := ipfw.New(ctx, ipfw.Config{
		Path: Program(v.Path("ipfwCmd")), RuleNum: v.Int("IPFW_RULE_NUM"), SetNum: v.Int("IPFW_SET_NUM"),
		Interval: v.Duration("IPFW_DYNAMIC_INTERVAL"), Alarm: v.Duration("IPT_CMD_ALARM"),
	})
	if err != nil {
		return nil, fmt.Errorf("FIREWALL_TYPE ipfw: %w", err)
	}
	return &Firewall{Backend: b, Name: "ipfw"}, nil
}

func openNFTables(l *config.Loaded) (*Firewall, error) {
	cfg := nftables.Config{Places: make(map[nftables.Role][]nftables.Place)}
	for role, keyword := range map[nftables.Role]string{
		nftables.Input: "NFT_INPUT_ACCESS", nftables.Output: "NFT_OUTPUT_ACCESS", nftables.Forward: "NFT_FORWARD_ACCESS",
		nftables.DNAT: "NFT_DNAT_ACCESS", nftables.SNAT: "NFT_SNAT_ACCESS",
	} {
		c := l.Values.NFTChain(keyword)
		if c.IsZero() {
			continue
		}
		p, err := nftables.ParsePlace(strings.Join([]string{c.Family, c.Table, c.Chain}, ","))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keyword, err)
		}
		cfg.Places[role] = append(cfg.Places[role], p)
	}
	if l.Server.Output {
		cfg.Roles = append(cfg.Roles, nftables.Output)
	}
	if l.Server.Forwarding {
		cfg.Roles = append(cfg.Roles, nftables.Forward, nftables.DNAT)
		if l.Server.SNAT {
			cfg.Roles = append(cfg.Roles, nftables.SNAT)
		}
	}
	slices.Sort(cfg.Roles)
	b, err := nftables.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Firewall{Backend: b, Name: "nftables"}, nil
}
