package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// serveFeed serves a feed in a new place, until stop is called or the test ends.
func serveFeed(t *testing.T) (f *Feed, l Live, stop func()) {
	t.Helper()
	p := newPlace(t, false)
	h := testHost
	h.Feed = &Feed{pause: time.Millisecond}
	end, err := Serve(filepath.Join(p.dir, "fwknopd.sock"), new(enforce.Recorder), h)
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			end()
		}
		ended = true
	}
	t.Cleanup(stop)
	_, l, code := OpenLive(cli.Status, []string{"-c", p.conf}, t.Output(), t.Output())
	if code != exitOK {
		t.Fatal(code)
	}
	return h.Feed, l, stop
}

// count returns how many readers a feed has.
func (f *Feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers)
}

// A follower is a reader in the test.
type follower struct {
	history chan [][]byte
	objects chan string
	err     chan error
}

func follow(ctx context.Context, l Live, last int) follower {
	w := follower{make(chan [][]byte, 1), make(chan string, 1<<16), make(chan error, 1)}
	go func() {
		begun := false
		w.err <- l.Follow(ctx, last, func(list [][]byte) {
			if !begun {
				w.history <- list
			}
			for _, o := range list {
				if begun {
					w.objects <- string(o)
				}
			}
			begun = true
		})
	}()
	return w
}

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(wait.Timeout):
		t.Fatal("nothing came")
	}
	return v
}

