package top

import (
	"cmp"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// An event is an object of the event log as the view has it.
type event struct {
	report.Logged
	id   int       // counts events, from 1
	at   time.Time // zero: it has none
	text string    // what a filter looks into, in lower case; "" until one has
}

// parseEvent returns the event of an object; ok is false for what is none.
func parseEvent(object []byte, id int) (e event, ok bool) {
	l, err := report.ParseLogged(object)
	if err != nil {
		return e, false
	}
	return event{Logged: l, id: id, at: l.Time()}, true
}

// matches reports whether a filter, in lower case, finds the event.
func (e *event) matches(filter string) bool {
	if filter == "" {
		return true
	}
	if e.text == "" {
		e.text = strings.ToLower(e.Line())
	}
	return strings.Contains(e.text, filter)
}

// what names the kind of event in a word or two.
func (e *event) what() string {
	switch e.Type {
	case "decision":
		return e.Verdict
	case "suppressed":
		return e.Type
	case "grant":
		switch monitor.Kind(e.Verdict) {
		case monitor.Granted:
			return "opened"
		case monitor.Expired, monitor.Revoked:
			return "closed"
		case monitor.Extended:
			return "extended"
		}
	}
	return e.Type + " " + e.Verdict
}

// from returns the client.
func (e *event) from() string { return cmp.Or(e.Src, e.Clients()) }

// paint returns the color of an event, by what it means for the client.
func (e *event) paint() cli.Paint {
	switch e.Verdict {
	case report.Granted, report.Command:
		return cli.Green
	case report.Refused:
		return cli.Red
	case report.Shadow, string(monitor.Failed), string(monitor.WorkerDied), string(monitor.Lost), string(monitor.Contested), string(monitor.Bypassed):
		return cli.Yellow
	}
	return ""
}

// clock returns the time of day of an event, in zone.
func (e *event) clock(zone *time.Location) string {
	if e.at.IsZero() {
		return ""
	}
	return e.at.In(zone).Format(time.TimeOnly)
}

// eventColumns are those of the list of events.
var eventColumns = []column{
	{title: "TIME", keep: 4, min: 8}, {title: "EVENT", keep: 6, min: 10}, {title: "REASON", keep: 8, min: 11},
	{title: "CLIENT", keep: 7, min: 13}, {title: "STANZA", keep: 3, min: 6}, {title: "USER", keep: 1, min: 5}, {title: "DETAIL", keep: 2, min: 12},
}

func (e *event) cells(zone *time.Location) []string {
	cells := []string{e.clock(zone), e.what(), string(e.Reason), e.from(), stanzaText(e.Name, e.Stanza), e.User, e.Outcome()}
	for i := range cells {
		cells[i] = conf.Printable(cells[i])
	}
	return cells
}

// stanzaText returns the shortest name of a stanza.
func stanzaText(name string, line int) string {
	return cmp.Or(name, strings.TrimPrefix(conf.StanzaTitle("", 0, conf.Pos{Line: line}), "stanza "))
}

// explanation returns all there is to say of an event, as lines that fit into the width.
func (e *event) explanation(width int) []string {
	text := e.Text()
	if m, known := report.MeaningOf(e.Reason); known {
		text = strings.Replace(text, "\n", "\n\n"+string(e.Reason)+": "+m.Text+"\n", 1)
	}
	if e.Src != "" {
		text += "\nclient: " + conf.Printable(e.Src) + "\n"
	}
	return wrapped(text, width)
}

// wrapped returns the lines of a text, broken where they are wider.
func wrapped(text string, width int) []string {
	return strings.Split(ansi.Wrap(strings.TrimRight(text, "\n"), max(width, 1), " ,"), "\n")
}
