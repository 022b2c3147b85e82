package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/enforce/schedule"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/replay"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A busy worker ends when the socket to its monitor is closed, without a signal.
func TestWorkerEndsWithItsSocket(t *testing.T) {
	capture := filepath.Join(t.TempDir(), "spa.pcap")
	files := map[string]string{
		"fwknopd.conf": "AUTH_MODE FILE_PCAP;\nENABLE_DIGEST_PERSISTENCE N;\nPCAP_PKT_FILE " + capture + ";\n",
		"access.conf":  "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\n",
	}
	encoded := encodedConfig(t, files)
	m, err := monitor.New(t.Context(), monitor.Config{
		Events: func(monitor.Event) {},
		Policy: monitor.Policy{Files: map[string]func() (*os.File, error){
			privsep.FileConfig:     func() (*os.File, error) { return os.Open(encoded) },
			privsep.FileJournal:    emptyJournal,
			privsep.FileUses:       noUses,
			"FILE_PCAP " + capture: func() (*os.File, error) { return os.Open(capture) },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	go m.Serve(t.Context(), server)
	r, w := io.Pipe()
	working, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		seen := false
		records(r, func(kind byte, _ []byte) {
			if !seen && kind == privsep.RecordState {
				seen = true
				close(working)
			}
		})
	}()
	go func() { ended <- Run(t.Context(), conn, w) }()
	deadline := time.After(20 * time.Second)
	for asked := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-asked.C: // no reply until it reads packets
			m.Notify(privsep.NoticeState)
			continue
		case <-working:
		case err := <-ended:
			t.Fatalf("it ended at once: %v", err)
		case <-deadline:
			t.Fatal("the worker was never at work")
		}
		asked.Stop()
		break
	}
	server.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended without a reason")
		}
	case <-deadline:
		t.Fatal("the worker lives on without its monitor")
	}
}

// emptyJournal is the content of a journal without records.
func emptyJournal() (*os.File, error) { return piped(make([]byte, 8)) }

// noUses returns a pipe with the counts of a daemon that has granted nothing.
func noUses() (*os.File, error) { return pipedUses(schedule.Counts{}) }

// pipedUses returns a pipe with counts.
func pipedUses(counts schedule.Counts) (*os.File, error) {
	text, err := counts.Format()
	if err != nil {
		return nil, err
	}
	return piped(text)
}

func piped(text []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	return r, errors.Join(err, w.Close())
}

// A flood is a source that never waits and never has less buffered; idle, it waits.
type flood struct {
	ingest.Source
	idle  bool
	given int
	limit int
}

func (f *flood) Next(ctx context.Context, ev *parse.Event) error {
	if f.given == f.limit {
		return io.EOF
	}
	if f.idle && f.given%8 == 7 { // wait for the next notice
		<-ctx.Done()
		f.given++
		return ctx.Err()
	}
	f.given++
	return parse.ErrSkip
}

func (f *flood) Buffered() bool { return !f.idle }

// The main loop answers the monitor while it waits and in a flood, from where it reads on.
func TestAnswersNotices(t *testing.T) {
	for _, idle := range []bool{false, true} {
		server, conn, err := monitor.Pair()
		if err != nil {
			t.Fatal(err)
		}
		m, err := monitor.New(t.Context(), monitor.Config{Events: func(monitor.Event) {}})
		if err != nil {
			t.Fatal(err)
		}
		go m.Serve(t.Context(), server)
		w := &worker{client: monitor.NewClient(conn), engine: new(policy.Engine), store: replay.NewReplica(replay.Options{}, nil), remaining: -1, out: newRecordWriter(&stalledPipe{read: make(chan struct{})})}
		if err := w.client.Ready(t.Context()); err != nil { // who is not connected yet gets no notices
			t.Fatal(err)
		}
		src := &flood{idle: idle, limit: -1}
		w.src = &sources{Source: src}
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for range 20 {
				m.Notify(monitor.NoticeAlive)
			}
		}()
		for n := range 10 {
			before := src.given
			if err := w.run(t.Context()); err != notice(monitor.NoticeAlive) {
				t.Fatalf("idle %v: run %d ended with %v", idle, n, err)
			}
			if src.given < before {
				t.Error("it reads again what it has read")
			}
		}
		<-asked
		w.client.Close()
		m.Close(context.Background())
	}
}

