package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/parse"
)

// A testFeed is a LineFeed of which the test is the other side.
type testFeed struct {
	fed    chan Fed
	closed chan struct{}

	mu        sync.Mutex
	committed uint64
}

func newTestFeed(fed ...Fed) *testFeed {
	f := &testFeed{fed: make(chan Fed, 64), closed: make(chan struct{})}
	for _, one := range fed {
		f.fed <- one
	}
	return f
}

func (f *testFeed) Receive() (Fed, error) {
	select {
	case fed, more := <-f.fed:
		if !more {
			return fed, io.EOF
		}
		return fed, nil
	case <-f.closed:
		return Fed{}, os.ErrClosed
	}
}

func (f *testFeed) Commit(n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.committed = n
}

func (f *testFeed) done() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.committed
}

func (f *testFeed) SetReadDeadline(time.Time) error { return nil }

func (f *testFeed) Close() error { close(f.closed); return nil }

// fedLines is a message with records of now.
func fedLines(texts ...string) Fed {
	fed := Fed{Name: "logs/3"}
	for i, text := range texts {
		fed.Records = append(fed.Records, FedRecord{Offset: int64(100 + i), Time: time.Now(), Text: []byte(text)})
	}
	return fed
}

// feedOf returns a source of connections, and what it reports.
func feedOf(opt ReadOptions, conns ...*testFeed) (f *feed, told *[]string) {
	told = new([]string)
	opt.Problem = func(p Problem) { *told = append(*told, p.String()) }
	open := func() (LineFeed, error) {
		if len(conns) == 0 {
			return nil, errors.New("no connection")
		}
		c := conns[0]
		conns = conns[1:]
		return c, nil
	}
	return newFeed("KAFKA logs", open, opt, func(reason string) { *told = append(*told, "away: "+reason) }), told
}

// next returns the port of the next record, or what became of it.
func next(t *testing.T, src Source) string {
	t.Helper()
	var ev parse.Event
	switch err := src.Next(t.Context(), &ev); {
	case isSkip(err):
		return err.Error()
	case err != nil:
		t.Fatal(err)
	}
	return fmt.Sprint(ev.Src.Port())
}

// TestFeedAsFile: the records of a topic make the same events, and the same counts, as the file with
// the same lines, however the lines are spread over records.
func TestFeedAsFile(t *testing.T) {
	files, err := filepath.Glob("../fixtures/netfilter/*/*.log")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d logs, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(t, err)
		if strings.Contains(file, "utf16") {
			continue
		}
		opt := ReadOptions{Ref: testRef}
		whole, err := Read([]string{file}, opt)
		ok(t, err)
		want := outcomes(t, whole)
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		for _, each := range []int{1, 7} {
			var texts []string
			for part := range slices.Chunk(lines, each) {
				texts = append(texts, strings.Join(part, "\n"))
			}
			conn := newTestFeed()
			go func() {
				for part := range slices.Chunk(texts, 100) {
					conn.fed <- fedLines(part...)
				}
				close(conn.fed)
			}()
			f, _ := feedOf(opt, conn)
			if got := outcomes(t, f); !slices.Equal(got, want) {
				t.Errorf("%s, %d lines a record: %d outcomes, want %d", file, each, len(got), len(want))
			}
			a, b := whole.Stats().Counts(), f.Stats().Counts()
			if a.Bytes, b.Bytes = 0, 0; a != b {
				t.Errorf("%s: %+v, want %+v", file, b, a)
			}
		}
	}
}

// outcomes reads a source to its end, or to that of its connection.
func outcomes(t *testing.T, src Source) (all []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if f, isFeed := src.(*feed); isFeed {
		f.away = func(string) { cancel() }
	}
	var ev parse.Event
	for {
		err := src.Next(ctx, &ev)
		switch {
		case err == nil:
			all = append(all, fmt.Sprintf("%v %v %v %v %v %s %q %v", ev.Time, ev.Src, ev.Dst, ev.Proto, ev.Flags, ev.Prefix, ev.In, ev.Origin))
		case isSkip(err):
		case errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
			return all
		default:
			t.Fatal(err)
		}
	}
}

