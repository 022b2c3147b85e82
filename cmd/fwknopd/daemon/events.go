package daemon

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// An eventLine is a monitor event in the event log. Fields it shares with decisions
// have the same names.
type eventLine struct {
	V         int        `json:"v"`
	Timestamp string     `json:"timestamp"`
	Type      string     `json:"event_type"`
	Verdict   string     `json:"verdict,omitempty"`
	Error     string     `json:"error,omitempty"`
	Stanza    int        `json:"stanza,omitempty"`
	User      string     `json:"user,omitempty"`
	Src       string     `json:"src_ip,omitempty"`
	Grant     *grantLine `json:"grant,omitempty"`
	BlockedBy []string   `json:"blocked_by,omitempty"`
	Command   string     `json:"command,omitempty"`
	Status    *int       `json:"status,omitempty"`
	Output    string     `json:"output,omitempty"`
	TimedOut  bool       `json:"timed_out,omitempty"`
	TookS     float64    `json:"took_s,omitempty"`
	Count     int        `json:"count,omitempty"`
	StepS     float64    `json:"step_s,omitempty"`
}

type grantLine struct {
	Src      string   `json:"src"`
	Ports    []string `json:"ports"`
	Expires  string   `json:"expires,omitempty"`
	Dst      string   `json:"dst,omitempty"`
	Output   bool     `json:"output,omitempty"`
	Forward  string   `json:"forward,omitempty"`
	Local    bool     `json:"local,omitempty"`
	SNAT     string   `json:"snat,omitempty"`
	External []string `json:"external,omitempty"`
	Foreign  string   `json:"foreign,omitempty"` // a rule of another program
}

func newGrantLine(g *enforce.Grant) *grantLine {
	l := &grantLine{Src: g.Src.String(), Ports: g.PortNames(), Output: g.Output, Foreign: g.Foreign}
	if !g.Expires.IsZero() {
		l.Expires = g.Expires.UTC().Format(time.RFC3339)
	}
	l.Dst = addrText(g.Dst)
	if n := g.NAT; n != nil {
		l.Forward, l.Local, l.SNAT = "any", n.Local, addrText(n.SNAT)
		if n.Target.IsValid() {
			l.Forward = n.Target.String()
		}
		if n.Masquerade {
			l.SNAT = "masquerade"
		}
	}
	if g.External != nil {
		l.External = g.External.Open
	}
	return l
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// handleEvent logs a monitor event: as a message, in the old daemon's format, and as an
// object in the event log.
func (d *daemon) handleEvent(ev monitor.Event) {
	d.events.write(encodeEvent(&ev))
	d.logCompat(&ev)
	what, until := ev.Grant.Text(), expiryText(&ev.Grant)
	who := ownerText(&ev.Grant) + blockedText(ev.Blocked)
	switch ev.Kind {
	case monitor.Granted:
		d.alertf(severityOf(&ev), "opened %s%s%s", what, until, who)
	case monitor.Extended:
		d.logf(severityOf(&ev), "extended %s%s%s", what, until, who)
	case monitor.Kept:
		if len(ev.Blocked) > 0 {
			d.logf(warning, "%s is open already%s", what, who)
		}
	case monitor.Blocked:
		d.alertf(warning, "%s is open%s%s", what, until, who)
	case monitor.Adopted:
		d.logf(info, "took over %s%s%s", what, until, who)
	case monitor.Expired:
		d.alertf(info, "closed %s: its time is over%s", what, who)
	case monitor.Revoked:
		d.alertf(info, "closed %s on request%s", what, who)
	case monitor.Repaired:
		d.alertf(warning, "opened %s again%s: another program had closed it%s", what, until, who)
	case monitor.Postponed:
		d.logf(info, "keeps %s open for a connection%s", what, who)
	case monitor.Refused:
		if ev.Command.Stanza != 0 {
			what, who = "command "+strconv.Quote(ev.Command.Text), clientText(ev.Command.Stanza, ev.Command.User)
		}
		d.alertf(warning, "refused what the worker asked for: %s: %v%s", what, ev.Err, who)
	case monitor.Failed:
		d.alertf(warning, "firewall: %s%v%s", grantPrefix(&ev.Grant), ev.Err, who)
	case monitor.Contested:
		d.alertf(warning, "another program removes what we open, again and again: %v", ev.Err)
	case monitor.ClockStep:
		d.logf(warning, "the clock was set by %v; what is open ends no later for it", ev.Step)
	case monitor.CommandRan:
		d.commandRan(&ev)
	case monitor.WorkerStarted:
		if ev.Count > 0 {
			d.alertf(warning, "restarted the worker on %s (%d)", hostname(), ev.Count)
		}
	case monitor.WorkerDied:
		d.workerDied(ev.Err)
	case monitor.WorkerGaveUp:
		d.fatalf("could not restart the worker on %s, tried %d times: %v. Exiting when all is closed.", hostname(), ev.Count, ev.Err)
	case monitor.Violation:
		d.alertf(warning, "the worker broke the protocol and was cut off: %v", ev.Err)
	case monitor.Lost:
		d.logf(warning, "%s lost, the log was too slow", conf.Count(int(ev.Count), "event"))
	}
}

// severityOf returns warning for a grant that other rules still block, else info.
func severityOf(ev *monitor.Event) severity {
	if len(ev.Blocked) > 0 {
		return warning
	}
	return info
}

func (d *daemon) commandRan(ev *monitor.Event) {
	how := exitText(ev.Result.Status, ev.Result.TimedOut, ev.Err)
	d.alertf(info, "command %q %s%s%s", ev.Command.Text, how, clientText(ev.Command.Stanza, ev.Command.User), outputText(ev.Result.Output))
}

func encodeEvent(ev *monitor.Event) []byte {
	l := eventLine{V: 1, Timestamp: ev.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), Type: "grant", Verdict: string(ev.Kind),
		BlockedBy: ev.Blocked, Count: ev.Count, StepS: ev.Step.Seconds()}
	if ev.Err != nil {
		l.Error = ev.Err.Error()
	}
	if ev.Grant.Src.IsValid() {
		l.Stanza, l.User, l.Src, l.Grant = ev.Grant.Stanza, ev.Grant.User, ev.Grant.Src.String(), newGrantLine(&ev.Grant)
	}
	switch ev.Kind {
	case monitor.CommandRan:
		l.Type, l.Verdict = "command", "command"
		l.Status, l.Output, l.TimedOut, l.TookS = &ev.Result.Status, ev.Result.Output, ev.Result.TimedOut, ev.Result.Took.Seconds()
	case monitor.WorkerStarted, monitor.WorkerDied, monitor.WorkerGaveUp, monitor.Violation:
		l.Type = "worker"
	case monitor.ClockStep, monitor.Contested, monitor.Lost:
		l.Type = "monitor"
	}
	if c := ev.Command; c.Stanza != 0 {
		l.Stanza, l.User, l.Command, l.Src = c.Stanza, c.User, c.Text, c.Src
	}
	object, err := json.Marshal(l)
	if err != nil {
		return []byte("{}") // not reached: numbers and strings always encode
	}
	return object
}

// externalRan logs how a configured command ended.
func (d *daemon) externalRan(g enforce.Grant, opening bool, result command.Result, err error) {
	verb, argv := "closing", g.External.Close
	if opening {
		verb, argv = "opening", g.External.Open
	}
	sev := info
	if err != nil || result.TimedOut || result.Status != 0 {
		sev = warning
	}
	d.logf(sev, "%s command %q %s%s%s", verb, argv, exitText(result.Status, result.TimedOut, err), clientText(g.Stanza, g.User), outputText(result.Output))
}
