package firewall

import (
	"context"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce/layers"
	"fwknopd/enforce/ruleset"
)

// surveyTimeout bounds a survey.
const surveyTimeout = 10 * time.Second

// Survey returns lines on where grants would be opened on this host and what would still
// drop the packets; none for firewalls without layers. It changes nothing.
func Survey(l *config.Loaded) []string {
	kind := l.Server.FirewallType
	if kind != typeAuto && kind != typeIPTables && kind != typeNFTables && kind != typeFirewalld && kind != "" {
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
	if first := cfg.Layers[0]; first.Kind == ruleset.Firewalld {
		b, err := first.Open(ctx, true, false)
		if err != nil {
			return []string{"cannot be looked at: firewalld: " + err.Error()}
		}
		defer b.Close()
	}
	lines, err := layers.Look(ctx, cfg)
	if err != nil {
		return []string{"cannot be looked at: " + err.Error()}
	}
	return lines
}
