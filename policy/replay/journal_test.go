package replay

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A faultyFile fails where it is told to.
type faultyFile struct {
	file
	write, sync error
	half        bool // writes half of it before it fails
	undo        error
	log         *[]string // "write N" and "sync"; nil: none
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.log != nil {
		*f.log = append(*f.log, fmt.Sprintf("write %d", bytes.Count(p, []byte("\n"))))
	}
	if f.write == nil {
		return f.file.Write(p)
	}
	if !f.half {
		return 0, f.write
	}
	n, err := f.file.Write(p[:len(p)/2])
	return n, errors.Join(err, f.write)
}

func (f *faultyFile) Datasync() error {
	if f.log != nil {
		*f.log = append(*f.log, "sync")
	}
	if f.sync != nil {
		return f.sync
	}
	return f.file.Datasync()
}

func (f *faultyFile) Truncate(size int64) error {
	if f.undo != nil {
		return f.undo
	}
	return f.file.Truncate(size)
}

// What could not be written is refused, and stays refused; what comes when the disk has
// recovered is recorded. The file has no half line in between.
func TestWriteErrorsRefuse(t *testing.T) {
	full := errors.New("no space left on device")
	for name, fault := range map[string]*faultyFile{
		"nothing written": {write: full},
		"half a line":     {write: full, half: true},
		"half, no undo":   {write: full, half: true, undo: errors.New("read-only")},
		"failing flush":   {sync: errors.New("input/output error")},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "digest.cache")
			b := open(t, path, Options{})
			add(t, b, packet(0, t0))
			fault.file = b.j.file
			b.j.file = fault
			if _, fresh, err := b.Add(packet(1, t0)); fresh || err == nil {
				t.Fatalf("fresh %v, err %v", fresh, err)
			}
			if failed := b.j.broken != nil; failed != (fault.sync != nil || fault.undo != nil) {
				t.Errorf("the state of the file is unknown: %v", failed)
			}
			fault.write, fault.sync, fault.undo = nil, nil, nil
			if add(t, b, packet(1, t0)) {
				t.Error("a message that could not be recorded is fresh the second time")
			}
			if !add(t, b, packet(2, t0)) {
				t.Error("a message after the disk recovered is not fresh")
			}
			b.Close()
			b = open(t, path, Options{Notice: func(s string) { t.Error(s) }})
			for i, want := range []bool{true, false, true} {
				if _, seen, _ := b.Seen(packet(i, t0)); seen != want && i != 1 {
					t.Errorf("message %d: seen %v after a restart", i, seen)
				}
			}
		})
	}
}

// A file whose flush failed is not trusted: it is replaced before anything is recorded,
// and as long as that fails nothing is.
func TestFailedFlush(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "digest.cache")
	b := open(t, path, Options{})
	add(t, b, packet(0, t0))
	b.j.file = &faultyFile{file: b.j.file, sync: errors.New("input/output error")}
	if _, fresh, _ := b.Add(packet(1, t0)); fresh {
		t.Fatal("a message that was not flushed is fresh")
	}
	if err := os.MkdirAll(path+".new/x", 0o700); err != nil { // in the way of a new file
		t.Fatal(err)
	}
	for i := range 3 {
		if _, fresh, err := b.Add(packet(2+i, t0)); fresh || err == nil || !strings.Contains(err.Error(), "input/output error") {
			t.Fatalf("fresh %v, err %v", fresh, err)
		}
	}
	if err := os.RemoveAll(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if !add(t, b, packet(9, t0)) {
		t.Error("a message after the disk recovered is not fresh")
	}
	if _, ok := b.j.file.(*faultyFile); ok {
		t.Error("the file that failed is still in use")
	}
}

// All records of one commit cost one write and one flush.
func TestOneFlush(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "digest.cache"), Options{})
	var log []string
	b.j.file = &faultyFile{file: b.j.file, log: &log}
	b.now = t0
	for i := range 200 {
		if _, fresh, err := b.Replica.Add(packet(i, t0)); !fresh || err != nil {
			t.Fatal(fresh, err)
		}
	}
	if err := errors.Join(b.Sync(), b.Sync()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(log, ", "); got != "write 200, sync" {
		t.Error(got)
	}
}

