package replay

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// What is handed over is shown in order and whole, with the latest time that has passed before it.
func TestBehindKeepsTheOrder(t *testing.T) {
	const n = behindBatch*behindBatches*3 + 7
	var records []int64
	var until []int64
	b := newBehind(func(x *handover) error {
		records, until = append(records, x.at.Record), append(until, x.until.Unix())
		return nil
	})
	ev := parse.Event{}
	for i := range int64(n) {
		b.passed(time.Unix(1000+i, 0))
		b.passed(time.Unix(10, 0)) // a record of before
		if err := b.take(ev.Time, &ev, &policy.Decision{Verdict: policy.Deny}, ingest.Position{Record: i}); err != nil {
			t.Fatal(err)
		}
	}
	b.passed(time.Unix(5000, 0)) // behind the last decision
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if len(records) != n+1 || until[n] != 5000 {
		t.Fatalf("%d shown of %d, the last by %d", len(records), n+1, until[len(until)-1])
	}
	for i := range int64(n) {
		if records[i] != i || until[i] != 1000+i {
			t.Fatalf("place %d has record %d by %d", i, records[i], until[i])
		}
	}
}

// The first error ends the output, and the engine hears of it.
func TestBehindReportsErrors(t *testing.T) {
	broken := errors.New("broken")
	shown := 0
	b := newBehind(func(*handover) error { shown++; return broken })
	var err error
	for range behindBatch * behindBatches * 4 {
		if err = b.take(time.Time{}, &parse.Event{}, &policy.Decision{}, ingest.Position{}); err != nil {
			break
		}
	}
	if stopped := b.stop(); err != broken || stopped != broken || shown != 1 {
		t.Errorf("%v, at the end %v, %d shown", err, stopped, shown)
	}
}

// TestBehindEndsGrants: grants end while the rest of the capture has no decisions, and time that
// goes back ends none, as on one processor.
func TestBehindEndsGrants(t *testing.T) {
	frames := traffic(t, 700, 0)
	for range 40000 { // four seconds of noise
		frames = append(frames, frame([4]byte{11, 1, 2, 3}, 62201, []byte("no message")))
	}
	args := benchConf(t)
	text, err := os.ReadFile(args[3])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(args[3], bytes.Replace(text, []byte("TIMEOUT 30"), []byte("TIMEOUT 2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, writeCapture(t, frames))
	run := func(n int) (out, diagnostic string) {
		var o, d bytes.Buffer
		withProcessors(n, func() { Replay(args, nil, &o, &d) })
		return o.String(), d.String()
	}
	wantOut, wantDiag := run(1)
	if !strings.Contains(wantDiag, "700 expired, 0 still open") {
		t.Fatalf("the grants do not end: %s", wantDiag)
	}
	if out, diag := run(4); out != wantOut || diag != wantDiag {
		t.Errorf("the output differs from that of one processor:\n%s", diag)
	}
}

// An output that fails ends a replay on several processors too.
func TestBehindFailedOutput(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(errors.New("no reader"))
	withProcessors(4, func() {
		var say bytes.Buffer
		args := append(benchConf(t), writeCapture(t, traffic(t, 5000, 0)))
		if code := Replay(args, nil, w, &say); code != exitError {
			t.Errorf("exit code %d: %s", code, say.String())
		}
	})
}
