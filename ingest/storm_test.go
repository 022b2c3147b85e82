package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

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
		// What nobody opened is gone with its name: give the follower a chance.
		if stormPolls {
			time.Sleep(2 * pollInterval)
		}
		time.Sleep(50 * time.Millisecond)
		ok(t, os.Remove(path))
		w.Close()
		return create(t, path)
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

// TestRotationStorm writes lines as fast as it can through many rotations of each
// kind; every line must come exactly once. FWKNOPD_STORM=1000000 is the full size,
// FWKNOPD_STORM_POLL=1 does without inotify.
func TestRotationStorm(t *testing.T) {
	total, turns := 100000, 10
	if s := os.Getenv("FWKNOPD_STORM"); s != "" {
		fmt.Sscan(s, &total)
		turns = 50
	}
	for name, rotate := range rotations {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kern.log")
			f, err := FollowLog(path, FollowOptions{FromStart: true, Poll: stormPolls, ReadOptions: ReadOptions{Ref: testRef, Problem: func(p Problem) { t.Log(p) }}})
			ok(t, err)
			defer f.Close()
			late := 0
			if name == "rename and write on" {
				late = turns
			}
			seen, done := collect(t, f, total+late)
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
			<-done
			t.Logf("%d lines in %v, all read after %v", total, written, time.Since(start))
			for i := range total {
				if seen[i] != 1 {
					n := i
					for n < total && seen[n] == seen[i] {
						n++
					}
					t.Fatalf("lines %d to %d were delivered %d times; counts %+v", i, n, seen[i], f.Counts())
				}
			}
			if n := f.Counts().Events; n != uint64(total+late) {
				t.Errorf("%d events, want %d", n, total+late)
			}
		})
	}
}

// collect reads until n events came, or none does for a while.
func collect(t *testing.T, src Source, n int) (seen []uint8, done chan struct{}) {
	seen, done = make([]uint8, 1<<24), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	idle := time.AfterFunc(5*time.Second, cancel)
	go func() {
		defer close(done)
		defer cancel()
		var ev parse.Event
		for got := 0; got < n; {
			err := src.Next(ctx, &ev)
			if err == nil {
				seen[number(&ev)]++
				got++
			} else if !isSkip(err) {
				t.Logf("ended: %v", err)
				return
			}
			if got%4096 == 0 {
				idle.Reset(5 * time.Second)
			}
		}
	}()
	return seen, done
}
