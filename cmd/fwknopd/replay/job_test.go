package replay

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// A segmenter returns the segments of a file.
type segmenter func(t *testing.T, f *os.File, size int64) []ingest.Segment

// pieces cuts a log into n segments.
func pieces(n int64) segmenter {
	return func(t *testing.T, f *os.File, size int64) (list []ingest.Segment) {
		for s, err := range ingest.Segments(f, size, n) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, s)
		}
		return list
	}
}

// eachLine cuts a log behind every line.
func eachLine(t *testing.T, f *os.File, size int64) (list []ingest.Segment) {
	if list = pieces(2)(t, f, size); !list[0].Cut {
		return list
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	list = list[:0]
	for line, start := range linesOf(text) {
		list = append(list, ingest.Segment{Start: start, End: start + int64(len(line)), Cut: true})
	}
	return list
}

func linesOf(text []byte) func(func([]byte, int64) bool) {
	return func(yield func([]byte, int64) bool) {
		start := int64(0)
		for line := range bytes.Lines(text) {
			if !yield(line, start) {
				return
			}
			start += int64(len(line))
		}
	}
}

// runJob returns what a job prints whose segments are read one by one.
func runJob(t *testing.T, args []string, cut segmenter) string {
	t.Helper()
	var out, say bytes.Buffer
	f, code := cli.Begin(cli.Replay, args, &out, &say)
	if f == nil {
		return fmt.Sprintf("exit %d\n%s%s", code, out.String(), say.String())
	}
	j, err := NewJob(f, &out, &say)
	if err == nil {
		err = decideSegments(t, j, f, cut)
	}
	return fmt.Sprintf("exit %d\n%s%s", j.Exit(err), out.String(), say.String())
}

func decideSegments(t *testing.T, j *Job, o *cli.Options, cut segmenter) error {
	t.Helper()
	files, err := j.Log().Files(o.Operands, time.Time{}, o.AsGiven)
	if err != nil {
		return err
	}
	j.Start(files)
	spec := j.Spec()
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range cut(t, f, info.Size()) {
			var events bytes.Buffer
			text := make([]byte, s.End-s.Start)
			if _, err := f.ReadAt(text, s.Start); err != nil && len(text) > 0 {
				t.Fatal(err)
			}
			if err := spec.Events(t.Context(), s, bytes.NewReader(text), time.Now(), &events); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := j.Add(i, s, bytes.NewReader(events.Bytes())); err != nil {
				return err
			}
		}
	}
	return j.Report()
}

