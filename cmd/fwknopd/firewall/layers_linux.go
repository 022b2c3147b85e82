package firewall

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/layers"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
	"fwknopd/policy/conf"
)

// openLayers opens the firewall that FIREWALL_TYPE names, or, with auto, every layer
// that drops packets: iptables, nftables, the other variant of iptables. If none does,
// auto opens the first that works.
func openLayers(ctx context.Context, l *config.Loaded, kind string) (*Firewall, error) {
	cfg, err := layersConfig(ctx, l, kind)
	if err != nil {
		return nil, err
	}
	b, err := layers.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Firewall{Backend: b, Name: b.Name()}, nil
}

func layersConfig(ctx context.Context, l *config.Loaded, kind string) (cfg layers.Config, err error) {
	ipt, err := iptablesConfig(l, true)
	if err != nil {
		return cfg, err
	}
	nft, err := nftablesConfig(l, true)
	if err != nil {
		return cfg, err
	}
	first, others, err := iptablesLayers(ctx, &cfg, l, ipt)
	if err != nil {
		return cfg, err
	}
	dynamic, err := firewalldLayer(ctx, l, kind)
	if err != nil {
		return cfg, err
	}
	native := layers.Layer{Kind: ruleset.NFTables, Name: typeNFTables, Open: func(_ context.Context, nat, beside bool) (enforce.Backend, error) {
		nft, err := nftablesConfig(l, nat)
		if err != nil {
			return nil, err
		}
		nft.Beside = beside
		if dynamic != nil {
			nft.Leave = []string{ruleset.FirewalldTable}
		}
		return nftables.New(nft)
	}}
	cfg.Idle, cfg.Guard, cfg.Offers = l.Server.CheckInterval, l.Server.GuardForward, offers(l)
	cfg.Fixed = kind == typeIPTables || kind == typeNFTables || kind == typeFirewalld
	if cfg.Layers = append([]layers.Layer{first, native}, others...); kind == typeNFTables {
		cfg.Layers = []layers.Layer{native}
	}
	if dynamic != nil {
		cfg.Layers = append([]layers.Layer{*dynamic}, cfg.Layers...)
	}
	cfg.Hooks = []ruleset.Hook{ruleset.Input}
	if slices.Contains(nft.Roles, enforce.Output) {
		cfg.Hooks = append(cfg.Hooks, ruleset.Output)
	}
	if slices.Contains(nft.Roles, enforce.Forward) || slices.Contains(ipt.Roles, enforce.Forward) {
		cfg.Hooks = append(cfg.Hooks, ruleset.Forward)
	}
	cfg.NFTables, _ = nftables.New(nftables.Config{}) // nil if this kernel lacks nf_tables
	return cfg, nil
}

// offers reports whether a stanza offers a port of this host, rather than one that a grant
// forwards itself.
func offers(l *config.Loaded) func(enforce.Port) bool {
	return func(p enforce.Port) bool {
		return l.Access != nil && slices.ContainsFunc(l.Access.Stanzas, func(s conf.Stanza) bool { return s.Offers(p) && !s.ForcesNAT() })
	}
}

// iptablesLayers returns the layer of the configured program, and that of the other
// variant if it is installed. A program that hangs is an error: what is in its tables
// may drop a grant.
func iptablesLayers(ctx context.Context, cfg *layers.Config, l *config.Loaded, ipt iptables.Config) (first layers.Layer, others []layers.Layer, err error) {
	first = iptablesLayer(l, ruleset.IPTablesNFT, typeIPTables, ipt.Path)
	s, err := iptables.NewSurveyor(ctx, ipt)
	if err != nil {
		return first, nil, onlyTimeout(err) // opening the layer returns another error
	}
	first.Kind, cfg.IPTables = s.Layer, append(cfg.IPTables, s)
	other := ruleset.IPTablesLegacy
	if s.Layer == other {
		other = ruleset.IPTablesNFT
	}
	ipt.Path = FindProgram(iptables.Sibling(s.Path, other))
	if ipt.Path == "" {
		return first, nil, nil
	}
	if s, err = iptables.NewSurveyor(ctx, ipt); err != nil || s.Layer != other {
		return first, nil, onlyTimeout(err)
	}
	cfg.IPTables = append(cfg.IPTables, s)
	return first, []layers.Layer{iptablesLayer(l, other, string(other), ipt.Path)}, nil
}

