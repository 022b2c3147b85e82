package firewall

import (
	"context"
	"fmt"

	"fwknopd/cmd/fwknopd/config"
)

// openLayers opens ipfw, which auto stands for on FreeBSD, and refuses the firewalls of
// Linux.
func openLayers(ctx context.Context, l *config.Loaded, kind string) (*Firewall, error) {
	if err := unsupported(kind); err != nil {
		return nil, err
	}
	return openIPFW(ctx, l)
}

func unsupported(kind string) error {
	if kind == typeIPTables || kind == typeNFTables || kind == typeFirewalld {
		return fmt.Errorf("FIREWALL_TYPE %s: not on freebsd, set it to ipfw or external_cmd", kind)
	}
	return nil
}

// Survey returns an error line if FIREWALL_TYPE is not supported on this host; ipfw has
// no layers to inspect.
func Survey(l *config.Loaded) []string {
	if err := unsupported(l.Server.FirewallType); err != nil {
		return []string{err.Error()}
	}
	return nil
}
