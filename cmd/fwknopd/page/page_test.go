package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/fixtures/golden"
	"fwknopd/policy/conf"
)

func write(t testing.TB, s *stats.Summary) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGolden: the page of a small summary, without what it brings.
func TestGolden(t *testing.T) {
	s := sample(sizes{buckets: 3, sources: 5, others: 3})
	s.Decisions = s.Decisions[1:3]
	text := write(t, s)
	for _, brought := range []string{script, style, html.EscapeString(uplotLicense), html.EscapeString(contentPolicy())} {
		before, after, found := strings.Cut(text, brought)
		if !found {
			t.Fatalf("the page lacks %.40q…", brought)
		}
		text = before + "…" + after
	}
	golden.Compare(t, "testdata/small.html", []byte(text))
}

// TestEmpty: sections without content are left out, or say so in a line.
func TestEmpty(t *testing.T) {
	text := write(t, &stats.Summary{V: 1, Inputs: []string{"empty.log"}})
	for _, want := range []string{
		"No record has a time.", "No event has a time.", "No source was seen.", "No record has a destination port.",
		"No SYN had the options", "A signature fits every SYN", "0 records = 0 events + 0 not ours + 0 malformed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, id := range []string{"decisions", "grants", "knocks"} {
		if strings.Contains(text, `"`+id) || strings.Contains(text, "#"+id+`"`) {
			t.Errorf("section %s of nothing", id)
		}
	}
}

// TestOfLogs: a summary of --os has neither decisions nor columns for them.
func TestOfLogs(t *testing.T) {
	s := sample(sizes{buckets: 3, sources: 1, others: 1})
	s.Decisions, s.Grants, s.Knocks = nil, stats.List[stats.Grant]{}, stats.List[stats.Knock]{}
	for i := range s.Timeline.Buckets {
		b := &s.Timeline.Buckets[i]
		b.Granted, b.Refused, b.Other = 0, 0, 0
	}
	if text := strings.ToLower(write(t, s)); strings.Contains(text, ">refused") || strings.Contains(text, ">granted") {
		t.Error("verdicts are mentioned where nothing was decided")
	}
}

// TestSize: the longest lists make a page below 1 MiB.
func TestSize(t *testing.T) {
	if n := len(write(t, sample(largest))); n >= 1<<20 {
		t.Errorf("%d bytes, limit 1 MiB", n)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	if err := Write(fullDisk{}, sample(largest)); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

// tags are all elements of the page; attributes are all attributes that they have.
var (
	tags = strings.Fields("html head meta title style body a header div h1 h2 h3 span p ul ol li nav main section dl dt dd " +
		"details summary table thead tbody tr th td button pre code b i svg rect script footer")
	attributes = strings.Fields("lang charset http-equiv content name class id href hidden role aria-label aria-labelledby " +
		"aria-hidden aria-sort tabindex type scope data-key data-copy viewbox preserveaspectratio width height")
)

// TestHostileTextStaysText: a page whose texts try to be HTML has no element and no attribute
// but its own, loads nothing, and shows no character that is not seen where it stands.
func TestHostileTextStaysText(t *testing.T) {
	s := sample(largest)
	poison(s)
	page := write(t, s)
	for _, r := range page {
		if r != '\n' && !conf.Graphic(r) {
			t.Fatalf("the page has %q", r)
		}
	}
	z := html.NewTokenizer(strings.NewReader(page))
	scripts := 0
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		if token.Data == "script" {
			scripts++
		}
		if !slices.Contains(tags, token.Data) {
			t.Errorf("element %s", token)
		}
		for _, a := range token.Attr {
			if !slices.Contains(attributes, a.Key) || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("attribute of %s", token)
			}
		}
	}
	if z.Err() != io.EOF || scripts != 2 {
		t.Errorf("%v, %d scripts; want its own and the numbers", z.Err(), scripts)
	}
}

