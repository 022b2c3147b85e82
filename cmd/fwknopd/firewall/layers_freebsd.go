package firewall

import (
	"context"
	"fmt"

	"fwknopd/cmd/fwknopd/config"
)

// openLayers opens ipfw, the firewall that auto means on FreeBSD, and refuses those of
// Linux.
func openLayers(ctx context.Context, l *config.Loaded, kind string) (*Firewall, error) {
	if err := notHere(kind); err != nil {
		return nil, err
	}
	return openIPFW(ctx, l)
}

func notHere(kind string) error {
	if kind == typeIPTables || kind == typeNFTables {
		return fmt.Errorf("FIREWALL_TYPE %s: not on freebsd, set it to ipfw or external_cmd", kind)
	}
	return nil
}

// Look says what is wrong with FIREWALL_TYPE on this host; ipfw has no layers to look at.
func Look(l *config.Loaded) []string {
	if err := notHere(l.Server.FirewallType); err != nil {
		return []string{err.Error()}
	}
	return nil
}
