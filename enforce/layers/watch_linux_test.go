package layers

import (
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// TestIdleInterval: the tables of the legacy variant, which sends no notifications, are read for a guard
// also where no rules of other daemons are searched for.
func TestIdleInterval(t *testing.T) {
	guard := enforce.Guard{{Proto: enforce.TCP, Number: 8080}}
	for _, c := range []struct {
		kind  ruleset.Layer
		idle  time.Duration
		guard enforce.Guard
		want  time.Duration
	}{
		{ruleset.IPTablesLegacy, 0, nil, 0},
		{ruleset.IPTablesLegacy, time.Second, nil, time.Second},
		{ruleset.IPTablesLegacy, time.Minute, guard, time.Minute},
		{ruleset.IPTablesLegacy, 0, guard, guardInterval},
		{ruleset.IPTablesNFT, time.Second, guard, 0},
	} {
		b := &Backend{cfg: Config{Idle: c.idle, Guard: c.guard}}
		b.members.Store(&[]*member{{Layer: Layer{Kind: c.kind}}})
		if got := b.idleInterval(); got != c.want {
			t.Errorf("%s, idle %v, guard %v: %v, want %v", c.kind, c.idle, c.guard, got, c.want)
		}
	}
}