// poison makes every text of s hostile.
func poison(s *stats.Summary) {
	s.Inputs, s.Notes = []string{hostile, hostile, hostile, hostile, hostile, hostile}, []string{hostile}
	for i := range s.Systems {
		s.Systems[i].Genre = hostile
	}
	for i := range s.Sources.Shown {
		s.Sources.Shown[i].Addr = hostile
	}
	for i := range s.Ports.Shown {
		s.Ports.Shown[i].Port = hostile
	}
	for i := range s.Decisions {
		n := &s.Decisions[i]
		n.Verdict, n.Reason, n.Meaning, n.Remedy = hostile, hostile, hostile, hostile
		n.Examples = []stats.Example{{Src: hostile, Text: hostile}}
	}
	s.Knocks.Shown[0] = stats.Knock{Src: hostile, Stanza: hostile, Reason: hostile}
	s.Grants.Shown[0] = stats.Grant{Src: hostile, Ports: []string{hostile}, Stanza: hostile, User: hostile, Ended: hostile}
	s.Unknown.Shown[0] = stats.Unknown{Signature: hostile, Nearest: hostile, Differs: hostile}
}

// TestContentPolicy: the policy names the script and the style that the page has, by hash, and
// nothing of the network.
func TestContentPolicy(t *testing.T) {
	doc, err := html.Parse(strings.NewReader(write(t, sample(sizes{buckets: 3, sources: 2, others: 1}))))
	if err != nil {
		t.Fatal(err)
	}
	policy, hashes := "", []string{}
	for n := range doc.Descendants() {
		switch {
		case n.Data == "meta" && value(n, "http-equiv") != "":
			policy = value(n, "content")
		case n.Data == "style" || n.Data == "script" && value(n, "type") == "":
			hashes = append(hashes, source(n.FirstChild.Data))
		}
	}
	if want := "default-src 'none'; script-src " + hashes[1] + "; style-src " + hashes[0] + "; base-uri 'none'; form-action 'none'"; len(hashes) != 2 || policy != want {
		t.Errorf("policy\n%s\nwant\n%s", policy, want)
	}
}

func value(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestAssetsAreOneElement: what the page brings does not end the element that it is in.
func TestAssetsAreOneElement(t *testing.T) {
	for _, text := range []string{script, style} {
		if lower := strings.ToLower(text); strings.Contains(lower, "</") || strings.Contains(lower, "<!--") {
			t.Error("a script or style has the end of an element, or a comment")
		}
	}
	if !strings.Contains(uplotScript, "(v1.6.32)") {
		t.Error("uPlot is of another version than the page says")
	}
}

// TestTimelineData: the numbers are one JSON object, arrays of the same length.
func TestTimelineData(t *testing.T) {
	l := stats.Timeline{Width: time.Hour, Buckets: []stats.Bucket{{Start: day0, Events: 3, SYNs: 2}, {Start: day0.Add(5 * time.Hour), Granted: 1, Refused: 4, Other: 5}}}
	want := `{"width":3600,"steps":[3600,7200,10800,21600,43200,86400,172800,604800,2419200,31449600],"at":[1791158400,1791176400],` +
		`"events":[3,0],"syns":[2,0],"granted":[0,1],"refused":[0,4],"other":[0,5]}`
	got := timelineData(&l)
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCoarse: the table has few rows, which begin at round times and add up to the whole.
func TestCoarse(t *testing.T) {
	for _, c := range []struct {
		width time.Duration
		n     int
		rows  int
		step  int64
	}{
		{time.Second, 10, 10, 1}, {time.Second, 61, 31, 2}, {10 * time.Minute, 2000, 56, 6 * 3600},
		{24 * time.Hour, 2000, 7, 364 * 86400}, {7 * time.Second, 100, 1, 7 * 86400}, {0, 3, 3, 1},
	} {
		l := stats.Timeline{Width: c.width}
		for i := range c.n {
			l.Buckets = append(l.Buckets, stats.Bucket{Start: day0.Add(time.Duration(i) * max(c.width, time.Second)), Events: 2, SYNs: 1})
		}
		rows := coarse(&l)
		var sum uint64
		for i := range rows {
			sum += rows[i].Events
			if at := rows[i].Start.Unix(); at != alignTo(at, c.step) {
				t.Errorf("%v x %d: row at %v is not at a step of %d s", c.width, c.n, rows[i].Start, c.step)
			}
		}
		if len(rows) != c.rows || sum != uint64(2*c.n) {
			t.Errorf("%v x %d: %d rows with %d events, want %d with %d", c.width, c.n, len(rows), sum, c.rows, 2*c.n)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	s := sample(largest)
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(io.Discard, s); err != nil {
			b.Fatal(err)
		}
	}
}
