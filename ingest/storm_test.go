package ingest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
	"fwknopd/parse"
)

// numbered is a log line whose source address is n.
func numbered(n int) string {
	return fmt.Sprintf("Nov 22 07:46:05 gate kernel: [%5d.000000] IN=eth0 OUT= SRC=10.%d.%d.%d DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=1 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 \n",
		n, n>>16&0xff, n>>8&0xff, n&0xff)
}

func number(ev *parse.Event) int {
	a := ev.Src.Addr().As4()
	return int(a[1])<<16 | int(a[2])<<8 | int(a[3])
}

// A rotation replaces the file at path, in between or while w writes; it returns
// what to write to from then on.
type rotation func(t *testing.T, path string, i int, w *os.File) *os.File

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ok(t, err)
	return f
}

var rotations = map[string]rotation{
	"rename": func(t *testing.T, path string, i int, w *os.File) *os.File {
		ok(t, os.Rename(path, fmt.Sprint(path, ".", i)))
		w.Close()
		return create(t, path)
	},
	"rename and write on": func(t *testing.T, path string, i int, w *os.File) *os.File {
		ok(t, os.Rename(path, fmt.Sprint(path, ".", i)))
		f := create(t, path)
		time.AfterFunc(20*time.Millisecond, func() { // half a line, and later the rest
			late := numbered(1<<23 + i)
			io.WriteString(w, late[:50])
			io.WriteString(w, late[50:])
			w.Close()
		})
		return f
	},
	"copy and truncate": func(t *testing.T, path string, i int, w *os.File) *os.File {
		data, err := os.ReadFile(path)
		ok(t, err)
		ok(t, os.WriteFile(fmt.Sprint(path, ".", i), data, 0o600))
		ok(t, os.Truncate(path, 0))
		return w
	},
	"remove": func(t *testing.T, path string, i int, w *os.File) *os.File {
		ok(t, os.Remove(path))
		w.Close()
		return create(t, path)
	},
	"replace and keep nothing": func(t *testing.T, path string, i int, w *os.File) *os.File {
		f := create(t, path+".new")
		ok(t, os.Rename(path+".new", path))
		w.Close()
		return f
	},
	"rename and remove": func(t *testing.T, path string, i int, w *os.File) *os.File {
		ok(t, os.Rename(path, path+".1"))
		w.Close()
		f := create(t, path)
		ok(t, os.Remove(path+".1"))
		return f
	},
	"replace by a renamed file": func(t *testing.T, path string, i int, w *os.File) *os.File {
		f := create(t, path+".new")
		ok(t, os.Link(path, fmt.Sprint(path, ".", i)))
		ok(t, os.Rename(path+".new", path))
		w.Close()
		return f
	},
}

// stormPolls has the storm followed without inotify.
var stormPolls = os.Getenv("FWKNOPD_STORM_POLL") != ""

// leavesNothing are the rotations after which a file that was not opened in time is
// gone. By polling such a file is not noticed.
var leavesNothing = map[string]bool{"remove": true, "replace and keep nothing": true, "rename and remove": true}

// TestRotationStorm writes lines as fast as it can through many rotations of each
// kind; every line must come exactly once, but for those of files that are reported
// to have been gone before they could be opened. FWKNOPD_STORM=1000000 is the full
// size, FWKNOPD_STORM_POLL=1 does without inotify.
func TestRotationStorm(t *testing.T) {
	total, turns := 100000, 10
	if testing.Short() {
		total = 20000
	}
	if s := os.Getenv("FWKNOPD_STORM"); s != "" {
		fmt.Sscan(s, &total)
		turns = 50
	}
	for name, rotate := range rotations {
		t.Run(name, func(t *testing.T) {
			if stormPolls && leavesNothing[name] {
				t.Skip("polling does not notice")
			}
			path := filepath.Join(t.TempDir(), "kern.log")
			named, all := 0, (*collection)(nil)
			f, err := followLog(path, FollowOptions{FromStart: true, Poll: stormPolls, ReadOptions: ReadOptions{Ref: testRef, Problem: func(p Problem) {
				t.Log(p)
				if n, ok := p.Err.(unreadFiles); ok {
					named += int(n)
					all.miss(int(n) * total / turns)
				}
			}}})
			ok(t, err)
			defer f.Close()
			late := 0
			if name == "rename and write on" {
				late = turns
			}
			all = collect(t, f, total+late)
			start := time.Now()
			w := create(t, path)
			out := bufio.NewWriter(w)
			for i := range total {
				if i > 0 && i%(total/turns) == 0 {
					out.Flush()
					w = rotate(t, path, i/(total/turns), w)
					out.Reset(w)
				}
				io.WriteString(out, numbered(i))
			}
			if late > 0 {
				out.Flush()
				w = rotate(t, path, 0, w)
				out.Reset(w)
			}
			out.Flush()
			w.Close()
			written := time.Since(start)
			<-all.done
			t.Logf("%d lines in %v, all read after %v", total, written, time.Since(start))
			missing := 0 // files
			for i := 0; i < total; i += total / turns {
				file := all.seen[i : i+total/turns]
				switch n := bytes.Count(file, []byte{1}); {
				case n == len(file):
				case n == 0 && bytes.Count(file, []byte{0}) == len(file):
					missing++
				default:
					t.Errorf("of the lines %d to %d %d were delivered once", i, i+len(file), n)
				}
			}
			n := f.Stats().Counts()
			if missing != named || n.Lost != uint64(named) || named > 0 && !leavesNothing[name] {
				t.Errorf("%d files are missing, %d were reported, counts %+v", missing, named, n)
			}
			if want := uint64(total + late - missing*total/turns); n.Events != want {
				t.Errorf("%d events, want %d", n.Events, want)
			}
			if t.Failed() {
				t.Logf("lines as they came: %v", all.runs)
			}
		})
	}
}

// A collection is what a source of numbered lines yields.
type collection struct {
	seen []uint8
	runs [][2]int // of consecutive lines, as they came: the first and the one after the last
	got  int      // lines
	want int      // and no more
	stop context.CancelFunc
	done chan struct{}
}

// collect reads until all lines came, or none does for a while.
func collect(t *testing.T, src Source, want int) *collection {
	ctx, cancel := context.WithCancel(context.Background())
	c := &collection{seen: make([]uint8, 1<<24), want: want, stop: cancel, done: make(chan struct{})}
	idle := time.AfterFunc(wait.Timeout, cancel)
	go func() {
		defer close(c.done)
		defer cancel()
		var ev parse.Event
		for c.got < c.want {
			err := src.Next(ctx, &ev)
			if err == nil {
				c.take(number(&ev))
				c.got++
			} else if !isSkip(err) {
				t.Logf("ended: %v", err)
				return
			}
			if c.got%4096 == 0 {
				idle.Reset(wait.Timeout)
			}
		}
	}()
	return c
}

func (c *collection) take(n int) {
	c.seen[n]++
	if last := len(c.runs) - 1; last >= 0 && c.runs[last][1] == n {
		c.runs[last][1]++
		return
	}
	c.runs = append(c.runs, [2]int{n, n + 1})
}

// miss takes n lines from what is waited for, when the source reports them.
func (c *collection) miss(n int) {
	if c.want -= n; c.got >= c.want {
		c.stop()
	}
}
