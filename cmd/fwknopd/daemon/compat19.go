package daemon

import (
	"fmt"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// words19 are the words of the 1.9 daemon for decisions.
var words19 = phrases{
	policy.KnockGranted:       granted19,
	policy.KnockDecryptFailed: func(t *told) []string { return []string{"sequence decrypt failed for " + t.Src.String()} },
	policy.KnockChecksum:      func(t *told) []string { return []string{"invalid checksum for " + t.Src.String()} },
	policy.KnockUser:          user19,
	policy.SPAUser:            user19,
	policy.KnockOS:            system19,
	policy.KnockLimit:         limit19,
	policy.KnockTooFast: func(t *told) []string {
		return gap19(t, "Sequence min_time (%d seconds) not met: %s (port sequence num: %d) ")
	},
	policy.KnockTooSlow: func(t *told) []string {
		return gap19(t, "Sequence max_time (%d seconds) exceeded: %s(port sequence num: %d) ")
	},
	policy.KnockTimeout: timeout19,
}

func (t *told) encrypted() bool { return t.stanza != nil && t.stanza.Mode == conf.ModeEncrypted }

func (t *told) block() int {
	if t.stanza == nil {
		return 0
	}
	return t.stanza.Number
}

func granted19(t *told) (lines []string) {
	if t.encrypted() {
		lines = append(lines, fmt.Sprintf("successful knock decrypt for %s (SOURCE block: %d)", t.Src, t.block()))
	}
	return append(lines, fmt.Sprintf("port knock access sequence matched for %s (SOURCE block: %d)", t.Src, t.block()))
}

func user19(t *told) []string {
	if t.Detail.Got == "" {
		return []string{"missing username in encrypted sequence, expected: " + t.Detail.Want}
	}
	return []string{fmt.Sprintf("username mismatch, expected: %s, got: %s", t.Detail.Want, t.Detail.Got)}
}

func system19(t *told) []string {
	kind := "OS"
	if t.stanza != nil && t.stanza.RequireOSRegex != nil {
		kind = "OS regex"
	}
	switch {
	case t.Detail.Got == "":
		return []string{fmt.Sprintf("could not fingerprint OS for %s, expecting %s: %s", t.Src, kind, t.Detail.Want)}
	case kind == "OS":
		return []string{fmt.Sprintf("OS fingerprint mismatch for %s: expected: %s, received: %s", t.Src, t.Detail.Want, t.Detail.Got)}
	}
	return []string{fmt.Sprintf("OS fingerprint regex mismatch for %s: expected: %s, received: %s", t.Src, t.Detail.Want, t.Detail.Got)}
}

func limit19(t *told) []string {
	limit := 0
	if t.Detail.Limit != nil {
		limit = *t.Detail.Limit
	}
	return []string{fmt.Sprintf("%s exceeded knock limit (set to %d accesses)", t.Src, limit),
		fmt.Sprintf("access controls for %s will not be modified", t.Src)}
}

func gap19(t *told, format string) []string {
	d := &t.Detail
	if d.LimitS == nil || d.Step == nil {
		return nil
	}
	return []string{fmt.Sprintf(format, int(*d.LimitS), d.Port, *d.Step-1)}
}

func timeout19(t *told) []string {
	if !t.encrypted() {
		return nil // it never said so
	}
	return []string{fmt.Sprintf("invalid encrypted sequence %s timeout", t.Src)}
}

// events19 are the words of the 1.9 daemon for what the monitor did.
var events19 = map[monitor.Kind]func(*keeper, *monitor.Event) []string{
	monitor.Granted:  added19,
	monitor.Extended: already19,
	monitor.Kept:     already19,
	monitor.Expired:  removed19,
	monitor.Revoked:  func(k *keeper, ev *monitor.Event) []string { k.outlived(ev); return nil },
}

// way is where a rule leads: from whom, to whom, which port.
func (r *oldRule) way() (from, to, port string) {
	g := &r.part
	any := enforce.Anywhere(g.Src)
	from, to, port = g.Src.String(), any, "all"
	if len(g.Ports) == 1 {
		port = enforce.ProtoName(g.Ports[0].Proto) + "/" + fmt.Sprint(g.Ports[0].Number)
	}
	switch {
	case r.role == iptables.Output:
		return any, from, port
	case r.role == iptables.DNAT && g.All:
		return from, g.NAT.Target.Addr().String(), port
	case r.role == iptables.DNAT:
		return from, g.NAT.Target.Addr().String(), port + " to " + fmt.Sprint(g.NAT.Target.Port())
	case g.Dst.IsValid():
		to = g.Dst.String()
	}
	return from, to, port
}

func (r *oldRule) target() string { return iptables.Defaults[r.role].Target }

func added19(k *keeper, ev *monitor.Event) (lines []string) {
	seconds := lifetime19(ev.Grant.Expires, ev.Time)
	for _, r := range k.oldRules(&ev.Grant) {
		from, to, port := r.way()
		lines = append(lines, fmt.Sprintf("add %s %s -> %s(%s) %s rule %d sec", r.chain, from, to, port, r.target(), seconds))
		k.lives[r.part.Key()] = seconds
	}
	return lines
}

// lifetime19 is in whole seconds, 0 without end.
func lifetime19(end, now time.Time) int {
	if end.IsZero() {
		return 0
	}
	return int(end.Sub(now).Round(time.Second) / time.Second)
}

func already19(k *keeper, ev *monitor.Event) (lines []string) {
	for _, r := range k.oldRules(&ev.Grant) {
		from, to, port := r.way()
		lines = append(lines, fmt.Sprintf("source: %s -> %s(%s) already allowed to connect in chain: %s", from, to, port, r.chain))
	}
	return lines
}

func removed19(k *keeper, ev *monitor.Event) (lines []string) {
	for _, r := range k.oldRules(&ev.Grant) {
		from, to, port := r.way()
		seconds, known := k.lives[r.part.Key()]
		if !known {
			continue // taken over: how long it was to live, its opener knew
		}
		lines = append(lines, fmt.Sprintf("removed iptables %s %s rule for %s -> %s(%s), %d sec timeout exceeded", r.chain, r.target(), from, to, port, seconds))
	}
	k.outlived(ev)
	return lines
}

// outlived forgets how long a grant was to live.
func (k *keeper) outlived(ev *monitor.Event) {
	for _, part := range ev.Grant.Split() {
		delete(k.lives, part.Key())
	}
}