// Two readers get the last objects that they ask for, and then all that happens; the end of
// the daemon is an error, that of the reader frees its place.
func TestFeed(t *testing.T) {
	f, l, stop := serveFeed(t)
	for i := range 5 {
		f.Add(fmt.Appendf(nil, `{"n":%d}`, i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	first, second := follow(ctx, l, 2), follow(t.Context(), l, 100)
	if got := fmt.Sprintf("%s", receive(t, first.history)); got != `[{"n":3} {"n":4}]` {
		t.Errorf("history: %s", got)
	}
	if got := receive(t, second.history); len(got) != 5 {
		t.Errorf("history: %s", got)
	}
	f.Add([]byte(`{"n":5}`))
	for _, w := range []follower{first, second} {
		if got := receive(t, w.objects); got != `{"n":5}` {
			t.Error(got)
		}
	}
	cancel()
	if err := receive(t, first.err); err != context.Canceled {
		t.Error(err)
	}
	wait.For(t, "the place of a reader", func() bool { return f.count() == 1 })
	stop()
	if err := receive(t, second.err); err == nil || err.Error() != "the daemon hung up" {
		t.Error(err)
	}
	if err := l.Follow(t.Context(), 1, nil); err == nil || !strings.HasPrefix(err.Error(), "no running fwknopd detected (") {
		t.Error(err)
	}
}

// Readers have places of their own beside those of requests, and a few only.
func TestFeedReaders(t *testing.T) {
	f, l, _ := serveFeed(t)
	for range maxReaders { // each has its answer
		receive(t, follow(t.Context(), l, 0).history)
	}
	if err := l.Follow(t.Context(), 0, nil); err == nil || err.Error() != errReaders.Error() {
		t.Error(err)
	}
	for range maxExchanges + 1 {
		if _, _, err := l.Grants(); err != nil {
			t.Error(err)
		}
	}
	if n := f.count(); n != maxReaders {
		t.Error(n)
	}
}

// A reader that stands still holds up neither the daemon nor other readers; when it reads
// again, it has what was queued, and how many objects it has missed.
func TestFeedSlowReader(t *testing.T) {
	f, l, _ := serveFeed(t)
	other, slow := dialFeed(t, l), dialFeed(t, l)
	wait.For(t, "the readers", func() bool { return f.count() == 2 })
	in := bufio.NewReader(other)
	in.ReadString('\n') // the answer
	const objects, size = 4000, 1000
	for i := range objects {
		object := fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, strings.Repeat("x", size))
		f.Add([]byte(object))
		if line, err := in.ReadString('\n'); line != object+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	seen, lost := readAll(t, slow, objects)
	if lost == 0 || seen+lost != objects {
		t.Errorf("%d seen, %d lost of %d", seen, lost, objects)
	}
	f.Add([]byte(`{"n":-1}`))
	if line, _ := bufio.NewReader(slow).ReadString('\n'); line != "{\"n\":-1}\n" {
		t.Errorf("%q after the loss", line)
	}
}

// Many objects come together: the first one at once, the others after the pause, or when the
// queue is half full.
func TestFeedGathers(t *testing.T) {
	f, l, _ := serveFeed(t)
	f.pause = time.Hour
	conn := dialFeed(t, l)
	in := bufio.NewReader(conn)
	in.ReadString('\n') // the answer
	wants := func(want string) {
		t.Helper()
		if line, err := in.ReadString('\n'); line != want+"\n" {
			t.Fatalf("%.20q, %v, want %.20q", line, err, want)
		}
	}
	wait.For(t, "an empty queue", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for r := range f.readers {
			return len(r.wake) == 0
		}
		return false
	})
	long := strings.Repeat("x", queueBytes/4)
	for range 2 {
		f.Add([]byte(long))
	}
	f.Add([]byte("half"))
	for _, want := range []string{long, long, "half"} {
		wants(want)
	}
}

// dialFeed returns a connection on which events come.
func dialFeed(t *testing.T, l Live) net.Conn {
	t.Helper()
	conn, err := dial(wait.Timeout, SocketPath(l.c.pidFile()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(wait.Timeout))
	if err := json.NewEncoder(conn).Encode(request{Do: "events"}); err != nil {
		t.Fatal(err)
	}
	return conn
}

// readAll reads the answer and objects, until all of them were seen or are said to be lost.
// Each has to be the one after those before.
func readAll(t *testing.T, conn net.Conn, objects int) (seen, lost int) {
	t.Helper()
	in := bufio.NewScanner(conn)
	in.Scan() // the answer
	for seen+lost < objects && in.Scan() {
		o := struct {
			N       int
			Verdict string
			Count   int
		}{N: -1}
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			t.Fatalf("%v: %s", err, in.Bytes())
		}
		switch {
		case o.Verdict == "lost":
			lost += o.Count
		case o.N != seen+lost:
			t.Fatalf("object %d after %d", o.N, seen+lost)
		default:
			seen++
		}
	}
	return seen, lost
}

// What is kept for later readers is bounded, and the last is always kept.
func TestFeedHistory(t *testing.T) {
	var f Feed
	for i := range 1000 {
		f.Add(fmt.Appendf(nil, `{"n":%d,"x":"%s"}`, i, strings.Repeat("x", 1000)))
	}
	r, history, err := f.subscribe(1<<20, false)
	if err != nil || history < keptBytes/1100 || r.bytes > keptBytes || !strings.Contains(string(f.lines(r)), `{"n":999,`) {
		t.Errorf("%d of %d bytes, %v", history, r.bytes, err)
	}
	if _, history, _ := f.subscribe(-1, false); history != 0 {
		t.Error(history)
	}
}

// Without readers an object costs no more than its place in the history.
func BenchmarkFeed(b *testing.B) {
	var f Feed
	object := make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		f.Add(object)
	}
}

// A line of any length is whole, and lines that come together stay apart.
func TestLineReader(t *testing.T) {
	for name, pieces := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader} {
		long := strings.Repeat("x", 200<<10)
		if name == "bytes" {
			long = long[:2000]
		}
		in := lineReader{r: pieces(strings.NewReader(fmt.Sprintf("{\"history\":2}\na\n%s\nb\nc\n", long)))}
		list, err := in.history()
		if err != nil || len(list) != 2 || string(list[0]) != "a" || string(list[1]) != long {
			t.Fatalf("%s: %d lines, %v", name, len(list), err)
		}
		var rest []string
		for err == nil {
			list, err = in.read()
			for _, line := range list {
				rest = append(rest, string(line))
			}
		}
		if fmt.Sprint(rest, err) != "[b c] the daemon hung up" {
			t.Error(name, rest, err)
		}
	}
	for text, want := range map[string]string{"": "the daemon hung up", "x\n": "answer of the daemon: ", `{"error":"no"}` + "\n": "no", strings.Repeat("x", 3<<20): "the daemon sends no lines"} {
		in := lineReader{r: strings.NewReader(text)}
		if _, err := in.history(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// A reader of the daemon's own gets the kept objects and those that come with their numbers, whatever others
// watch, and what it is too slow for is missing in the numbers alone.
func TestFeedFollow(t *testing.T) {
	f := Feed{pause: time.Millisecond}
	for range maxReaders {
		if _, _, err := f.subscribe(0, false); err != nil {
			t.Fatal(err)
		}
	}
	f.Add([]byte("1"))
	f.Add([]byte("2"))
	type list struct {
		first   uint64
		objects [][]byte
	}
	passed, slow := make(chan list), make(chan struct{})
	failed := errors.New("it cannot be sent")
	ended := make(chan error, 1)
	go func() {
		ended <- f.Follow(t.Context(), func(first uint64, objects [][]byte) error {
			passed <- list{first, objects}
			if <-slow; first > 3 {
				return failed
			}
			return nil
		})
	}()
	if got := receive(t, passed); got.first != 1 || len(got.objects) != 2 {
		t.Fatalf("%d from %d", len(got.objects), got.first)
	}
	big := make([]byte, queueBytes/2)
	for range 5 { // while it is busy: the first two of them fit
		f.Add(big)
	}
	slow <- struct{}{}
	if got := receive(t, passed); got.first != 3 || len(got.objects) != 2 {
		t.Fatalf("%d from %d", len(got.objects), got.first)
	}
	slow <- struct{}{}
	f.Add([]byte("8"))
	if got := receive(t, passed); got.first != 8 || len(got.objects) != 1 {
		t.Fatalf("%d from %d", len(got.objects), got.first)
	}
	slow <- struct{}{}
	if err := receive(t, ended); err != failed || f.count() != maxReaders {
		t.Errorf("%v, %d readers", err, f.count())
	}
	if _, _, err := f.subscribe(0, false); err == nil {
		t.Error("one more watches")
	}
}
