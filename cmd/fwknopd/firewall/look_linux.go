package firewall

import (
	"context"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce/layers"
)

// lookTimeout bounds a look at the host.
const lookTimeout = 10 * time.Second

// Look says where grants would be opened on this host and what would drop them all the
// same; nothing for firewalls that are no layers. It changes nothing.
func Look(l *config.Loaded) []string {
	kind := l.Server.FirewallType
	if kind != typeAuto && kind != typeIPTables && kind != typeNFTables && kind != "" {
		return nil
	}
	if os.Geteuid() != 0 {
		return []string{"not looked at, that needs root"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	cfg, err := layersOf(l, kind)
	if err != nil {
		return []string{"cannot be looked at: " + err.Error()}
	}
	lines, err := layers.Look(ctx, cfg)
	if err != nil {
		return []string{"cannot be looked at: " + err.Error()}
	}
	return lines
}
