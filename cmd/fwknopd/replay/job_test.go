package replay

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fixtures/segments"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// runJob returns what a job prints whose segments are read one by one.
func runJob(t *testing.T, args []string, cut segments.Cut) string {
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

func decideSegments(t *testing.T, j *Job, o *cli.Options, cut segments.Cut) error {
	t.Helper()
	files, err := j.Log().Files(o.Operands, time.Time{}, o.AsGiven)
	if err != nil {
		return err
	}
	j.Start(files)
	spec := j.Spec()
	for i, name := range files {
		err := segments.Each(t, name, cut, func(s ingest.Segment, text io.Reader) error {
			var events bytes.Buffer
			if err := spec.Events(t.Context(), s, text, time.Now(), &events); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return j.Add(i, s, segments.Result(events.Bytes()))
		})
		if err != nil {
			return err
		}
	}
	return j.Report()
}

// TestJobIsReplay: a job prints what one process does, however its files are cut.
func TestJobIsReplay(t *testing.T) {
	t.Chdir(replayDir)
	all := args([]string{"--all-modes", "-c", "fwknop.conf", "-a", "mixed.conf", "--as-given"}, segments.Archive(t, "..", 1<<20, 300, "netfilter", "knock", "cases", "capture", "spa", "tunnels"))
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
		"what-if":    args(spaConf, []string{"--what-if", "access2.conf"}, captures),
		"new knocks": args(spaConf, []string{"--what-if", "mixed.conf", "--all-modes", "knock.log"}, captures[:2]),
		"no knocks":  args([]string{"--what-if", "access.conf", "--all-modes", "-c", "fwknop.conf", "-a", "mixed.conf", "knock.log"}, captures[:2]),
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
			for n, cut := range map[string]segments.Cut{"1": segments.Pieces(1), "3": segments.Pieces(3), "each line": segments.Lines} {
				if testing.Short() && n != "3" {
					continue
				}
				if strings.HasPrefix(name, "all") && n == "each line" {
					cut = segments.Pieces(40)
				}
				if got := runJob(t, args, cut); got != want {
					t.Errorf("%s segments: %s", n, difference(got, want))
				}
			}
		})
	}
}

// TestJobOpensAhead: what a job prints on several processors, of segments that are mostly SPA and others, is
// what a replay prints on one.
func TestJobOpensAhead(t *testing.T) {
	args := benchConf(t)
	if err := os.WriteFile(args[3], []byte(aheadConf), 0o600); err != nil {
		t.Fatal(err)
	}
	const ended = 60 // grants end after 30 seconds; behind that, time runs back
	noise, later := traffic(t, 30, 100), traffic(t, 2600, 0)[1800:]
	files := []string{
		writeCapture(t, mixed(t)), writeCapture(t, noise), writeCapture(t, traffic(t, 1000, 0)), writeCaptureAt(t, benchTime+ended, noise[1:100]),
		writeCapture(t, later),
	}
	for _, more := range [][]string{nil, {"--json"}, {"--what-if", args[3]}} {
		args := slices.Concat(args, []string{"--as-given", "--filter", "udp"}, more, files)
		var want string
		withProcessors(1, func() { want = runJob(t, args, segments.Pieces(2)) })
		for range 3 {
			withProcessors(4, func() {
				if got := runJob(t, args, segments.Pieces(2)); got != want {
					t.Errorf("%v: %s", more, difference(got, want))
				}
			})
		}
		var out, say bytes.Buffer
		code := Replay(args, nil, &out, &say)
		if replayed := fmt.Sprintf("exit %d\n%s%s", code, out.String(), say.String()); replayed != want {
			t.Errorf("%v: %s", more, difference(want, replayed))
		}
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
		if err := j.Add(0, s, segments.Result(events.Bytes()[:n])); !isDamaged(err) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	lie := bytes.Replace(events.Bytes(), []byte(`"Events":`), []byte(`"Evants":`), 1)
	if err := j.Add(0, s, segments.Result(lie)); !isDamaged(err) {
		t.Errorf("more events than there are: %v", err)
	}
	if out.Len() > 0 || j.Tally.Counts.Records > 0 {
		t.Errorf("decided: %s", out.String())
	}
}

func isDamaged(err error) bool {
	return err != nil && strings.Contains(err.Error(), sources.ErrPartial.Error())
}