// A horizon in the future, from a line in the file or of a clock that was ahead, refuses
// messages for at most the age limit, and the notice comes once.
func TestHorizonInTheFuture(t *testing.T) {
	now := t0.Add(30 * time.Minute)
	opts := aging
	opts.Now = now
	for name, horizon := range map[string]time.Time{"forged": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "clock ahead": now.AddDate(10, 0, 0), "an hour": now.Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "digest.cache")
			text := appendMark([]byte(header), horizonMark, horizon)
			ahead := packet(1, now) // by a client whose clock is ahead
			ahead.Sent = now.Add(aging.MaxAge)
			text = appendLine(text, now, &Record{Key: [32]byte{1}, Sent: ahead.Sent.Unix() - 60})
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			notices := 0
			o := opts
			o.Notice = func(string) { notices++ }
			b := open(t, path, o)
			if notices != 1 {
				t.Errorf("%d notices", notices)
			}
			for sent, want := range map[time.Time]bool{now.Add(-time.Second): false, now: false, ahead.Sent.Add(-61 * time.Second): false, ahead.Sent.Add(-58 * time.Second): true} {
				p := packet(int(sent.Unix()), now)
				p.Sent = sent
				if _, fresh, err := b.Add(p); fresh != want || !want && !errors.Is(err, ErrForgotten) {
					t.Errorf("sent %v from now: fresh %v, %v", sent.Sub(now), fresh, err)
				}
			}
			later := now.Add(aging.MaxAge + time.Second)
			if p := packet(7, later); !add(t, b, p) {
				t.Error("messages are refused for longer than the age limit")
			}
			b.Close()
			open(t, path, o).Close()
			if notices != 1 {
				t.Errorf("%d notices after another opening", notices)
			}
		})
	}
}

// A clock that runs ahead while records are dropped, and is then set right, does not make
// the messages before fresh, nor later ones unwelcome.
func TestClockAheadWhileRunning(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "digest.cache"), aging)
	add(t, b, packet(0, t0))
	ahead := t0.AddDate(10, 0, 0)
	for i := range dropMin - 1 {
		p := packet(1+i, ahead)
		p.Sent = t0 // their clocks are right
		if _, _, err := b.Replica.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, seen, _ := b.Seen(packet(0, t0)); seen {
		t.Fatal("the test drops nothing")
	}
	replay := packet(0, t0.Add(time.Second))
	replay.Sent = t0
	if _, fresh, err := b.Add(replay); fresh {
		t.Errorf("a replay is fresh: %v", err)
	}
	if !add(t, b, packet(-1, t0.Add(aging.MaxAge+3*time.Second))) {
		t.Error("messages are refused for longer than the age limit")
	}
}

// A journal beyond its bound is refused before it is read, with holes in it or without.
func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	if err := os.WriteFile(path, []byte(header), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	if b, err := openBoth(path, Options{}); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), path) {
		t.Fatalf("%v, %v", b, err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 1<<40 {
		t.Errorf("%v, %v", st, err)
	}
}

// A journal that has reached its bound takes nothing more, unless some of it is past the
// age limit.
func TestFull(t *testing.T) {
	opts := aging
	opts.MaxSize = 4000
	path := filepath.Join(t.TempDir(), "digest.cache")
	b := open(t, path, opts)
	n := 0
	for ; n < 100; n++ {
		if _, fresh, err := b.Add(packet(n, t0)); !fresh {
			if !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
			break
		}
	}
	if n < 10 || n == 100 {
		t.Fatalf("%d messages fit", n)
	}
	if !add(t, b, packet(n+1, t0.Add(2*past))) {
		t.Error("a message after the others have aged is not fresh")
	}
	b.Close()
	if st, err := os.Stat(path); err != nil || st.Size() > opts.MaxSize {
		t.Errorf("%v, %v", st, err)
	}
}

// The reading of a journal ends with the context.
func TestOpenIsCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	if err := os.WriteFile(path, cache(1000), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	open(t, path, Options{}) // the lock is free
}

// A file that another user may have put there is not read.
func TestOthersFiles(t *testing.T) {
	sum := md5.Sum(packet(1, t0).Plaintext)
	line := []byte("10.0.0.1 " + b64(sum[:]) + "\n")
	for name, put := range map[string]func(t *testing.T, path string){
		"link": func(t *testing.T, path string) {
			target := filepath.Join(t.TempDir(), "secret")
			if err := errors.Join(os.WriteFile(target, line, 0o600), os.Symlink(target, path)); err != nil {
				t.Fatal(err)
			}
		},
		"pipe": func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"folder": func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"writable by others": func(t *testing.T, path string) {
			if err := errors.Join(os.WriteFile(path, line, 0o600), os.Chmod(path, 0o622)); err != nil {
				t.Fatal(err)
			}
		},
		"of another user": func(t *testing.T, path string) {
			if os.Getuid() != 0 {
				t.Skip("giving files away takes root")
			}
			if err := errors.Join(os.WriteFile(path, line, 0o600), os.Chown(path, 65534, 0)); err != nil {
				t.Fatal(err)
			}
		},
		"huge": func(t *testing.T, path string) {
			if err := errors.Join(os.WriteFile(path, line, 0o600), os.Truncate(path, 1<<40)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "md5sums"))
			said := ""
			b := open(t, filepath.Join(dir, "digest.cache"), Options{Notice: func(s string) { said += s }})
			if b.Len() != 0 || !strings.Contains(said, "md5sums is left out: ") {
				t.Errorf("%d records read, said %q", b.Len(), said)
			}
			if !add(t, b, packet(1, t0)) {
				t.Error("a message that only that file has is not fresh")
			}
			put(t, filepath.Join(dir, "journal"))
			if b, err := openBoth(filepath.Join(dir, "journal"), Options{}); err == nil {
				b.Close()
				t.Error("opened as the journal")
			}
		})
	}
}

