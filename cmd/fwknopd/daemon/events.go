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

// An eventLine is the form of what the monitor reports; that of decisions is the
// same where they have the same to say.
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

func lineOf(g *enforce.Grant) *grantLine {
	l := &grantLine{Src: g.Src.String(), Ports: []string{}, Output: g.Output, Foreign: g.Foreign}
	if g.All {
		l.Ports = append(l.Ports, "all")
	}
	for _, p := range g.Ports {
		l.Ports = append(l.Ports, p.String())
	}
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

// happened writes down what the monitor did: a line to read, what the old daemon would
// have said, and an object.
func (k *keeper) happened(ev monitor.Event) {
	k.events.write(encode(&ev))
	k.compat(&ev)
	what, until := grantText(&ev.Grant), ending(&ev.Grant)
	who := owner(&ev.Grant) + dropped(ev.Blocked)
	switch ev.Kind {
	case monitor.Granted:
		k.alert(moodOf(&ev), "opened %s%s%s", what, until, who)
	case monitor.Extended:
		k.say(moodOf(&ev), "extended %s%s%s", what, until, who)
	case monitor.Kept:
		if len(ev.Blocked) > 0 {
			k.say(bad, "%s is open already%s", what, who)
		}
	case monitor.Blocked:
		k.alert(bad, "%s is open%s%s", what, until, who)
	case monitor.Adopted:
		k.say(good, "took over %s%s%s", what, until, who)
	case monitor.Expired:
		k.alert(good, "closed %s: its time is over%s", what, who)
	case monitor.Revoked:
		k.alert(good, "closed %s on request%s", what, who)
	case monitor.Repaired:
		k.alert(bad, "opened %s again%s: another program had closed it%s", what, until, who)
	case monitor.Postponed:
		k.say(good, "keeps %s open for a connection%s", what, who)
	case monitor.Refused:
		if ev.Command.Stanza != 0 {
			what, who = "command "+strconv.Quote(ev.Command.Text), client(ev.Command.Stanza, ev.Command.User)
		}
		k.alert(bad, "refused what the worker asked for: %s: %v%s", what, ev.Err, who)
	case monitor.Failed:
		k.alert(bad, "firewall: %s%v%s", prefix(&ev.Grant), ev.Err, who)
	case monitor.Contested:
		k.alert(bad, "another program removes what we open, again and again: %v", ev.Err)
	case monitor.ClockStep:
		k.say(bad, "the clock was set by %v; what is open ends no later for it", ev.Step)
	case monitor.CommandRan:
		k.commandRan(&ev)
	case monitor.WorkerStarted:
		if ev.Count > 0 {
			k.alert(bad, "restarted the worker on %s (%d)", hostname(), ev.Count)
		}
	case monitor.WorkerDied:
		k.workerDied(ev.Err)
	case monitor.WorkerGaveUp:
		k.die("could not restart the worker on %s, tried %d times: %v. Exiting when all is closed.", hostname(), ev.Count, ev.Err)
	case monitor.Violation:
		k.alert(bad, "the worker broke the protocol and was cut off: %v", ev.Err)
	case monitor.Lost:
		k.say(bad, "%s lost, the log was too slow", conf.Count(int(ev.Count), "event"))
	}
}

// moodOf is bad if a grant opens nothing.
func moodOf(ev *monitor.Event) mood {
	if len(ev.Blocked) > 0 {
		return bad
	}
	return good
}

func (k *keeper) commandRan(ev *monitor.Event) {
	how := ended(ev.Result.Status, ev.Result.TimedOut, ev.Err)
	k.alert(good, "command %q %s%s%s", ev.Command.Text, how, client(ev.Command.Stanza, ev.Command.User), said(ev.Result.Output))
}

func encode(ev *monitor.Event) []byte {
	l := eventLine{V: 1, Timestamp: ev.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), Type: "grant", Verdict: string(ev.Kind),
		BlockedBy: ev.Blocked, Count: ev.Count, StepS: ev.Step.Seconds()}
	if ev.Err != nil {
		l.Error = ev.Err.Error()
	}
	if ev.Grant.Src.IsValid() {
		l.Stanza, l.User, l.Src, l.Grant = ev.Grant.Stanza, ev.Grant.User, ev.Grant.Src.String(), lineOf(&ev.Grant)
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
		return []byte("{}") // numbers and strings always encode
	}
	return object
}

// externalRan tells how a configured command ended.
func (k *keeper) externalRan(g enforce.Grant, opening bool, result command.Result, err error) {
	verb, argv := "closing", g.External.Close
	if opening {
		verb, argv = "opening", g.External.Open
	}
	m := good
	if err != nil || result.TimedOut || result.Status != 0 {
		m = bad
	}
	k.say(m, "%s command %q %s%s%s", verb, argv, ended(result.Status, result.TimedOut, err), client(g.Stanza, g.User), said(result.Output))
}
