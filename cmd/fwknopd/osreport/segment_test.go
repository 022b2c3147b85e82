package osreport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/fingerprint"
	"fwknopd/fixtures/segments"
	"fwknopd/fixtures/short"
	"fwknopd/ingest"
)

// archive returns the logs and captures of the fixtures, not larger than most bytes.
func archive(t *testing.T, most int64) []string {
	t.Helper()
	return segments.Archive(t, "../../../fixtures", most, 100, "netfilter", "cases/log", "cases/capture", "capture", "tunnels")
}

// forms are the options of the forms of the report.
var forms = map[string]func(*Options){
	"text":  func(*Options) {},
	"all":   func(o *Options) { o.Verbose = true },
	"brief": func(o *Options) { o.Brief = true },
	"json":  func(o *Options) { o.JSON = true },
}

func optionsFor(files []string) Options {
	return Options{
		Inputs: files, AsGiven: true, Inner: true, Now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
		Systems: engine.Systems{Signatures: fingerprint.Default(), MaxHops: fingerprint.DefaultMaxHops},
	}
}

// seed is that of a job.
var seed = [2]uint64{1 << 60, 3}

// reduced returns what a reduction of the segments reports: the sources, or a summary if there is one.
func reduced(t *testing.T, o *Options, sum summaries.Output, cut segments.Cut) (stdout, stderr, failure string) {
	t.Helper()
	var out, diag bytes.Buffer
	var r interface {
		Add(file int, s ingest.Segment, partial *io.SectionReader) error
		Report() error
		Close()
	} = NewReduction(o, o.Inputs, inputs.NewLog(&diag), &out, &diag)
	of := partialOf
	if sum.Asked() {
		out.Reset()
		r.Close()
		r, of = NewSummaryReduction(o, sum, seed, o.Inputs, inputs.NewLog(&diag), &out, &diag), summaryPartialOf
	}
	defer r.Close()
	for i, name := range o.Inputs {
		err := segments.Each(t, name, cut, func(s ingest.Segment, text io.Reader) error {
			return r.Add(i, s, segments.Result(of(t, o, s, text)))
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return result(&out, &diag, r.Report())
}

func partialOf(t *testing.T, o *Options, s ingest.Segment, text io.Reader) []byte {
	t.Helper()
	var partial bytes.Buffer
	if err := o.CountSegment(t.Context(), s, text, 1, &partial); err != nil {
		t.Fatal(err)
	}
	return partial.Bytes()
}

func summaryPartialOf(t *testing.T, o *Options, s ingest.Segment, text io.Reader) []byte {
	t.Helper()
	var partial bytes.Buffer
	if err := o.SummarizeSegment(t.Context(), s, text, seed, 1, &partial); err != nil {
		t.Fatal(err)
	}
	return partial.Bytes()
}

func result(out, diag *bytes.Buffer, err error) (stdout, stderr, failure string) {
	if err != nil {
		failure = err.Error()
	}
	return out.String(), diag.String(), failure
}

// The segments of an archive give what one process reports of it, in every form.
func TestSegmentsChangeNothing(t *testing.T) {
	short.Skip(t)
	files := archive(t, 4<<20)
	for form, set := range forms {
		o := optionsFor(files)
		set(&o)
		compareReports(t, form, &o, summaries.Output{}, segments.Pieces(7))
	}
}

// The same for each kind of summary.
func TestSegmentsChangeNoSummary(t *testing.T) {
	short.Skip(t)
	o := optionsFor(slices.DeleteFunc(archive(t, 4<<20), func(name string) bool { return ingest.Takes(name, IsEvent) }))
	for form, sum := range map[string]summaries.Output{
		"text":    {Text: true},
		"JSON":    {Text: true, JSON: true},
		"unknown": {Unknown: true},
		"page":    {Page: "-"},
	} {
		compareReports(t, form, &o, sum, segments.Pieces(7))
	}
}

// Nothing that a line gives depends on those in front of it: stamps without a year, headings that
// repeat, records of the same rule.
func TestCutAtEveryLine(t *testing.T) {
	short.Skip(t)
	o := optionsFor(archive(t, 24<<10))
	o.JSON = true
	compareReports(t, "json", &o, summaries.Output{}, segments.Lines)
	if testing.Short() {
		return
	}
	compareReports(t, "summary", &o, summaries.Output{Text: true, JSON: true}, segments.Lines)
}

// uncertainPorts are those of sources with more ports than are told apart, of which the reports say so: they
// depend on where the records are cut.
var uncertainPorts = regexp.MustCompile(`  [^ ].* …\n|<td class="code">[^<]*…</td>|"ports":\["[^]]*"…"\]`)

func compareReports(t *testing.T, what string, o *Options, sum summaries.Output, cut segments.Cut) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one reader after the other names problems in order
	n := 0
	counted := func(t *testing.T, f *os.File, size int64) []ingest.Segment {
		list := cut(t, f, size)
		n += len(list)
		return list
	}
	var out, diag bytes.Buffer
	run := func() error { return Run(t.Context(), *o, &out, &diag) }
	if sum.Asked() {
		run = func() error { return o.Summarize(t.Context(), sum, false, Span{}, &out, &diag) }
	}
	wantOut, wantDiag, wantErr := result(&out, &diag, run())
	gotOut, gotDiag, gotErr := reduced(t, o, sum, counted)
	if n < 2*len(o.Inputs) || !strings.Contains(wantDiag, "malformed") || wantErr == "" {
		t.Errorf("%s: %d segments of %d files, error %q", what, n, len(o.Inputs), wantErr)
	}
	for _, c := range []struct{ stream, want, got string }{{"stdout", wantOut, gotOut}, {"stderr", wantDiag, gotDiag}, {"error", wantErr, gotErr}} {
		if sum.Asked() {
			c.want, c.got = uncertainPorts.ReplaceAllString(c.want, ""), uncertainPorts.ReplaceAllString(c.got, "")
		}
		if c.got == c.want {
			continue
		}
		want, got := strings.Split(c.want, "\n"), strings.Split(c.got, "\n")
		i := 0
		for i < min(len(want), len(got)) && want[i] == got[i] {
			i++
		}
		t.Errorf("%s: %s differs from line %d:\nwant %q\ngot  %q", what, c.stream, i+1, want[i:min(i+3, len(want))], got[i:min(i+3, len(got))])
	}
}

// The report names a segment that could not be read with its bytes, and has the rest.
func TestLostSegment(t *testing.T) {
	const line = "Oct  5 12:13:11 gate kernel: DROP IN=eth0 OUT= SRC=192.0.2.%d DST=198.51.100.1 LEN=44 TOS=0x00 PREC=0x00 TTL=50 ID=1 " +
		"PROTO=TCP SPT=40000 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0 OPT (020405B4) \n"
	var text strings.Builder
	for i := range 3 {
		fmt.Fprintf(&text, line, i)
	}
	text.WriteString("Oct  5 12:13:11 gate kernel: DROP IN=eth0 OUT= SRC=192.0.2. DST=198.51.100.1 LEN=44\n")
	name := filepath.Join(t.TempDir(), "kern.log")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	o := optionsFor([]string{name})
	o.Brief = true
	var out, diag bytes.Buffer
	r := NewReduction(&o, o.Inputs, inputs.NewLog(&diag), &out, &diag)
	defer r.Close()
	var all []ingest.Segment
	err := segments.Each(t, name, segments.Lines, func(s ingest.Segment, text io.Reader) error {
		if all = append(all, s); len(all) == 2 {
			r.Lost(0, s, errors.New("the worker ended"))
			return nil
		}
		return r.Add(0, s, segments.Result(partialOf(t, &o, s, text)))
	})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, failure := result(&out, &diag, r.Report())
	if want := fmt.Sprintf("%s: bytes %d to %d: the worker ended", name, all[1].Start, all[1].End); failure != want {
		t.Errorf("error %q, want %q", failure, want)
	}
	if !strings.Contains(stdout, "192.0.2.0 ") || strings.Contains(stdout, "192.0.2.1 ") || !strings.Contains(stdout, "192.0.2.2 ") {
		t.Errorf("report:\n%s", stdout)
	}
	if want := fmt.Sprintf("fwknopd: %s from byte %d:2: ", name, all[1].End); !strings.Contains(stderr, want) {
		t.Errorf("want %q in %s", want, stderr)
	}
}

// A result with facts that no worker gives is refused, and nothing of it is added.
func TestHostileFacts(t *testing.T) {
	o := optionsFor([]string{"a.log"})
	for _, about := range []string{"", "[]", `{"Kind":"\u001b[2J"}`, `{"Problems":[` + strings.Repeat("{},", 100) + `{}]}`} {
		c := o.counter(inputs.Storage(0, 1))
		if err := c.Finish(); err != nil {
			t.Fatal(err)
		}
		var partial, out bytes.Buffer
		if err := c.WritePartial(&partial, []byte(about)); err != nil {
			t.Fatal(err)
		}
		r := NewReduction(&o, o.Inputs, inputs.NewLog(&out), &out, &out)
		if err := r.Add(0, ingest.Segment{}, segments.Result(partial.Bytes())); !errors.Is(err, sources.ErrPartial) {
			t.Errorf("%.20s: error %v", about, err)
		}
		if r.Kinds[0] != "" || len(r.Tally.Outcomes) > 0 {
			t.Errorf("%.20s: %v", about, r.Tally)
		}
		r.Close()
	}
}
