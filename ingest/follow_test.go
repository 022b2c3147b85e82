package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fwknopd/fixtures/wait"
	"fwknopd/parse"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The tail library keeps one watcher for the process.
		goleak.IgnoreAnyFunction("github.com/nxadm/tail/watch.(*InotifyTracker).run"),
		goleak.IgnoreAnyFunction("github.com/fsnotify/fsnotify.(*inotify).readEvents"))
}

// quietTime is how long a source must be silent to have nothing more to say.
const quietTime = 150 * time.Millisecond

// A tap reads a live source in a goroutine of its own.
type tap struct {
	t      testing.TB
	src    Source
	events chan string
	err    chan error
	cancel context.CancelFunc
	stale  string // an event that may come more often than wanted
}

// newTap names each event by its payload, or its source port if it has none.
func newTap(t testing.TB, src Source) *tap {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &tap{t: t, src: src, events: make(chan string, 1<<20), err: make(chan error, 1), cancel: cancel}
	go func() {
		var ev parse.Event
		for {
			err := src.Next(ctx, &ev)
			switch {
			case err == nil && len(ev.Payload) > 0:
				p.events <- string(ev.Payload)
			case err == nil:
				p.events <- fmt.Sprint(ev.Src.Port())
			case !errors.Is(err, parse.ErrSkip):
				p.err <- err
				close(p.events)
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range p.events {
		}
		src.Close()
	})
	return p
}

// want expects these events next, and no other.
func (p *tap) want(names ...string) {
	p.t.Helper()
	p.first(names...)
	p.quiet()
}

// first expects these events next.
func (p *tap) first(names ...string) {
	p.t.Helper()
	for i, name := range names {
		got := p.next(wait.Timeout)
		for got != "" && got == p.stale && got != name {
			got = p.next(wait.Timeout)
		}
		if got != name {
			p.t.Fatalf("event %d is %q, want %q", i, got, name)
		}
	}
}

// next returns the next event, or "" if none comes in time.
func (p *tap) next(timeout time.Duration) string {
	p.t.Helper()
	select {
	case got, ok := <-p.events:
		if !ok {
			p.t.Fatalf("source ended: %v", <-p.err)
		}
		return got
	case <-time.After(timeout):
		return ""
	}
}

func (p *tap) quiet() {
	p.t.Helper()
	if got := p.next(quietTime); got != "" && got != p.stale {
		p.t.Fatalf("event %q too many", got)
	}
}

// until repeats an action until the event name comes.
func (p *tap) until(name string, action func()) {
	p.t.Helper()
	for end := time.Now().Add(wait.Timeout); time.Now().Before(end); {
		action()
		for got := p.next(100 * time.Millisecond); got != ""; got = p.next(time.Millisecond) {
			if got == name {
				p.stale = name
				return
			}
		}
	}
	p.t.Fatalf("no %q", name)
}

func appendTo(t testing.TB, path string, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nextTick waits until the file system stamps files with a later time than that of path.
func nextTick(t testing.TB, path string) {
	t.Helper()
	last, err := statPath(path)
	ok(t, err)
	probe := filepath.Join(t.TempDir(), "probe")
	wait.For(t, "a later time", func() bool {
		ok(t, os.WriteFile(probe, []byte("x"), 0o600))
		now, err := statPath(probe)
		ok(t, err)
		return now.mtime > last.mtime
	})
}

func line(n int) string { return logLine(n) + "\n" }

// followModes runs a test with inotify and without.
func followModes(t *testing.T, test func(t *testing.T, path string, follow func(FollowOptions) *tap)) {
	for _, poll := range []bool{false, true} {
		t.Run(map[bool]string{false: "inotify", true: "poll"}[poll], func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kern.log")
			test(t, path, func(opt FollowOptions) *tap {
				t.Helper()
				opt.Poll, opt.Ref = poll, testRef
				f, err := followLog(path, opt)
				ok(t, err)
				return newTap(t, f)
			})
		})
	}
}

func TestFollowStart(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1)+logLine(2)) // the last line is unfinished
		p := follow(FollowOptions{})
		p.quiet()
		appendTo(t, path, "\n"+line(3))
		p.want("2", "3")
		follow(FollowOptions{FromStart: true}).want("1", "2", "3")
	})
}