// The monitor gets a command as the client wrote it, with the address that CMD_REGEX is
// matched against and the source address.
func TestExecuteCommand(t *testing.T) {
	ctx := context.Background()
	events := make(chan monitor.Event, 8)
	m, err := monitor.New(ctx, monitor.Config{
		Events: func(ev monitor.Event) { events <- ev },
		Policy: monitor.Policy{Limits: enforce.Limits{Stanzas: []enforce.Allowance{{
			Stanza: 3, Commands: &enforce.CommandLimit{Regexp: regexp.MustCompile(`^192\.0\.2\.9,true$`)},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	go m.Serve(ctx, server)
	w := &worker{client: monitor.NewClient(conn)}
	defer w.client.Close()
	w.execute(ctx, &policy.Decision{
		Verdict: policy.Allow, Stanza: 3, User: "joe", Src: netip.MustParseAddr("198.51.100.7"),
		Command: &policy.Command{From: "192.0.2.9", Text: "true"},
	})
	ev := <-events
	want := monitor.Command{Stanza: 3, From: "192.0.2.9", Text: "true", User: "joe", Src: "198.51.100.7"}
	if ev.Kind != monitor.CommandRan || ev.Err != nil || ev.Command != want {
		t.Errorf("%s %+v, %v; want %+v", ev.Kind, ev.Command, ev.Err, want)
	}
}

func TestResume(t *testing.T) {
	p := privsep.Positions{Time: now, Places: map[string]ingest.State{"KNOCK": {Inode: 7, Offset: 99}}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if s := resume(text, now.Add(time.Minute)).Places["KNOCK"]; s.Offset != 99 {
		t.Errorf("after a minute: %+v", s)
	}
	for _, at := range []time.Time{now.Add(time.Hour), now.Add(-time.Hour)} {
		if len(resume(text, at).Places) != 0 {
			t.Errorf("%v: goes on where it stopped long ago", at)
		}
	}
	if len(resume([]byte("junk"), now).Places) != 0 {
		t.Error("junk is a position")
	}
}

// A stalledPipe is a pipe whose writes block until read is closed.
type stalledPipe struct {
	bytes.Buffer
	read chan struct{}
}

func (s *stalledPipe) Write(p []byte) (int, error) {
	<-s.read
	return s.Buffer.Write(p)
}

func (s *stalledPipe) Close() error { return nil }

// Decisions do not wait for the log; lost messages are counted.
func TestRecordsNeverBlock(t *testing.T) {
	w := &stalledPipe{read: make(chan struct{})}
	l, text := newRecordWriter(w), bytes.Repeat([]byte("x"), 100)
	done := make(chan struct{})
	go func() {
		for range 10 * maxQueued {
			l.putBytes(privsep.RecordText, text)
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("put waits for the reader")
	}
	close(w.read)
	l.close()
	texts, lost := 0, uint64(0)
	records(&w.Buffer, func(kind byte, content []byte) {
		switch kind {
		case privsep.RecordText:
			texts++
		case privsep.RecordLost:
			if err := codec.Decode(content, &lost); err != nil {
				t.Error(err)
			}
		}
	})
	if lost == 0 || texts+int(lost) != 10*maxQueued {
		t.Errorf("%d messages written, %d reported lost", texts, lost)
	}
}

// A record has its length in front of it, whatever is in its text; what is too long for
// one becomes a text that says so.
func TestRecordFrames(t *testing.T) {
	w := &stalledPipe{read: make(chan struct{})}
	close(w.read)
	l := newRecordWriter(w)
	l.warnf("a\nt%s", "\x00b")
	l.put(privsep.RecordDecision, report.Record{Packet: report.Packet{Text: strings.Repeat("x", privsep.MaxRecord)}})
	l.putBytes(privsep.RecordLimit, nil)
	l.close()
	var got []string
	records(&w.Buffer, func(kind byte, content []byte) {
		got = append(got, string(kind)+string(content[:min(len(content), 30)]))
	})
	want := []string{"ta?t?b", "tnot logged: record 'd': 65590 b", "e"}
	if len(got) != len(want) || got[0] != want[0] || !strings.HasPrefix(got[1], want[1][:25]) || got[2] != want[2] {
		t.Errorf("%q", got)
	}
}

// records calls each for every whole record in r.
func records(r io.Reader, each func(kind byte, content []byte)) {
	head := make([]byte, privsep.RecordHead)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		content := make([]byte, binary.BigEndian.Uint16(head[1:]))
		if _, err := io.ReadFull(r, content); err != nil {
			return
		}
		each(head[0], content)
	}
}
