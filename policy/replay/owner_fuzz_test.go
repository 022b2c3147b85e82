package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The owner of a journal and the reader of its copy see the same in any file: what was in it
// stays known when it is opened again and when it is compacted, and no horizon lies beyond
// what a client can reach within the age limit, but for that of a message that was accepted.
func FuzzJournal(f *testing.F) {
	now := t0.Add(time.Minute)
	line := appendLine(nil, t0, &Record{Key: keyOf(packet(1, t0)), Wire: keyOf(packet(2, t0)), Sent: t0.Unix()})
	f.Add([]byte(header), []byte(`{"path":"x"}`))
	f.Add(append([]byte(header), line...), []byte(""))
	f.Add(append(appendMark([]byte(header), horizonMark, t0.AddDate(8000, 0, 0)), line...), []byte(`{"path":"","open":true}`))
	f.Add(append(appendMark([]byte(header), newestMark, t0.AddDate(10, 0, 0)), line[:100]...), []byte(`{"size":-1,"tail":"x"}`))
	f.Add(bytes.Repeat(line, 3), []byte(`{"size":9223372036854775807,"next":{"size":5}}`))
	f.Fuzz(func(t *testing.T, text, known []byte) {
		dir := t.TempDir()
		opts := aging
		opts.Now, opts.State, opts.MaxSize = now, filepath.Join(dir, "state"), 1<<20
		path := filepath.Join(dir, "digest.cache")
		if os.WriteFile(path, text, 0o600) != nil || os.WriteFile(opts.State, known, 0o600) != nil {
			t.Skip()
		}
		b, err := openBoth(path, opts)
		if err != nil {
			t.Skip(err) // too large
		}
		defer func() { b.Close() }()
		if !b.horizon.Equal(b.j.horizon) || b.j.horizon.After(opts.farthest(now)) && b.j.horizon.Unix() > b.j.newest+1 {
			t.Fatalf("horizon %v of the owner, %v of the reader, newest message %d", b.j.horizon, b.horizon, b.j.newest)
		}
		fresh := packet(99, now.Add(time.Hour))
		_, was, _ := b.Add(fresh)
		n := b.Len()
		if err := b.j.compact(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		lost := 0
		opts.Lost = func(string, time.Time) { lost++ }
		if b, err = openBoth(path, opts); err != nil {
			t.Fatal(err)
		}
		if _, again, _ := b.Add(fresh); again || b.Len() < n && was {
			t.Fatalf("fresh again: %v; %d records, had %d", again, b.Len(), n)
		}
		if lost > 0 {
			t.Fatal("what was just closed is said to be lost")
		}
	})
}
