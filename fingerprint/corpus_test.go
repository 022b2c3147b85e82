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
			found := matches(m, source.events[i])
			if !hasLabel(found, row["intended"]) {
				t.Errorf("%s: %s: %q is not among %v", source.name, row["signature"], row["intended"], labels(found))
			}
		}
	}
}

// matches returns the signatures that ev fits.
func matches(m *Matcher, ev *parse.Event) []*Signature { return m.Result(m.MatchID(ev)) }

func labels(matches []*Signature) []string {
	var list []string
	for _, sig := range matches {
		list = append(list, sig.Label)
	}
	return list
}

// A hopCase names the signature its SYN was made from: "KIND ... sig=S [os=LABEL]".
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

// hops1_9 is the distance limit that the generated records were made for.
const hops1_9 = 20

// At the 1.9 daemon's limit a SYN fits from 0 to 19 hops away, not from 20 and not
// with a TTL above the initial one.
func TestHops(t *testing.T) {
	events, cases := readLog(t, "os/sigs-hops.log"), readCases(t, "os/sigs-hops.cases.tsv")
	if len(events) != len(cases) {
		t.Fatalf("%d events for %d cases", len(events), len(cases))
	}
	m := NewMatcher(Default(), hops1_9)
	for i, c := range cases {
		want := c.hop != "20" && c.hop != "-1"
		if events[i] == nil {
			t.Errorf("line %d: no event", i+1)
			continue
		}
		if got := hit(matches(m, events[i]), c.text, c.label); got != want {
			t.Errorf("line %d: %s at %s hops: hit %v, want %v", i+1, c.text, c.hop, got, want)
		}
	}
}

// nearMisses reports for each kind of near miss whether the signature it was made from
// still fits: the change is in a field that it fixes, or in one that it leaves open.
var nearMisses = map[string]func(pattern *pattern, ev *parse.Event) bool{
	"len+4":            never,
	"len-4":            never,
	"df-flip":          never,
	"ttl-off-high":     func(p *pattern, ev *parse.Event) bool { return ev.TTL == p.ttl }, // 255 has nothing above
	"ttl-off-low":      never,
	"ttl-zero":         never,
	"window+1":         windowOpen,
	"window-1":         windowOpen,
	"window=0":         windowOpen,
	"mss-any":          func(p *pattern, ev *parse.Event) bool { return !fixes(p, ev, kindMSS) && windowOpen(p, ev) },
	"ws-any":           func(p *pattern, ev *parse.Event) bool { return !fixes(p, ev, kindScale) },
	"ts-zero":          func(p *pattern, ev *parse.Event) bool { return !fixes(p, ev, kindTimestamp) },
	"opt-lower":        always,
	"opt-extra-nop":    never,
	"opt-extra-nopnop": never,
	"opt-extra-sack":   never,
	"opt-nop-first":    never,
	"opt-eol-first":    never,
	"opt-extra-eol2":   func(_ *pattern, ev *parse.Event) bool { return len(ev.Options())%4 == 0 }, // mere padding
	"opt-odd":          noOptions,
	"opt-cut-1":        noOptions,
	"opt-cut-2":        noOptions,
	"opt-cut-half":     noOptions,
	"no-opt":           noOptions,
	"ece-syn":          always,
	"ack":              never,
	"ack-syn":          never,
	"syn-fin":          never,
}

func always(*pattern, *parse.Event) bool { return true }

func never(*pattern, *parse.Event) bool { return false }

// noOptions: there was nothing to change.
func noOptions(_ *pattern, ev *parse.Event) bool { return ev.Len == 40 }

// windowOpen reports whether the window still is one that the signature allows.
func windowOpen(p *pattern, ev *parse.Event) bool {
	window, mss := int(ev.Window), 0
	if i := bytes.Index(ev.Options(), []byte{kindMSS, 4}); i >= 0 {
		mss = int(binary.BigEndian.Uint16(ev.Options()[i+2:]))
	}
	n := int(p.window.n)
	switch p.window.rel {
	case anything:
		return true
	case equals:
		return window == n
	case multiple:
		return window%n == 0
	case timesMSS:
		return window == n*mss
	default:
		return window == n*(mss+40)
	}
}

// fixes reports whether the signature names a value for an option of that kind,
// and the packet has another.
func fixes(p *pattern, ev *parse.Event, kind uint8) bool {
	var s syn
	s.decode(ev)
	for _, c := range p.checks {
		if s.layout.kind[c.at] == kind && !c.value.fits(s.value[c.at], 0) {
			return true
		}
	}
	return false
}

func TestNearMisses(t *testing.T) {
	patterns := make(map[string]*pattern)
	for i := range Default().Len() {
		patterns[Default().At(i).Text] = &Default().At(i).pattern
	}
	events, cases := readLog(t, "os/nearmiss.log"), readCases(t, "os/nearmiss.cases.tsv")
	if len(events) != len(cases) {
		t.Fatalf("%d events for %d cases", len(events), len(cases))
	}
	m := NewMatcher(Default(), hops1_9)
	for i, c := range cases {
		ev, fits := events[i], nearMisses[c.kind]
		if fits == nil || patterns[c.text] == nil {
			t.Fatalf("line %d: unknown case %+v", i+1, c)
		}
		if ev == nil { // half a byte of options, a window of 65536: no packet at all
			if c.kind != "opt-odd" && c.kind != "window+1" {
				t.Errorf("line %d: %s: no event", i+1, c.kind)
			}
			continue
		}
		want := fits(patterns[c.text], ev)
		if got := hit(matches(m, ev), c.text, ""); got != want {
			t.Errorf("line %d: %s of %s: %s: hit %v, want %v", i+1, c.kind, c.text, AppendSignature(nil, ev), got, want)
		}
	}
}
