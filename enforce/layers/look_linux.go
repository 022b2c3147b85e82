package layers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fwknopd/enforce/ruleset"
)

// Look says where grants would be opened on this host, and what would drop them all the
// same. It changes nothing, and closes cfg.
func Look(ctx context.Context, cfg Config) (lines []string, err error) {
	b := &Backend{cfg: cfg}
	b.members.Store(new([]*member))
	defer b.Close()
	if err := b.survey(ctx); err != nil {
		return nil, err
	}
	need := b.needed()
	var names []string
	for _, l := range need {
		names = append(names, l.Name)
	}
	where := strings.Join(names, " and ")
	if len(need) == 0 {
		where = cfg.Layers[0].Name + ", as nothing drops on this host"
	}
	lines = append(append(lines, "grants are opened in "+where), b.view.unread...)
	for _, w := range b.view.walls(cfg.Hooks) {
		opened := w.Why == "" && slices.Contains(cfg.Hooks, w.Hook) &&
			slices.ContainsFunc(need, func(l Layer) bool { return l.Kind == w.Layer })
		if !opened {
			lines = append(lines, fmt.Sprintf("%s drops what a grant is for, and is not opened%s", w.Name, because(w)))
		}
	}
	for _, base := range b.view.bases {
		if base.CutsConnections() {
			lines = append(lines, cuts(base))
		}
	}
	return lines, nil
}

// cuts is the hint that a connection does not outlive its grant.
func cuts(b *ruleset.Base) string {
	return b.Name + ": no rule accepts packets of established connections: a connection is cut when its grant ends"
}
