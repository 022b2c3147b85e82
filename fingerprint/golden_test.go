package fingerprint

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/golden"
	"fwknopd/parse"
)

// tally is what a file comes to: how many SYNs each signature fits, in report
// order, and those that none fits, in order of appearance.
func tally(events []*parse.Event) []byte {
	set := Default()
	m := NewMatcher(set, DefaultMaxHops)
	fits := make([]int, set.Len())
	unmatched := make(map[string]int)
	var order []string
	for _, ev := range events {
		if ev == nil || m.MatchID(ev) == NotSYN {
			continue
		}
		for _, sig := range matches(m, ev) {
			fits[sig.Index]++
		}
		if m.MatchID(ev) == Unmatched {
			line := unmatchedLine(m, ev)
			if unmatched[line]++; unmatched[line] == 1 {
				order = append(order, line)
			}
		}
	}
	var b bytes.Buffer
	for i, n := range fits {
		if n > 0 {
			fmt.Fprintf(&b, "%5d %-40s %s\n", n, set.At(i).Text, set.At(i).Label)
		}
	}
	for _, line := range order {
		fmt.Fprintf(&b, "%5d %s\n", unmatched[line], line)
	}
	return b.Bytes()
}

func unmatchedLine(m *Matcher, ev *parse.Event) string {
	sig, differs := m.Nearest(ev)
	if sig == nil {
		return "no options on record"
	}
	return fmt.Sprintf("%-40s ? %s: %s", AppendSignature(nil, ev), fileLine(sig), strings.Join(differs, ", "))
}

func TestGolden(t *testing.T) {
	for _, source := range []struct {
		glob string
		read func(testing.TB, string) []*parse.Event
	}{
		{"*/*.log", readLog},
		{"*/*.dmesg", readLog},
		{"*/*.pcap", readCapture},
	} {
		names, err := filepath.Glob(filepath.Join(corpus, source.glob))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, error %v", source.glob, len(names), err)
		}
		for _, name := range names {
			name, _ = filepath.Rel(corpus, name)
			if name == "os/malformed.log" {
				continue // which of its lines are packets is package parse's decision
			}
			t.Run(name, func(t *testing.T) {
				golden.Compare(t, filepath.Join("../fixtures/fingerprint", strings.ReplaceAll(name, "/", "-")+".golden"), tally(source.read(t, name)))
			})
		}
	}
}