func TestFollowPartialLine(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		p := follow(FollowOptions{})
		for _, part := range strings.SplitAfter(line(4), "=") {
			appendTo(t, path, part)
		}
		p.want("4")
	})
}

func TestFollowMissing(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		p := follow(FollowOptions{})
		appendTo(t, path, line(1))
		p.want("1")
		ok(t, os.Remove(path))
		appendTo(t, path, line(2))
		p.want("2")
	})
}

func TestFollowMissingDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later", "kern.log")
	f, err := followLog(path, FollowOptions{})
	ok(t, err)
	p := newTap(t, f)
	p.quiet()
	for range 2 {
		ok(t, os.Mkdir(filepath.Dir(path), 0o700))
		appendTo(t, path, line(1))
		p.want("1")
		ok(t, os.RemoveAll(filepath.Dir(path)))
	}
}

// TestFollowRename rotates as logrotate does: late lines still go to the old file.
func TestFollowRename(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1))
		p := follow(FollowOptions{})
		appendTo(t, path, line(2))
		ok(t, os.Rename(path, path+".1"))
		appendTo(t, path+".1", line(3))
		p.want("2", "3")
		appendTo(t, path, line(4))
		p.want("4")
		appendTo(t, path+".1", line(5))
		p.want("5")
		appendTo(t, path, line(6))
		p.want("6")
		ok(t, os.Rename(path+".1", path+".2"))
		ok(t, os.Rename(path, path+".1"))
		appendTo(t, path+".2", line(7))
		p.want("7")
	})
}

// TestFollowRenameAway moves the old file where the follower does not look.
func TestFollowRenameAway(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		old := filepath.Join(t.TempDir(), "old")
		appendTo(t, path, line(1))
		p := follow(FollowOptions{})
		ok(t, os.Rename(path, old))
		appendTo(t, path, line(2))
		p.want("2")
		appendTo(t, old, line(3))
		p.want("3")
	})
}

func TestFollowCopyTruncate(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1))
		p := follow(FollowOptions{})
		appendTo(t, path, line(2))
		p.want("2")
		data, err := os.ReadFile(path)
		ok(t, err)
		ok(t, os.WriteFile(path+".1", data, 0o600))
		p.quiet()
		ok(t, os.Truncate(path, 0))
		appendTo(t, path, line(3))
		p.want("3")
		// Now with lines that were not read before the truncation, half of one
		// among them, and a file that is longer than before.
		appendTo(t, path, line(4)+logLine(5)[:40])
		p.want("4")
		appendTo(t, path, logLine(5)[40:]+"\n"+line(6))
		data, err = os.ReadFile(path)
		ok(t, err)
		ok(t, os.WriteFile(path+".2", data, 0o600))
		ok(t, os.WriteFile(path, []byte(strings.ReplaceAll(line(7)+line(8)+line(9)+line(10)+line(11), "07:46", "07:47")), 0o600))
		p.want("5", "6", "7", "8", "9", "10", "11")
	})
}

func TestFollowTruncate(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1)+line(2))
		p := follow(FollowOptions{})
		ok(t, os.WriteFile(path, []byte(line(3)), 0o600))
		p.want("3")
	})
}

