package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// An eventLine is a monitor event in the event log. Members that it shares with
// decisions have the same names.
type eventLine struct {
	V           int                  `json:"v"`
	Timestamp   string               `json:"timestamp"`
	Type        string               `json:"event_type"`
	Verdict     string               `json:"verdict,omitempty"`
	Error       string               `json:"error,omitempty"`
	Stanza      int                  `json:"stanza,omitempty"`
	Name        string               `json:"stanza_name,omitempty"`
	User        string               `json:"user,omitempty"`
	Src         string               `json:"src_ip,omitempty"`
	Grant       json.RawMessage      `json:"grant,omitempty"`
	By          string               `json:"by,omitempty"`
	Connections *enforce.Connections `json:"connections,omitempty"`
	BlockedBy   []string             `json:"blocked_by,omitempty"`
	Command     string               `json:"command,omitempty"`
	File        string               `json:"file,omitempty"`
	Status      *int                 `json:"status,omitempty"`
	Output      string               `json:"output,omitempty"`
	TimedOut    bool                 `json:"timed_out,omitempty"`
	TookS       float64              `json:"took_s,omitempty"`
	Count       int                  `json:"count,omitempty"`
	StepS       float64              `json:"step_s,omitempty"`
}

// EventStanza returns the line of the stanza that an event is about, 0 if there is none.
func EventStanza(ev *monitor.Event) int {
	if ev.Command.Stanza != 0 {
		return ev.Command.Stanza
	}
	return ev.Grant.Stanza
}

// EventJSON returns a monitor event as an object of the event log. name is the NAME of its
// stanza, "" if it has none.
func EventJSON(ev *monitor.Event, name string) []byte {
	l := eventLine{V: 1, Name: name, Timestamp: string(appendTime(nil, ev.Time)), Type: "grant", Verdict: string(ev.Kind),
		BlockedBy: ev.Blocked, Count: ev.Count, StepS: ev.Step.Seconds()}
	if ev.Err != nil {
		l.Error = ev.Err.Error()
	}
	if ev.ByHand {
		l.By = "administrator"
	}
	if g := &ev.Grant; g.Src.IsValid() {
		l.Stanza, l.User, l.Src, l.Grant = g.Stanza, g.User, g.Src.String(), appendGrant(nil, g, time.Time{})
	}
	switch ev.Kind {
	case monitor.CommandRan:
		l.Type, l.Verdict = "command", "command"
		l.Status, l.Output, l.TimedOut, l.TookS = &ev.Result.Status, ev.Result.Output, ev.Result.TimedOut, ev.Result.Took.Seconds()
	case monitor.WrongPassword:
		l.Type, l.Verdict, l.User, l.Src, l.File = "password", "refused", ev.Command.User, ev.Command.Src, ev.Command.Text
	case monitor.WorkerStarted, monitor.WorkerDied, monitor.WorkerGaveUp, monitor.Violation:
		l.Type = "worker"
	case monitor.Cut:
		l.Connections = &ev.Connections
	case monitor.ClockStep, monitor.Contested, monitor.Bypassed, monitor.Lost:
		l.Type = "monitor"
	}
	if c := ev.Command; c.Stanza != 0 {
		l.Stanza, l.User, l.Command, l.Src = c.Stanza, c.User, c.Text, c.Src
	}
	object, err := json.Marshal(l)
	if err != nil {
		return []byte("{}") // not reached: numbers and strings always encode
	}
	return appendEscaped(nil, object)
}

// AppendEvent appends a monitor event as a line with its time, as [AppendLine] does a
// decision. stanza is as for [EventText].
func AppendEvent(b []byte, ev *monitor.Event, stanza string) []byte {
	b = append(appendRecordTime(b, ev.Time, "", noTime), ' ')
	return append(append(b, conf.Printable(EventText(ev, "", stanza))...), '\n')
}

// EventText returns the message for a monitor event, "" if there is none. host is the
// name of this host, stanza the title of the stanza of [EventStanza].
func EventText(ev *monitor.Event, host, stanza string) string {
	what, who := GrantText(&ev.Grant), ownerText(&ev.Grant, stanza)+byHandText(ev.ByHand)+blockedText(ev.Blocked)
	if form, ok := grantTexts[ev.Kind]; ok {
		return form.text(&ev.Grant, what) + who
	}
	switch ev.Kind {
	case monitor.Kept:
		if len(ev.Blocked) > 0 {
			return what + " is open already" + who
		}
	case monitor.Cut:
		return connectionsText(ev.Connections) + " through " + what + ", which has ended" + who + errorText(ev.Err)
	case monitor.Refused:
		return refusedText(ev, stanza)
	case monitor.Failed:
		if ev.Grant.Src.IsValid() {
			return fmt.Sprintf("firewall: %s: %v%s", what, ev.Err, who)
		}
		return fmt.Sprintf("firewall: %v%s", ev.Err, who)
	case monitor.Contested:
		return fmt.Sprintf("another program removes what we open, again and again: %v", ev.Err)
	case monitor.Bypassed:
		return fmt.Sprint(ev.Err)
	case monitor.ClockStep:
		return fmt.Sprintf("the clock was set by %v; what is open ends no later for it", ev.Step)
	case monitor.CommandRan:
		how := exitText(ev.Result.Status, ev.Result.TimedOut, ev.Err)
		return fmt.Sprintf("command %q %s%s%s", ev.Command.Text, how, clientText(stanza, ev.Command.User), outputText(ev.Result.Output))
	case monitor.WrongPassword:
		return passwordText(ev)
	}
	return workerText(ev, host)
}

