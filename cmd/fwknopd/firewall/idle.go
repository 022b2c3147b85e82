package firewall

import (
	"time"

	"fwknopd/policy/conf"
)

// The 2.6 daemon looks at all rules once in RULES_CHECK_THRESHOLD turns of its loop.
const (
	loopTurn    = 100 * time.Millisecond
	idleDefault = 5 * time.Second // unless a file says it: a look runs programs
	idleLeast   = time.Second
)

// IdleCheck is how often to look for rules of another daemon where the kernel does not
// tell of changes; 0 is never.
func IdleCheck(v *conf.Values) time.Duration {
	turns := v.Int("RULES_CHECK_THRESHOLD")
	switch {
	case turns == 0:
		return 0
	case !v.IsSet("RULES_CHECK_THRESHOLD"):
		return idleDefault
	}
	return max(time.Duration(turns)*loopTurn, idleLeast)
}
