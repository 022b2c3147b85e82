package daemon

import (
	"fmt"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
)

// events19 has the 1.9 daemon's log lines for monitor events.
var events19 = map[monitor.Kind]func(*daemon, *monitor.Event) []string{
	monitor.Granted:  added19,
	monitor.Extended: already19,
	monitor.Kept:     already19,
	monitor.Expired:  removed19,
	monitor.Revoked:  func(d *daemon, ev *monitor.Event) []string { d.forgetLifetimes(ev); return nil },
}

// endpoints returns source, destination and port of a rule as 1.9 prints them.
func (r *compatRule) endpoints() (from, to, port string) {
	g := &r.part
	any := report.Anywhere(g.Src)
	from, to, port = g.Src.String(), any, "all"
	if len(g.Ports) == 1 {
		port = g.Ports[0].Proto.String() + "/" + fmt.Sprint(g.Ports[0].Number)
	}
	switch {
	case r.role == enforce.Output:
		return any, from, port
	case r.role == enforce.DNAT && g.All:
		return from, g.NAT.Target.Addr().String(), port
	case r.role == enforce.DNAT:
		return from, g.NAT.Target.Addr().String(), port + " to " + fmt.Sprint(g.NAT.Target.Port())
	case g.Dst.IsValid():
		to = g.Dst.String()
	}
	return from, to, port
}

func (r *compatRule) target() string { return iptables.Defaults[r.role].Target }

func added19(d *daemon, ev *monitor.Event) (lines []string) {
	seconds := lifetime19(ev.Grant.Expires, ev.Time)
	for _, r := range d.compatRules(&ev.Grant) {
		from, to, port := r.endpoints()
		lines = append(lines, fmt.Sprintf("add %s %s -> %s(%s) %s rule %d sec", r.chain, from, to, port, r.target(), seconds))
		d.lifetimes[r.part.Key()] = seconds
	}
	return lines
}

// lifetime19 returns the lifetime in whole seconds, 0 for a grant without end.
func lifetime19(end, now time.Time) int {
	if end.IsZero() {
		return 0
	}
	return int(end.Sub(now).Round(time.Second) / time.Second)
}

func already19(d *daemon, ev *monitor.Event) (lines []string) {
	for _, r := range d.compatRules(&ev.Grant) {
		from, to, port := r.endpoints()
		lines = append(lines, fmt.Sprintf("source: %s -> %s(%s) already allowed to connect in chain: %s", from, to, port, r.chain))
	}
	return lines
}

func removed19(d *daemon, ev *monitor.Event) (lines []string) {
	for _, r := range d.compatRules(&ev.Grant) {
		from, to, port := r.endpoints()
		seconds, known := d.lifetimes[r.part.Key()]
		if !known {
			continue // adopted from an earlier run: its lifetime is not known
		}
		lines = append(lines, fmt.Sprintf("removed iptables %s %s rule for %s -> %s(%s), %d sec timeout exceeded", r.chain, r.target(), from, to, port, seconds))
	}
	d.forgetLifetimes(ev)
	return lines
}

// forgetLifetimes removes the stored lifetimes of a grant.
func (d *daemon) forgetLifetimes(ev *monitor.Event) {
	for _, part := range ev.Grant.Split() {
		delete(d.lifetimes, part.Key())
	}
}
