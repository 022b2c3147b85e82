package journal

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
)

var all = Rules{
	Holds: func(g enforce.Grant) bool { return g.Src.IsValid() },
	Lasts: func(enforce.Grant) bool { return true },
	Lost:  "a grant may be lost",
}

func grant(n byte, end time.Time) enforce.Grant {
	return enforce.Grant{Src: netip.AddrFrom4([4]byte{192, 0, 2, n}), All: true, Expires: end, Stanza: 3}
}

func opened(gs ...enforce.Grant) (rs []Record) {
	for _, g := range gs {
		rs = append(rs, Record{Open: &g})
	}
	return rs
}

// TestFails: what could not be written is an error, and a line that broke off spoils no
// other.
func TestFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, pending, _, err := Open(path, all)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Minute)
	good := j.f
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	j.f = readOnly
	if err := j.Add(pending, opened(grant(1, end))...); err == nil {
		t.Error("written to a file that is only read")
	}
	j.f = good
	good.WriteString(`{"open":{"Src`)
	if err := j.Add(pending, opened(grant(2, end))...); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j, pending, notes, err := Open(path, all)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, ok := pending[grant(2, end).Key()]; !ok || len(pending) != 1 || len(notes) != 1 {
		t.Errorf("pending %v, notes %q", pending, notes)
	}
}

// TestShared: what one process writes, the other reads, also after a compaction.
func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	one, two := Share(path, all), Share(path, all)
	ctx := t.Context()
	change := func(s *Shared, want int, records ...Record) {
		t.Helper()
		open, err := s.Lock(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Unlock()
		if len(open) != want {
			t.Errorf("%d open, want %d", len(open), want)
		}
		if err := s.Add(records...); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(time.Hour)
	change(one, 0, opened(grant(1, end), grant(2, end))...)
	change(two, 2, Record{Closed: grant(1, end).Key()})
	change(one, 1)
	for n := range 3 * compactLines {
		change(two, 1, opened(grant(2, end.Add(time.Duration(n))))...)
	}
	text, err := os.ReadFile(path)
	if lines := strings.Count(string(text), "\n"); err != nil || lines > compactLines+10 {
		t.Errorf("%d lines, %v", lines, err)
	}
	change(one, 1, Record{Closed: grant(2, end).Key()})
	change(two, 0)
}

// TestSharedWaits: a process that has the journal keeps others out until their deadline.
func TestSharedWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	one, two := Share(path, all), Share(path, all)
	if _, err := one.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*lockPause)
	defer cancel()
	if _, err := two.Lock(ctx); err == nil || !strings.Contains(err.Error(), "another process has it") {
		t.Errorf("locked twice: %v", err)
	}
	one.Unlock()
	if _, err := two.Lock(t.Context()); err != nil {
		t.Error(err)
	}
	two.Unlock()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Lock(t.Context()); err == nil {
		t.Error("a journal that others may write")
	}
}

func BenchmarkShared(b *testing.B) {
	s := Share(filepath.Join(b.TempDir(), "j"), all)
	for b.Loop() {
		if _, err := s.Lock(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := s.Add(opened(grant(1, time.Time{}))...); err != nil {
			b.Fatal(fmt.Errorf("add: %w", err))
		}
		s.Unlock()
	}
}

// TestReadAgainAfterAnError: what is in the file is read anew where the map may lack it.
func TestReadAgainAfterAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	s := Share(path, all)
	if _, err := s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+".new", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.j.lines = 1 << 20 // it is to be compacted, which fails
	g := grant(1, time.Time{})
	if err := s.Add(Record{Open: &g}); err == nil {
		t.Fatal("no error")
	}
	s.Unlock()
	open, err := s.Lock(t.Context())
	if err != nil || len(open) != 1 {
		t.Fatalf("%d grants, %v", len(open), err)
	}
	read := s.j.f // which cannot be read
	if s.j.f, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	read.Close()
	if err := s.load(); err == nil {
		t.Fatal("no error")
	}
	s.Unlock()
	if open, err = s.Lock(t.Context()); err != nil || len(open) != 1 {
		t.Fatalf("after a file that could not be read: %d grants, %v", len(open), err)
	}
	s.Unlock()
}

// TestAddBesideMany: to add a grant copies none of those that are open.
func TestAddBesideMany(t *testing.T) {
	s := Share(filepath.Join(t.TempDir(), "j"), all)
	if _, err := s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	many := make([]Record, 2000)
	for i := range many {
		g := grant(1, time.Time{})
		g.Src = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		many[i] = Record{Open: &g}
	}
	if err := s.Add(many...); err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(10, func() {
		if err := s.Add(many[0]); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 100 || len(s.Grants()) != len(many) {
		t.Errorf("%v allocations for one of %d grants", allocs, len(s.Grants()))
	}
}

// BenchmarkSharedMany adds a grant beside so many, one by one while it is locked.
func BenchmarkSharedMany(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := Share(filepath.Join(b.TempDir(), "j"), all)
			if _, err := s.Lock(b.Context()); err != nil {
				b.Fatal(err)
			}
			defer s.Unlock()
			many := make([]Record, n)
			for i := range many {
				g := grant(1, time.Time{})
				g.Src = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
				many[i] = Record{Open: &g}
			}
			if err := s.Add(many...); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := s.Add(many[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