// TestFollowTruncateGap loses lines, which is counted and reported.
func TestFollowTruncateGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kern.log")
	appendTo(t, path, line(1)+line(2))
	problems := make(chan string, 10)
	f, err := followLog(path, FollowOptions{FromStart: true, ReadOptions: ReadOptions{Ref: testRef, Problem: func(p Problem) { problems <- p.Err.Error() }}})
	ok(t, err)
	g := f.last()
	g.size = 5000 // as if a look had seen more than was read
	g.off = 700
	ok(t, os.Truncate(path, 0))
	p := newTap(t, f)
	appendTo(t, path, line(3))
	p.want("3")
	if got := <-problems; !strings.Contains(got, "at least 4300 bytes") {
		t.Errorf("problem %q", got)
	}
	p.cancel()
	for range p.events {
	}
	if f.Stats().Counts().Lost != 1 {
		t.Errorf("counts %+v", f.Stats().Counts())
	}
}

// TestFollowBriefGenerations has several files at the path between two looks.
func TestFollowBriefGenerations(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1))
		appendTo(t, path+".0", line(999)) // was there before
		p := follow(FollowOptions{})
		appendTo(t, path+"-unrelated", line(998))
		appendTo(t, path, line(2))
		p.want("2") // and with nothing to read it looks at the other file
		var names []string
		for i := range 5 {
			names = append(names, fmt.Sprint(10+i))
			appendTo(t, path, stamped(i, line(10+i)))
			ok(t, os.Rename(path, fmt.Sprint(path, ".", 5-i)))
		}
		appendTo(t, path, line(20))
		p.want(append(names, "20")...)
	})
}

// TestFollowSameTick: files that were last written to in one tick of the file
// system's clock are read in the order in which they were rotated.
func TestFollowSameTick(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1))
		p := follow(FollowOptions{})
		p.quiet()
		at := time.Now()
		var names []string
		for i := range 12 { // two digits: names do not sort like numbers
			names = append(names, fmt.Sprint(10+i))
			appendTo(t, path, stamped(i, line(10+i)))
			ok(t, os.Chtimes(path, at, at))
			ok(t, os.Rename(path, fmt.Sprint(path, ".", 12-i)))
		}
		appendTo(t, path, line(40))
		p.want(append(names, "40")...)
	})
}

// stamped gives a line another second, as no two files begin alike.
func stamped(i int, line string) string {
	return strings.ReplaceAll(line, "07:46:05", time.Date(2026, 11, 22, 0, 0, i, 0, time.UTC).Format("15:04:05"))
}

func TestFollowSymlink(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		dir := t.TempDir()
		first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
		appendTo(t, first, line(1))
		ok(t, os.Symlink(first, path))
		p := follow(FollowOptions{})
		appendTo(t, first, line(2))
		p.want("2")
		appendTo(t, second, stamped(1, line(3)))
		ok(t, os.Symlink(second, path+".new"))
		ok(t, os.Rename(path+".new", path))
		p.want("3")
		ok(t, os.Rename(second, second+".1"))
		appendTo(t, second, stamped(2, line(4)))
		p.want("4")
	})
}

func TestFollowResume(t *testing.T) {
	stop := func(t *testing.T, path string) State {
		t.Helper()
		f, err := followLog(path, FollowOptions{FromStart: true})
		ok(t, err)
		defer f.Close()
		var ev parse.Event
		for range 2 {
			ok(t, f.Next(t.Context(), &ev))
		}
		return f.Stats().State()
	}
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		want   []string
	}{
		{"as it was", func(*testing.T, string) {}, []string{"3"}},
		{"grown", func(t *testing.T, path string) { appendTo(t, path, line(4)) }, []string{"3", "4"}},
		{"rotated", func(t *testing.T, path string) {
			ok(t, os.Rename(path, path+".1"))
			appendTo(t, path, stamped(1, line(4)))
		}, []string{"3", "4"}},
		{"rotated twice", func(t *testing.T, path string) {
			ok(t, os.Rename(path, path+".2"))
			nextTick(t, path+".2")
			appendTo(t, path+".1", stamped(1, line(4)))
			appendTo(t, path, stamped(2, line(5)))
		}, []string{"3", "4", "5"}},
		{"copied and truncated", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			ok(t, err)
			ok(t, os.WriteFile(path+".1", data, 0o600))
			ok(t, os.WriteFile(path, []byte(stamped(1, line(4))), 0o600))
		}, []string{"3", "4"}},
		{"truncated", func(t *testing.T, path string) { ok(t, os.WriteFile(path, []byte(stamped(1, line(4))), 0o600)) }, []string{"4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kern.log")
			appendTo(t, path+".9", stamped(9, line(99))) // older than all
			nextTick(t, path+".9")
			appendTo(t, path, line(1)+line(2)+line(3))
			state := stop(t, path)
			nextTick(t, path)
			tt.change(t, path)
			f, err := followLog(path, FollowOptions{Resume: state})
			ok(t, err)
			newTap(t, f).want(tt.want...)
		})
	}
}

