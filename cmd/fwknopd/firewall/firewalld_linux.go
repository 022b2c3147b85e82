package firewall

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
	"fwknopd/enforce/firewalld"
	"fwknopd/enforce/layers"
	"fwknopd/enforce/ruleset"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// askTimeout is how long the bus may take to say whether firewalld runs.
const askTimeout = 5 * time.Second

// firewalldJournal is the file, in FWKNOP_LIB_DIR, with the ends of grants in firewalld.
const firewalldJournal = "firewalld.open"

// errNotFirewalld comes with what firewalld cannot do for this configuration.
var errNotFirewalld = errors.New("firewalld has no rich rule for it; FIREWALL_TYPE nftables puts rules into its table instead")

// firewalldLayer returns the layer of firewalld: with FIREWALL_TYPE firewalld, and with auto if
// it is on the bus and has rules for all that the configuration asks for, else nil: nftables
// puts rules into its table then. A bus that does not say is an error: what firewalld drops, no
// other firewall opens.
func firewalldLayer(ctx context.Context, l *config.Loaded, kind string) (*layers.Layer, error) {
	unmet := firewalldOffers(l.Server)
	switch kind {
	case typeFirewalld:
		if unmet != nil {
			return nil, unmet
		}
	case typeAuto, "":
		if unmet != nil {
			return nil, nil
		}
		running, err := firewalld.Running(ctx, "", askTimeout)
		switch {
		case err != nil:
			return nil, fmt.Errorf("FIREWALL_TYPE auto: whether firewalld runs is not known: %w; name the firewall with FIREWALL_TYPE", err)
		case !running:
			return nil, nil
		}
	default:
		return nil, nil
	}
	cfg := firewalldConfig(l.Server)
	return &layers.Layer{Kind: ruleset.Firewalld, Name: typeFirewalld, Open: func(ctx context.Context, _, _ bool) (enforce.Backend, error) {
		return firewalld.New(ctx, cfg)
	}}, nil
}

func firewalldConfig(s *conf.Server) firewalld.Config {
	cfg := firewalld.Config{Journal: filepath.Join(s.StateDir, firewalldJournal), Timeout: s.FirewallTimeout}
	if slices.Contains(s.AuthModes, "PCAP") && len(s.AuthModes) == 1 && s.Interface != ingest.AnyInterface && s.Interface != "" {
		cfg.Interfaces = []string{s.Interface}
	}
	return cfg
}

// firewalldOffers returns an error for keywords that ask for rules which firewalld does not
// have.
func firewalldOffers(s *conf.Server) error {
	switch {
	case s.Output:
		return fmt.Errorf("ENABLE_IPT_OUTPUT: %w", errNotFirewalld)
	case s.SNAT && s.Forwarding:
		return fmt.Errorf("ENABLE_IPT_SNAT: %w", errNotFirewalld)
	case len(s.GuardForward) > 0:
		return fmt.Errorf("GUARD_FORWARD: %w", errNotFirewalld)
	}
	return nil
}
