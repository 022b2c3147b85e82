package report

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"fwknopd/fixtures/golden"
	"fwknopd/fixtures/mandoc"
)

//go:embed events.man.head
var eventsHead string

//go:embed events.man.tail
var eventsTail string

// TestEventsManIsUpToDate: fwknopd-events(5) has the table of fields and that of events.
func TestEventsManIsUpToDate(t *testing.T) {
	page := eventsManual()
	golden.Compare(t, "../man/fwknopd-events.5", []byte(page))
	mandoc.Check(t, page)
}

func eventsManual() string {
	var b strings.Builder
	b.WriteString(eventsHead)
	b.WriteString(".Sh EVENTS\nThe values of event_type, and of verdict with each:\n")
	last := ""
	for _, k := range eventKinds {
		if k.Type != last {
			if last != "" {
				b.WriteString(".El\n")
			}
			fmt.Fprintf(&b, ".Ss %s\n.Bl -tag -width Ds\n", k.Type)
			last = k.Type
		}
		fmt.Fprintf(&b, ".It Cm %s\n%s\n", k.Verdict, mandoc.Escape(k.Text))
	}
	b.WriteString(".El\n.Sh FIELDS\n.Bl -tag -width Ds\n")
	for _, f := range eventFields {
		fmt.Fprintf(&b, ".It Va %s\n%s\n.br\nType: %s", f.Name, mandoc.Escape(f.Text), f.Type)
		if f.Unit != "" {
			fmt.Fprintf(&b, "; unit: %s", f.Unit)
		}
		fmt.Fprintf(&b, ".\nPresent: %s.\nSince: %s.\n", f.When, f.Since)
		if f.ECS != "" {
			fmt.Fprintf(&b, "ECS: %s.\n", f.ECS)
		}
	}
	b.WriteString(".El\n")
	b.WriteString(eventsTail)
	return b.String()
}