// A State that no Follower returned is none: reading begins at the end of the file.
func TestFollowInvalidState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kern.log")
	appendTo(t, path, line(1)+line(2))
	before, err := followLog(path, FollowOptions{})
	ok(t, err)
	good := before.Stats().State()
	ok(t, before.Close())
	for name, change := range map[string]func(*State){
		"a negative offset": func(s *State) { s.Offset = -5 },
		"the least offset":  func(s *State) { s.Offset = math.MinInt64 },
		"a negative head":   func(s *State) { s.HeadN = -1 },
		"a long head":       func(s *State) { s.HeadN = headSize + 1 },
		"a cursor":          func(s *State) { s.Cursor = "\x00" },
	} {
		t.Run(name, func(t *testing.T) {
			state := good
			change(&state)
			f, err := followLog(path, FollowOptions{Resume: state})
			ok(t, err)
			p := newTap(t, f)
			p.quiet()
			appendTo(t, path, line(3))
			p.want("3")
			ok(t, os.Truncate(path, int64(len(line(1)+line(2)))))
		})
	}
}

func TestFollowClose(t *testing.T) {
	followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
		appendTo(t, path, line(1))
		p := follow(FollowOptions{})
		p.quiet()
		ok(t, p.src.Close())
		if err := <-p.err; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Next after Close: %v", err)
		}
	})
}

func TestFollowRefuses(t *testing.T) {
	if _, err := followLog(t.TempDir(), FollowOptions{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
}

func TestFollowLatency(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kern.log")
	appendTo(t, path, "")
	f, err := followLog(path, FollowOptions{})
	ok(t, err)
	p := newTap(t, f)
	p.quiet()
	w, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	ok(t, err)
	defer w.Close()
	var all []time.Duration
	for i := range 200 {
		start := time.Now()
		fmt.Fprint(w, line(i))
		<-p.events
		all = append(all, time.Since(start))
		p.next(time.Millisecond) // it waits again
	}
	slices.Sort(all)
	t.Logf("fastest tenth %v, median %v, 99%% %v", all[20], all[100], all[198])
	if all[20] > time.Millisecond { // the others depend on the load of the machine
		t.Errorf("latency of the fastest tenth %v", all[20])
	}
}

// Stamps without a year belong to the moment at which they are read, however long
// the follower has been running, and also if the writer's clock runs ahead.
func TestFollowStampsOfToday(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	appendTo(t, path, "")
	f, err := followLog(path, FollowOptions{})
	ok(t, err)
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, ahead := range []time.Duration{0, 2 * time.Second, 10 * time.Minute} {
		want := time.Now().Add(ahead).Truncate(time.Second)
		appendTo(t, path, want.Format(time.Stamp)+" gate kernel: IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=29 TOS=0x00 PREC=0x00 TTL=60 ID=1 PROTO=UDP SPT=1 DPT=2 LEN=9\n")
		var ev parse.Event
		ok(t, f.Next(ctx, &ev))
		if !ev.Time.Equal(want) {
			t.Errorf("a clock %v ahead: got %v, want %v", ahead, ev.Time, want)
		}
	}
}