// archive returns the logs and captures of the fixtures.
func archive(t *testing.T) (files []string) {
	t.Helper()
	for _, dir := range []string{"netfilter", "knock", "cases", "capture", "spa", "tunnels"} {
		err := filepath.WalkDir("../"+dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Size() < 1<<20 && !strings.Contains(name, ".golden") {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 300 {
		t.Fatalf("%d files", len(files))
	}
	return files
}

// TestJobIsReplay: a job prints what one process does, however its files are cut.
func TestJobIsReplay(t *testing.T) {
	t.Chdir(replayDir)
	all := args([]string{"--all-modes", "-c", "fwknop.conf", "-a", "mixed.conf", "--as-given"}, archive(t))
	clock := filepath.Join(t.TempDir(), "clock.log")
	if err := os.WriteFile(clock, clockLog(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"text":       args(spaConf, captures),
		"jsonl":      args(spaConf, []string{"--format", "jsonl"}, captures),
		"filter":     args(spaConf, []string{"--filter", "udp port 4433"}, captures),
		"fail-on":    args(spaConf, []string{"--fail-on", "malformed,refused"}, captures[1:2]),
		"knock":      args(knockConf, []string{"knock.log"}),
		"mixed":      args([]string{"--all-modes", "-c", "fwknop.conf", "-a", "mixed.conf", "knock.log"}, captures[:2], captures[11:]),
		"mode":       args([]string{"-c", "fwknop.conf", "-a", "mixed.conf", "knock.log"}, captures[:2], captures[11:]),
		"clock":      args(knockConf, []string{clock}),
		"no-config":  {"-c", "fwknop.conf", "-a", "missing.conf", "knock.log"},
		"all":        all,
		"all-frames": args([]string{"--filter", "none"}, all),
	} {
		t.Run(name, func(t *testing.T) {
			var out, say bytes.Buffer
			code := Replay(args, nil, &out, &say)
			want := fmt.Sprintf("exit %d\n%s%s", code, out.String(), say.String())
			for n, cut := range map[string]segmenter{"1": pieces(1), "3": pieces(3), "each line": eachLine} {
				if testing.Short() && n != "3" {
					continue
				}
				if strings.HasPrefix(name, "all") && n == "each line" {
					cut = pieces(40)
				}
				if got := runJob(t, args, cut); got != want {
					t.Errorf("%s segments: %s", n, difference(got, want))
				}
			}
		})
	}
}

// clockLog returns a log in which a grant ends by the clock of a packet that matters to no sequence, behind
// which time runs back.
func clockLog(t *testing.T) []byte {
	t.Helper()
	log, err := os.ReadFile("knock.log")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(log, []byte("\n"))
	tunnel := bytes.ReplaceAll(bytes.Replace(lines[4], []byte("T22:13:24"), []byte("T22:14:24"), 1), []byte("PROTO=TCP SPT=41000 DPT=1001"), []byte("PROTO=47"))
	return slices.Concat(lines[0], lines[1], lines[2], tunnel, lines[8], tunnel)
}

// difference returns the first lines that differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// FuzzRecorded: what is decoded as an event is encoded again as it was meant, and nothing else is.
func FuzzRecorded(f *testing.F) {
	ev := parse.Event{Time: time.Unix(1, 2), Proto: parse.TCP, In: []byte("eth0"), Payload: []byte("x"), Captured: 4, Whole: 9, HasSeq: true, Ack: 7}
	ev.SetOptions([]byte{2, 4, 5, 180})
	f.Add(appendRecorded(nil, &recorded{Event: &ev, record: 3, passed: time.Unix(5, 0)}, 1))
	f.Add(appendRecorded(nil, &recorded{Event: new(parse.Event), record: 2, filtered: true}, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, again := recorded{Event: new(parse.Event)}, recorded{Event: new(parse.Event)}
		if decodeRecorded(b, &e, 1) != nil {
			return
		}
		if err := decodeRecorded(appendRecorded(nil, &e, 1), &again, 1); err != nil || !reflect.DeepEqual(e, again) {
			t.Errorf("%+v, %v\nwas\n%+v", again, err, e)
		}
	})
}

// TestDamagedEvents: of a damaged result nothing is decided.
func TestDamagedEvents(t *testing.T) {
	t.Chdir(replayDir)
	var out, say, events bytes.Buffer
	f, _ := cli.Begin(cli.Replay, args(knockConf, []string{"knock.log"}), &out, &say)
	j, err := NewJob(f, &out, &say)
	if err != nil {
		t.Fatal(err)
	}
	j.Start([]string{"knock.log"})
	text, err := os.ReadFile("knock.log")
	if err != nil {
		t.Fatal(err)
	}
	s, spec := ingest.Segment{End: int64(len(text))}, j.Spec()
	if err := spec.Events(t.Context(), s, bytes.NewReader(text), time.Now(), &events); err != nil {
		t.Fatal(err)
	}
	for n := range events.Len() {
		if err := j.Add(0, s, bytes.NewReader(events.Bytes()[:n])); !isDamaged(err) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	lie := bytes.Replace(events.Bytes(), []byte(`"Events":`), []byte(`"Evants":`), 1)
	if err := j.Add(0, s, bytes.NewReader(lie)); !isDamaged(err) {
		t.Errorf("more events than there are: %v", err)
	}
	if out.Len() > 0 || j.Tally.Counts.Records > 0 {
		t.Errorf("decided: %s", out.String())
	}
}

func isDamaged(err error) bool {
	return err != nil && strings.Contains(err.Error(), sources.ErrPartial.Error())
}