// TestFeedCommits: a State commits the lines up to it, and those behind it that are no events.
// What a former connection had counts for nothing on the next one.
func TestFeedCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newTestFeed(fedLines("nothing", "nothing"), fedLines(logLine(1), "nothing"), fedLines(logLine(2)+"\n"+logLine(3)))
		two := newTestFeed(fedLines(logLine(3), "nothing"))
		f, told := feedOf(ReadOptions{}, one, two)
		defer f.Close()
		check := func(conn *testFeed, n uint64) {
			t.Helper()
			if got := conn.done(); got != n {
				t.Errorf("committed %d, want %d", got, n)
			}
		}
		next(t, f)
		check(one, 0)
		next(t, f) // the end of a message without events
		check(one, 2)
		next(t, f)
		at := f.Stats().State()
		next(t, f)
		check(one, 2)
		f.Commit(at)
		check(one, 4)
		next(t, f)
		at = f.Stats().State()
		next(t, f)
		f.Commit(at)
		check(one, 5)
		if got := f.Stats().Position().Name; got != "logs/3@100" {
			t.Error(got)
		}
		close(one.fed)
		if got := next(t, f); got != "3" {
			t.Error(got)
		}
		f.Commit(State{Offset: 6}) // of the former connection
		check(two, 0)
		f.Commit(f.Stats().State())
		check(two, 1)
		next(t, f)
		check(two, 2)
		if len(*told) != 1 || !strings.Contains((*told)[0], "the fleet process ended") {
			t.Errorf("%q", *told)
		}
	})
}

// TestFeedTime: lines that were written too long ago, or too far in the future, are passed over, and
// said once for many.
func TestFeedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(age time.Duration) Fed {
			fed := fedLines(logLine(7))
			fed.Records[0].Time = time.Now().Add(-age)
			return fed
		}
		f, told := feedOf(ReadOptions{}, newTestFeed(at(feedAge), at(feedAge+time.Second), at(time.Hour), at(0), at(-time.Hour), at(-feedAge)))
		defer f.Close()
		for i, want := range []string{"7", "line too old", "line too old", "7", "line too old", "7"} {
			if got := next(t, f); got != want {
				t.Errorf("line %d: %s, want %s", i, got, want)
			}
		}
		want := []string{
			"logs/3@100:1: lines are passed over that were written more than 2m0s before now, this one 2m1s",
			"logs/3@100:0: lines passed over by their time: 2",
			"logs/3@100:1: lines are passed over that were written more than 2m0s after now, this one 1h0m0s",
			"logs/3@100:0: lines passed over by their time: 1",
		}
		if !slices.Equal(*told, want) {
			t.Errorf("%q", *told)
		}
		if n := f.Stats().Counts(); n.Records != 6 || n.NotOurs != 3 || n.Events != 3 {
			t.Error(n)
		}
	})
}

// TestFeedTold: what the other side says is passed on, news once; a connection that cannot be made is
// tried again.
func TestFeedTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newTestFeed(Fed{Away: "no broker"}, Fed{Away: "no broker"}, Fed{Note: "reads logs/3"}, Fed{}, fedLines(logLine(1), "\x00\xff"))
		f, told := feedOf(ReadOptions{})
		tries := 0
		f.open = func() (LineFeed, error) {
			if tries++; tries < 3 {
				return nil, errors.New("no fleet process")
			}
			return conn, nil
		}
		if got := next(t, f); got != "1" {
			t.Error(got)
		}
		next(t, f)
		if want := []string{"away: no fleet process", "away: no broker", "KAFKA logs:0: reads logs/3", "away: "}; !slices.Equal(*told, want) {
			t.Errorf("%q", *told)
		}
		long := fedLines("")
		long.Records[0].Long = true
		conn.fed <- long
		if got := next(t, f); got != errLongLine.Error() {
			t.Error(got)
		}
		ended := make(chan error)
		go func() {
			var ev parse.Event
			ended <- f.Next(context.Background(), &ev)
		}()
		synctest.Wait()
		ok(t, f.Close())
		if err := <-ended; err != os.ErrClosed {
			t.Error(err)
		}
		ok(t, f.Close())
	})
}