// A copy that comes in part is an error at every length.
func TestSnapshotInPart(t *testing.T) {
	dir := t.TempDir()
	sum := md5.Sum(packet(9, t0).Plaintext)
	if err := os.WriteFile(filepath.Join(dir, "md5sums"), []byte("10.0.0.1 "+b64(sum[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, filepath.Join(dir, "digest.cache"), Options{})
	for i := range 3 {
		add(t, b, packet(i, t0))
	}
	snapshot, err := b.j.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	add(t, b, packet(3, t0)) // later than the snapshot
	if err := b.j.compact(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	if _, err := snapshot.WriteTo(&all); err != nil {
		t.Fatal(err)
	}
	text := all.Bytes()
	for n := range text {
		if err := NewReplica(Options{}, nil).Load(bytes.NewReader(text[:n])); err == nil {
			t.Fatalf("%d bytes of %d are enough", n, len(text))
		}
	}
	r := NewReplica(Options{}, nil)
	if err := r.Load(io.MultiReader(bytes.NewReader(text), strings.NewReader("more"))); err != nil || r.Len() != 4 {
		t.Errorf("%d records, %v", r.Len(), err)
	}
}

// Messages stay known when the journal is moved, from file to file and from memory and
// back, to a worker of now and to a later one.
func TestMove(t *testing.T) {
	dir := t.TempDir()
	a, c := filepath.Join(dir, "a", "digest.cache"), filepath.Join(dir, "c", "digest.cache")
	for _, path := range []string{a, c} {
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := md5.Sum(packet(100, t0).Plaintext)
	if err := os.WriteFile(filepath.Join(dir, "a", "md5sums"), []byte("10.0.0.1 "+b64(old[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := open(t, c, Options{})
	add(t, before, packet(200, t0))
	before.Close()
	b := open(t, a, Options{})
	known := []int{100}
	for i, path := range []string{a, c, "", a, "", c, a, c} {
		if i > 0 {
			j, err := b.j.Move(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			b = &both{j: j, now: t0}
			t.Cleanup(func() { j.Close() })
			if b.Replica, err = b.replica(Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if path == c && i == 1 {
			known = append(known, 200)
		}
		for _, n := range known {
			if add(t, b, packet(n, t0)) {
				t.Errorf("move %d to %q: message %d is fresh", i, path, n)
			}
		}
		if b.Len() != len(known) {
			t.Errorf("move %d to %q: %d records of %d", i, path, b.Len(), len(known))
		}
		if !add(t, b, packet(i, t0)) {
			t.Errorf("move %d: a new message is not fresh", i)
		}
		known = append(known, i)
	}
	if st, err := os.Stat(c); err != nil || st.Size() > int64(len(known)+2)*maxLine {
		t.Errorf("%v, %v", st, err)
	}
	if _, err := b.j.Move(t.Context(), filepath.Join(dir, "nowhere", "x"), Options{}); err == nil {
		t.Fatal("moved to nowhere")
	}
	if !add(t, b, packet(50, t0)) {
		t.Error("a journal that could not be moved takes nothing")
	}
}

// A clock that is set back makes no message fresh whose record was dropped: the latest
// message that was accepted outlives the records.
func TestClockBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	b := open(t, path, aging)
	add(t, b, packet(1, t0))
	b.Close()
	for _, now := range []time.Time{t0.Add(2 * past), t0.Add(3 * past), t0} { // dropped; nothing left; set back
		opts := aging
		opts.Now = now
		b = open(t, path, opts)
		p := packet(1, t0)
		p.Time = now
		if _, fresh, err := b.Add(p); fresh {
			t.Errorf("opened at %v: fresh again, %v", now, err)
		}
		b.Close()
	}
}
