package ingest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
	"fwknopd/parse"
)

// A race is a rotation at one certain moment between two steps of a Follower, which is
// driven by hand.
type race struct {
	t     *testing.T
	path  string
	f     *Follower
	turns int
}

// newRace follows an empty file.
func newRace(t *testing.T) *race {
	path := filepath.Join(t.TempDir(), "kern.log")
	appendTo(t, path, "")
	f, err := followLog(path, FollowOptions{FromStart: true, ReadOptions: ReadOptions{
		Ref: testRef, Problem: func(p Problem) { t.Errorf("reported: %v", p) }}})
	ok(t, err)
	t.Cleanup(func() { f.Close() })
	return &race{t: t, path: path, f: f}
}

// write writes a line to the path that begins like no other.
func (r *race) write(n int) { appendTo(r.t, r.path, stamped(n, line(n))) }

// copied returns the name of a new copy of what is at the path, which is truncated.
func (r *race) copied() string {
	r.t.Helper()
	data, err := os.ReadFile(r.path)
	ok(r.t, err)
	name := r.rotated()
	ok(r.t, os.WriteFile(name, data, 0o600))
	ok(r.t, os.Truncate(r.path, 0))
	return name
}

// rotated returns the next name; numbers are those of a rotation that counts down.
func (r *race) rotated() string {
	r.turns++
	return fmt.Sprint(r.path, ".", 100-r.turns)
}

// want reads all that is there.
func (r *race) want(names ...int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait.Timeout)
	defer cancel()
	var got []int
	var ev parse.Event
	for len(got) < len(names) {
		if err := r.f.Next(ctx, &ev); err != nil {
			if isSkip(err) {
				continue
			}
			r.t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, int(ev.Src.Port()))
	}
	if !slices.Equal(got, names) {
		r.t.Errorf("got %v, want %v", got, names)
	}
	if n := r.f.Stats().Counts(); n.Lost != 0 || n.Malformed != 0 {
		r.t.Errorf("counts %+v", n)
	}
}

// TestRotationAtAnyMoment rotates where one step of the Follower ends and the next begins.
func TestRotationAtAnyMoment(t *testing.T) {
	// What is at the path is taken for the begin of a file, and is another before it is read.
	t.Run("head before content", func(t *testing.T) {
		r := newRace(t)
		r.write(1)
		g := r.f.last()
		if !g.begin() {
			t.Fatal("no head")
		}
		r.copied()
		r.write(2)
		if n, err := g.Read(make([]byte, 4096)); n != 0 || err != io.EOF {
			t.Errorf("read %d bytes of another file (%v)", n, err)
		}
		r.want(1, 2)
	})
	t.Run("truncated before the first read", func(t *testing.T) {
		r := newRace(t)
		r.write(1)
		r.copied()
		r.write(2)
		r.copied()
		r.write(3)
		r.want(1, 2, 3)
	})
	// Content that came and went in one tick of the clock leaves an empty file with the
	// time that it had.
	t.Run("in one tick", func(t *testing.T) {
		r := newRace(t)
		r.write(1)
		st, err := statPath(r.copied())
		ok(t, err)
		at := time.Unix(0, st.fileID.born)
		ok(t, os.Chtimes(r.path, at, at))
		r.f.last().blankAt = st.fileID.born
		r.f.checkPath()
		r.write(2)
		r.want(1, 2)
	})
	// The copy is made, and written much later.
	t.Run("slow copy", func(t *testing.T) {
		r := newRace(t)
		r.write(1)
		r.want(1)
		r.write(2)
		name := r.rotated()
		appendTo(t, name, "")
		r.f.checkPath()
		for id := range r.f.siblings.empty {
			r.f.siblings.empty[id] = time.Now().Add(-copyBegins / 2)
		}
		r.f.watch.dirty = true
		r.f.checkPath()
		data, err := os.ReadFile(r.path)
		ok(t, err)
		appendTo(t, name, string(data))
		ok(t, os.Truncate(r.path, 0))
		r.write(3)
		r.want(2, 3)
	})
	// The path is missing at the moment of the look, and a file that was not opened was
	// there since the last one.
	t.Run("renamed twice and missing", func(t *testing.T) {
		r := newRace(t)
		r.write(1)
		r.want(1)
		for n := 2; n < 4; n++ {
			ok(t, os.Rename(r.path, r.rotated()))
			r.write(n)
		}
		ok(t, os.Rename(r.path, r.rotated()))
		r.f.checkPath()
		r.write(4)
		r.want(2, 3, 4)
	})
	// A capture is as blank with its header as a log without a line.
	t.Run("capture with its header", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "spa.pcap")
		appendTo(t, path, string(buildPcap()))
		f, err := followPcap(path, FollowOptions{FromStart: true})
		ok(t, err)
		p := newTap(t, f)
		p.quiet()
		data := buildPcap("one")
		ok(t, os.WriteFile(path, data, 0o600))
		ok(t, os.WriteFile(path+".1", data, 0o600)) // copied
		ok(t, os.WriteFile(path, buildPcap(), 0o600))
		appendTo(t, path, record("two"))
		p.want("one", "two")
	})
}
