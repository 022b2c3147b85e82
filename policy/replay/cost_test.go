package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fwknopd/fixtures/short"
)

const million = 1_000_000

// cache is a cache of the 2.6 daemon with n lines.
func cache(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		key := sha256.Sum256(fmt.Appendf(nil, "%d", i))
		fmt.Fprintf(&b, "%s 17 100.65.%d.%d 40000 10.10.10.10 62201 1700000000\n", b64(key[:]), i>>8&255, i&255)
	}
	return b.Bytes()
}

func TestMemoryAtAMillion(t *testing.T) {
	short.Skip(t)
	text := cache(million)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := NewMemory(Options{})
	if err := m.Load(bytes.NewReader(text), "old"); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if m.Len() != million {
		t.Fatalf("%d records", m.Len())
	}
	got := (after.HeapAlloc - before.HeapAlloc) >> 20
	t.Logf("%d MiB held at %d records", got, million)
	if got > 60 {
		t.Errorf("%d MiB held at %d records, want at most 60", got, million)
	}
	runtime.KeepAlive(text)
	runtime.KeepAlive(m)
}

func TestLookupDoesNotAllocate(t *testing.T) {
	m := NewMemory(Options{})
	add(t, m, packet(1, t0))
	known, unknown := packet(1, t0), packet(2, t0)
	if n := testing.AllocsPerRun(100, func() { m.Seen(known); m.Seen(unknown) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAdd is of fresh messages: among records of our own, and among those of a
// 2.6 cache, which are looked up by the text on the wire as well.
func BenchmarkAdd(b *testing.B) {
	for name, fill := range map[string]func(*Memory, int) error{
		"own": func(m *Memory, n int) error {
			for i := range n {
				m.Add(packet(i, t0))
			}
			return nil
		},
		"old": func(m *Memory, n int) error { return m.Load(bytes.NewReader(cache(n)), "old") },
	} {
		for _, n := range []int{0, 10_000, million} {
			b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) {
				m := NewMemory(Options{})
				if err := fill(m, n); err != nil {
					b.Fatal(err)
				}
				p := packet(n, t0)
				b.ReportAllocs()
				for i := uint64(0); b.Loop(); i++ {
					binary.BigEndian.PutUint64(p.Plaintext, i) // another message
					if _, fresh, err := m.Add(p); !fresh || err != nil {
						b.Fatal(fresh, err)
					}
				}
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	text := cache(100_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m := NewMemory(Options{})
		if err := m.Load(bytes.NewReader(text), "old"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/line")
}

func BenchmarkJournal(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("commit of %d", batch), func(b *testing.B) {
			dir := b.TempDir()
			store, err := openBoth(filepath.Join(dir, "digest.cache"), Options{State: filepath.Join(dir, "digest.state")})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			j, i := store.Replica, 0
			store.now = t0
			for b.Loop() {
				i++
				if _, fresh, err := j.Add(packet(i, t0)); !fresh || err != nil {
					b.Fatal(fresh, err)
				}
				if i%batch == 0 {
					if err := j.Sync(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// A file with any content opens and takes a message, and both that message
// and every digest line of the file are known after the next opening.
func FuzzOpen(f *testing.F) {
	key := sha256.Sum256(packet(1, t0).Plaintext)
	f.Add([]byte(header))
	f.Add(append([]byte(header), appendLine(nil, t0, &Record{Key: key, Wire: key, Sent: t0.Unix()})...))
	f.Add([]byte("10.77.0.2 " + b64(key[:]) + " [Tue Nov 14 22:13:25 2023]"))
	f.Add([]byte(b64(key[:]) + " 17 10.77.0.2 57300 10.77.0.1 62201 1700000005\n\x00\x00"))
	f.Add([]byte(horizonMark + "2023-11-14T22:13:20.000000Z\n"))
	f.Add([]byte(strings.Repeat("A", 100<<10)))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "digest.cache")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		opts := aging
		opts.Now = time.Now()
		j, err := openBoth(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		p := packet(99, time.Now())
		_, fresh, err := j.Add(p)
		if err == nil && !fresh {
			t.Fatal("a message that was not recorded is known")
		}
		n := j.Len()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if j, err = openBoth(path, opts); err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if _, again, _ := j.Add(p); again || j.Len() != n {
			t.Fatalf("fresh again: %v; %d records, had %d", again, j.Len(), n)
		}
	})
}

// What goes in comes out, as far as 16 bytes reach.
func TestPacking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		r := record{
			seen: rapid.Int64Range(-seenLimit, seenLimit).Draw(t, "seen"),
			keep: rapid.SampledFrom([]int64{0, 1, 1700000000, math.MaxUint32 - 1, forever}).Draw(t, "keep"),
			id:   0x0102030405060708,
			src: rapid.SampledFrom([][16]byte{{}, netip.MustParseAddr("192.0.2.255").As16(),
				netip.MustParseAddr("2001:db8::7").As16(), netip.MustParseAddr("::1").As16()}).Draw(t, "src"),
		}
		for range 3 {
			e := tab.pack(&r)
			if got := tab.unpack(r.id, e); got != r {
				t.Fatalf("%+v, want %+v", got, r)
			}
		}
	})
	for _, extreme := range []record{{keep: -5, seen: math.MinInt64}, {keep: math.MaxUint32 + 5, seen: math.MaxInt64}} {
		var tab table
		e := tab.pack(&extreme)
		if got := tab.unpack(extreme.id, e); got.keep < extreme.keep {
			t.Errorf("%+v is kept until %d only", extreme, got.keep)
		}
	}
}
