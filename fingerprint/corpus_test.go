package fingerprint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
)

// corpus is where the captured and generated records live.
const corpus = "../fixtures/netfilter"

// logRef is the reference time for stamps without a year.
var logRef = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// readLog parses every line of a log; lines that hold no event are nil.
func readLog(t testing.TB, name string) []*parse.Event {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	var events []*parse.Event
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		ev := new(parse.Event)
		if parse.LogLine(lines.Bytes(), logRef, ev) != nil {
			ev = nil
		}
		events = append(events, ev)
	}
	if len(events) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return events
}

// readCapture parses every packet of a classic little-endian capture.
func readCapture(t testing.TB, name string) []*parse.Event {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader, recordHeader = 24, 16
	decoder, err := parse.NewDecoder(parse.LinkType(binary.LittleEndian.Uint32(b[20:])))
	if err != nil {
		t.Fatal(err)
	}
	var events []*parse.Event
	for b = b[fileHeader:]; len(b) > 0; {
		n := recordHeader + int(binary.LittleEndian.Uint32(b[8:]))
		ev := new(parse.Event)
		if err := decoder.Frame(b[recordHeader:n], logRef, ev); err != nil {
			t.Fatalf("%s: packet %d: %v", name, len(events)+1, err)
		}
		events = append(events, ev)
		b = b[n:]
	}
	if len(events) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return events
}

// readTable reads a tab-separated table as one map a row, keyed by the first row.
func readTable(t testing.TB, name string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	head := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := make(map[string]string, len(head))
		for i, cell := range strings.Split(line, "\t") {
			row[head[i]] = cell
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return rows
}

// hit reports whether a signature of that text and label is among the matches;
// an empty label stands for any.
func hit(matches []*Signature, text, label string) bool {
	for _, sig := range matches {
		if sig.Text == text && (label == "" || sig.Label == label) {
			return true
		}
	}
	return false
}

func hasLabel(matches []*Signature, label string) bool {
	for _, sig := range matches {
		if sig.Label == label {
			return true
		}
	}
	return false
}

// Every SYN generated from a legacy signature is given that signature's label,
// from the log and from the capture. Two could not be generated: 45×MSS is more
// than a window can be.
func TestLegacyLabels(t *testing.T) {
	rows := readTable(t, "cross/pf.engines.tsv")
	for _, source := range []struct {
		name   string
		events []*parse.Event
	}{
		{"log", readLog(t, "cross/pf.log")},
		{"capture", readCapture(t, "cross/pf.pcap")},
	} {
		m := NewMatcher(Default(), DefaultMaxHops)
		if len(source.events) != len(rows) {
			t.Fatalf("%s: %d events for %d rows", source.name, len(source.events), len(rows))
		}
		for i, row := range rows {
			if strings.HasPrefix(row["signature"], "S45:") {
				continue
			}
			matches := m.Match(source.events[i], nil)
			if !hasLabel(matches, row["intended"]) {
				t.Errorf("%s: %s: %q is not among %v", source.name, row["signature"], row["intended"], labels(matches))
			}
		}
	}
}

func labels(matches []*Signature) []string {
	var list []string
	for _, sig := range matches {
		list = append(list, sig.Label)
	}
	return list
}

// A case names the signature its SYN was made from: "KIND ... sig=S [os=LABEL]".
type hopCase struct{ text, label, kind, hop string }

func parseCase(text string) hopCase {
	var c hopCase
	rest, label, _ := strings.Cut(text, " os=")
	c.label = label
	rest, c.text, _ = strings.Cut(rest, " sig=")
	for field := range strings.FieldsSeq(rest) {
		if hop, ok := strings.CutPrefix(field, "hop="); ok {
			c.hop = hop
		} else if !strings.Contains(field, "=") || field == "window=0" {
			c.kind = field
		}
	}
	return c
}

func readCases(t testing.TB, name string) []hopCase {
	t.Helper()
	var cases []hopCase
	for _, row := range readTable(t, name) {
		cases = append(cases, parseCase(row["case"]))
	}
	return cases
}

// A SYN fits from 0 to 19 hops away, not from 20 and not with a TTL above the
// initial one.
func TestHops(t *testing.T) {
	events, cases := readLog(t, "os/sigs-hops.log"), readCases(t, "os/sigs-hops.cases.tsv")
	if len(events) != len(cases) {
		t.Fatalf("%d events for %d cases", len(events), len(cases))
	}
	m := NewMatcher(Default(), DefaultMaxHops)
	for i, c := range cases {
		want := c.hop != "20" && c.hop != "-1"
		if events[i] == nil {
			t.Errorf("line %d: no event", i+1)
			continue
		}
		if got := hit(m.Match(events[i], nil), c.text, c.label); got != want {
			t.Errorf("line %d: %s at %s hops: hit %v, want %v", i+1, c.text, c.hop, got, want)
		}
	}
}

func TestTmpNear(t *testing.T) {
	events, cases := readLog(t, "os/nearmiss.log"), readCases(t, "os/nearmiss.cases.tsv")
	m := NewMatcher(Default(), DefaultMaxHops)
	type k struct {
		kind string
		hit  bool
	}
	n := map[k]int{}
	ex := map[k][]string{}
	for i, c := range cases {
		h := events[i] != nil && hit(m.Match(events[i], nil), c.text, "")
		n[k{c.kind, h}]++
		s := c.text
		if events[i] != nil {
			s += " << " + string(AppendSignature(nil, events[i]))
		}
		ex[k{c.kind, h}] = append(ex[k{c.kind, h}], s)
	}
	for kk, v := range n {
		t.Log(kk, v)
		if kk.hit {
			for _, e := range ex[kk][:min(8, v)] {
				t.Log("      ", e)
			}
		}
	}
}
