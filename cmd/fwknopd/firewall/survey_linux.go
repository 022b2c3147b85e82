package firewall

import (
	"context"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce/layers"
)

// surveyTimeout bounds a survey.
const surveyTimeout = 10 * time.Second

// Survey returns lines on where grants would be opened on this host and what would still
// drop the packets; none for firewalls without layers. It changes nothing.
func Survey(l *config.Loaded) []string {
	kind := l.Server.FirewallType
	if kind != typeAuto && kind != typeIPTables && kind != typeNFTables && kind != "" {
		return nil
	}
	if os.Geteuid() != 0 {
		return []string{"not looked at, that needs root"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), surveyTimeout)
	defer cancel()
	cfg, err := layersConfig(ctx, l, kind)
	if err != nil {
		return []string{"cannot be looked at: " + err.Error()}
	}
	lines, err := layers.Look(ctx, cfg)
	if err != nil {
		return []string{"cannot be looked at: " + err.Error()}
	}
	return lines
}