// A grantForm is how the message for an event of one grant reads.
type grantForm struct {
	before, behind string // around what is open
	until          bool   // then when it ends
	cause          string // then why
}

// grantTexts has the messages that say no more than what became of a grant.
var grantTexts = map[monitor.Kind]grantForm{
	monitor.Granted:   {before: "opened ", until: true},
	monitor.Extended:  {before: "extended ", until: true},
	monitor.Blocked:   {behind: " is open", until: true},
	monitor.Adopted:   {before: "took over ", until: true},
	monitor.Expired:   {before: "closed ", cause: ": its time is over"},
	monitor.Revoked:   {before: "closed ", cause: " on request"},
	monitor.Repaired:  {before: "opened ", behind: " again", until: true, cause: ": another program had closed it"},
	monitor.Postponed: {before: "keeps ", behind: " open for a connection"},
}

// text returns the message; what is the text of the grant.
func (f *grantForm) text(g *enforce.Grant, what string) string {
	end := ""
	if f.until {
		end = untilText(g)
	}
	return f.before + what + f.behind + end + f.cause
}

// refusedText returns the message for what the monitor refused.
func refusedText(ev *monitor.Event, stanza string) string {
	what, by, who := GrantText(&ev.Grant), "the worker", ownerText(&ev.Grant, stanza)+blockedText(ev.Blocked)
	if ev.Command.Stanza != 0 {
		what, who = "command "+strconv.Quote(ev.Command.Text), clientText(stanza, ev.Command.User)
	}
	if ev.ByHand {
		by, who = "the administrator", ownerText(&ev.Grant, stanza)
	}
	return "refused what " + by + " asked for: " + what + ": " + ev.Err.Error() + who
}

// workerText returns the message for an event of the worker or of the log.
func workerText(ev *monitor.Event, host string) string {
	switch ev.Kind {
	case monitor.WorkerStarted:
		if ev.Count > 0 {
			return fmt.Sprintf("restarted the worker on %s (%d)", host, ev.Count)
		}
	case monitor.WorkerDied:
		return fmt.Sprintf("the worker died: %v", ev.Err)
	case monitor.WorkerGaveUp:
		return fmt.Sprintf("could not restart the worker on %s, tried %d times: %v. Exiting when all is closed.", host, ev.Count, ev.Err)
	case monitor.Violation:
		return fmt.Sprintf("the worker broke the protocol and was cut off: %v", ev.Err)
	case monitor.Lost:
		return conf.Count(ev.Count, "event") + " lost, the log was too slow"
	}
	return ""
}

// connectionsText returns what became of connections.
func connectionsText(n enforce.Connections) string {
	var words []string
	if n.Ended > 0 {
		words = append(words, "ended "+conf.Count(n.Ended, "connection"))
	}
	if n.Cut > 0 {
		words = append(words, "cut "+conf.Count(n.Cut, "connection")+", forwarded or by UDP,")
	}
	if n.Open > 0 {
		words = append(words, "could not end "+conf.Count(n.Open, "connection"))
	}
	return strings.Join(words, " and ")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// passwordText returns the message for a password that was wrong or not checked.
func passwordText(ev *monitor.Event) string {
	text := fmt.Sprintf("wrong password in %s for user %q from %s", ev.Command.Text, ev.Command.User, ev.Command.Src)
	if ev.Err != nil {
		text = fmt.Sprintf("password in %s for user %q from %s not accepted: %v", ev.Command.Text, ev.Command.User, ev.Command.Src, ev.Err)
	}
	if ev.Count > 0 {
		text += fmt.Sprintf("; %d more like this were not told one by one", ev.Count)
	}
	return text
}

// ExternalText returns the message for a command that was run to open or close a grant of
// the stanza with that title.
func ExternalText(g *enforce.Grant, stanza string, opening bool, result command.Result, err error) string {
	verb, argv := "closing", g.External.Close
	if opening {
		verb, argv = "opening", g.External.Open
	}
	how := exitText(result.Status, result.TimedOut, err)
	return fmt.Sprintf("%s command %q %s%s%s", verb, argv, how, clientText(stanza, g.User), outputText(result.Output))
}

// byHandText returns who asked for a grant that no packet asked for.
func byHandText(byHand bool) string {
	if byHand {
		return " by the administrator"
	}
	return ""
}

// untilText returns when a grant ends.
func untilText(g *enforce.Grant) string {
	if g.Expires.IsZero() {
		return ", no end"
	}
	return " until " + g.Expires.UTC().Format(time.RFC3339)
}

// ownerText returns the stanza and user of a grant.
func ownerText(g *enforce.Grant, stanza string) string {
	if g.Foreign != "" {
		return " (another program's rule)"
	}
	return clientText(stanza, g.User)
}

// clientText returns the title of a stanza and the user in parentheses.
func clientText(stanza, user string) string {
	switch {
	case stanza == "":
		return ""
	case user == "":
		return " (" + stanza + ")"
	}
	return " (" + stanza + ", user " + user + ")"
}

// blockedText returns which rules still drop what a grant permits.
func blockedText(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return ", still dropped by " + strings.Join(by, ", ")
}

// exitText returns how a program ended.
func exitText(status int, timedOut bool, err error) string {
	switch {
	case err != nil:
		return "could not be started: " + err.Error()
	case timedOut:
		return "took too long and was killed"
	}
	return "ended with " + strconv.Itoa(status)
}

// outputText returns the output of a program behind a colon, "" if there is none.
func outputText(output string) string {
	if output == "" {
		return ""
	}
	return ": " + output
}