// onlyTimeout returns err if a program was killed because it did not end, else nil.
func onlyTimeout(err error) error {
	if errors.Is(err, command.ErrTimeout) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func iptablesLayer(l *config.Loaded, kind ruleset.Layer, name, path string) layers.Layer {
	return layers.Layer{Kind: kind, Name: name, Open: func(ctx context.Context, nat, _ bool) (enforce.Backend, error) {
		cfg, err := iptablesConfig(l, nat)
		if err != nil {
			return nil, err
		}
		cfg.Path = path
		return iptables.New(ctx, cfg)
	}}
}

// iptablesConfig returns the configuration of iptables; nat is false if another layer
// translates addresses and guards what is forwarded.
func iptablesConfig(l *config.Loaded, nat bool) (iptables.Config, error) {
	s := l.Server
	cfg := iptables.Config{
		Path:    iptablesPath(s),
		Chains:  make(map[enforce.Role]enforce.Chain),
		Prepend: s.PrependRules,
		Tries:   s.FirewallTries,
		Pause:   s.FirewallPause,
		Alarm:   s.FirewallTimeout,
	}
	for role, spec := range Chains(s) {
		c, err := convertChain(spec)
		if err != nil {
			return cfg, fmt.Errorf("%s: %w", spec.To, err)
		}
		cfg.Chains[role] = c
	}
	if nat {
		cfg.Guard = s.GuardForward
	}
	if s.Output {
		cfg.Roles = append(cfg.Roles, enforce.Output)
	}
	if !s.Forwarding && !(s.Dialect == conf.C26 && s.LocalNAT) {
		return cfg, nil
	}
	cfg.Roles = append(cfg.Roles, enforce.Forward)
	switch {
	case !nat:
	case s.SNAT && s.SNATAddr.IsValid():
		cfg.Roles = append(cfg.Roles, enforce.DNAT, enforce.SNAT)
	case s.SNAT:
		cfg.Roles = append(cfg.Roles, enforce.DNAT, enforce.Masquerade)
	default:
		cfg.Roles = append(cfg.Roles, enforce.DNAT)
	}
	return cfg, nil
}

// nftablesConfig returns the configuration of nftables; nat is false if another layer
// translates addresses and guards what is forwarded.
func nftablesConfig(l *config.Loaded, nat bool) (nftables.Config, error) {
	cfg := nftables.Config{Places: make(map[enforce.Role][]nftables.Place)}
	s := l.Server
	for _, row := range []struct {
		role    enforce.Role
		keyword string
		chain   conf.NFTChain
	}{
		{enforce.Input, "NFT_INPUT_ACCESS", s.NFTInput}, {enforce.Output, "NFT_OUTPUT_ACCESS", s.NFTOutput},
		{enforce.Forward, "NFT_FORWARD_ACCESS", s.NFTForward}, {enforce.DNAT, "NFT_DNAT_ACCESS", s.NFTDNAT},
		{enforce.SNAT, "NFT_SNAT_ACCESS", s.NFTSNAT},
	} {
		c := row.chain
		if c.IsZero() {
			continue
		}
		p, err := nftables.ParsePlace(strings.Join([]string{c.Family, c.Table, c.Chain}, ","))
		if err != nil {
			return cfg, fmt.Errorf("%s: %w", row.keyword, err)
		}
		cfg.Places[row.role] = append(cfg.Places[row.role], p)
	}
	if nat {
		cfg.Guard = s.GuardForward
	}
	if s.Output {
		cfg.Roles = append(cfg.Roles, enforce.Output)
	}
	if s.Forwarding {
		cfg.Roles = append(cfg.Roles, enforce.Forward)
		if nat {
			cfg.Roles = append(cfg.Roles, enforce.DNAT)
		}
		if nat && s.SNAT {
			cfg.Roles = append(cfg.Roles, enforce.SNAT)
		}
	}
	slices.Sort(cfg.Roles)
	cfg.CloseConnections = l.Access != nil && slices.ContainsFunc(l.Access.Stanzas, func(s conf.Stanza) bool { return s.CloseConnections })
	return cfg, nil
}

func convertChain(c conf.ChainSpec) (enforce.Chain, error) {
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

// iptablesPath returns the path in FIREWALL_EXE of a 2.6 file if that names an iptables
// program, else that in iptablesCmd.
func iptablesPath(s *conf.Server) string {
	path := s.IPTablesExe
	if exe := s.FirewallExe; exe != "" && strings.Contains(filepath.Base(exe), "iptables") {
		path = exe
	}
	if found := FindProgram(path); found != "" {
		return found
	}
	return path
}
