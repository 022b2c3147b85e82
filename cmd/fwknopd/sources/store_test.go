package sources

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fwknopd/fingerprint"
	"fwknopd/fixtures/short"
	"fwknopd/parse"
)

// memoryFile is a File in memory that counts those that are open.
type memoryFile struct {
	bytes.Buffer
	open *int
}

func (f *memoryFile) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(f.Bytes()).ReadAt(p, at)
}

func (f *memoryFile) Close() error {
	*f.open--
	return nil
}

// memoryStorage is a storage for counters that hold no more than a chunk of sources.
func memoryStorage(open *int) Storage {
	return Storage{Memory: 1, Create: func() (File, error) {
		*open++
		return &memoryFile{open: open}, nil
	}}
}

var matcher = fingerprint.NewMatcher(fingerprint.Default(), fingerprint.DefaultMaxHops)

// randomSYN returns a SYN of one of n sources, of one of many kinds.
func randomSYN(r *rand.Rand, n int) *parse.Event {
	src := netip.AddrFrom4([4]byte{10, byte(r.IntN(n) >> 8), byte(r.IntN(n)), 1})
	if r.IntN(4) == 0 {
		src = v6(uint64(r.IntN(n)), 7)
	}
	ev := &parse.Event{
		Time: t0.Add(time.Duration(r.IntN(1e6)) * time.Millisecond), Proto: parse.TCP, Flags: parse.SYN,
		Src: netip.AddrPortFrom(src, 40000), Dst: netip.AddrPortFrom(a1, uint16(r.IntN(9))),
		Len: 60, TTL: 55, DF: true, ID: 7, Window: []uint16{64240, 65535, uint16(1000 + r.IntN(20))}[r.IntN(3)],
	}
	if r.IntN(10) == 0 {
		ev.Time = time.Time{}
	}
	if r.IntN(8) > 0 {
		ev.SetOptions([]byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7})
	}
	return ev
}

// counted is a row of a report.
type counted struct {
	Source, Tunnel, Signatures, Unknowns string
	SYNs, Omitted                        uint32
	Granted, Refused                     uint64
	First, Last                          time.Time
}

func rowsOf(t *testing.T, c *Counter) (rows []counted) {
	t.Helper()
	for s := range c.All() {
		granted, refused := s.Decisions()
		row := counted{
			Source: s.Addr().String(), Tunnel: s.Tunnel(), SYNs: s.SYNs(), Omitted: s.Omitted(), Granted: granted, Refused: refused,
			Signatures: fmt.Sprint(s.Signatures()), Unknowns: fmt.Sprint(s.Unknowns()),
		}
		row.First, row.Last, _ = s.Seen()
		rows = append(rows, row)
	}
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// Counters with storage, of several parts, count what one without storage does.
func TestStorageChangesNothing(t *testing.T) {
	short.Skip(t)
	for _, sources := range []int{20, 3000, 40000} {
		t.Run(fmt.Sprint(sources), func(t *testing.T) {
			open := 0
			opt := Options{Matcher: matcher, Unmatched: true, Detail: true}
			whole := New(opt)
			opt.Storage = memoryStorage(&open)
			const parts, each = 7, 30000
			r := rand.New(rand.NewPCG(1, uint64(sources)))
			var total *Counter
			for range parts {
				part := New(opt)
				for range each {
					ev := randomSYN(r, sources)
					granted, vxlan := r.IntN(20)/19, r.IntN(40)
					for _, c := range []*Counter{whole, part} {
						if vxlan < 3 {
							path := c.table.path(parse.TunnelPath{{Kind: parse.VXLAN, Numbered: true, Number: uint32(vxlan)}})
							c.table.add(ev.Src.Addr(), ev.Time, noResult, 22, path)
						} else {
							c.Count(ev)
						}
						if granted > 0 {
							c.Decided(ev.Src.Addr(), ev.Time, parse.Port{Proto: parse.TCP, Number: 22}, granted, 0)
						}
					}
				}
				part.Flush()
				if total == nil {
					total = part
				} else {
					total.Merge(part)
				}
			}
			for _, c := range []*Counter{whole, total} {
				if err := c.Finish(); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(rowsOf(t, whole), rowsOf(t, total)); d != "" {
				t.Error(d[:min(len(d), 2000)])
			}
			if d := cmp.Diff(whole.Totals(), total.Totals()); d != "" {
				t.Error(d)
			}
			if (open > 0) != (sources > chunk) {
				t.Errorf("%d files for %d sources", open, sources)
			}
			total.Close()
			if open != 0 {
				t.Errorf("%d files are still open", open)
			}
		})
	}
}

// Ports are those of a counter without storage where that has room for all sources.
func TestStorageKeepsPorts(t *testing.T) {
	open := 0
	opt := Options{Matcher: matcher, Unmatched: true, Detail: true}
	whole := New(opt)
	opt.Storage = memoryStorage(&open)
	stored := New(opt)
	defer stored.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for range 40000 {
		ev := randomSYN(r, 1500)
		whole.Count(ev)
		stored.Count(ev)
	}
	var got [2][]string
	for i, c := range []*Counter{whole, stored} {
		if err := c.Finish(); err != nil {
			t.Fatal(err)
		}
		for s := range c.All() {
			ports, more := s.Ports()
			got[i] = append(got[i], fmt.Sprint(s.Addr(), s.Tunnel(), len(ports), more))
		}
	}
	if open == 0 {
		t.Error("nothing is in files")
	}
	if d := cmp.Diff(got[0], got[1]); d != "" {
		t.Error(d[:min(len(d), 2000)])
	}
}

// So many runs are merged that few files are open.
func TestFewFilesAreOpen(t *testing.T) {
	open, most := 0, 0
	storage := memoryStorage(&open)
	create := storage.Create
	storage.Create = func() (File, error) {
		most = max(most, open+1)
		return create()
	}
	c := New(Options{Matcher: matcher, Storage: storage})
	defer c.Close()
	const sources = 4 * maxRuns * chunk
	for n := range uint64(sources) {
		c.table.add(v6(n, 1), time.Time{}, 0, 22, 0)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for s := range c.All() {
		if want := v6(n, 1); s.Addr() != want {
			t.Fatalf("source %d is %v, want %v", n, s.Addr(), want)
		}
		n++
	}
	if n != sources || c.Totals().Sources != sources || most > 3*maxRuns {
		t.Errorf("%d sources, %d counted; up to %d files", n, c.Totals().Sources, most)
	}
}

// badFile fails to write, or returns other bytes than were written.
type badFile struct {
	File
	write error
	read  func([]byte)
}

func (f *badFile) Write(p []byte) (int, error) {
	if f.write != nil {
		return 0, f.write
	}
	return f.File.Write(p)
}

func (f *badFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	if f.read != nil {
		f.read(p[:n])
	}
	return n, err
}

func TestStorageFails(t *testing.T) {
	full := errors.New("no space left on device")
	for name, test := range map[string]struct {
		file badFile
		make error
		want error
	}{
		"no file":   {make: full, want: full},
		"full disk": {file: badFile{write: full}, want: full},
		"cut":       {file: badFile{read: func(b []byte) { clear(b) }}, want: errDamaged},
		"flipped":   {file: badFile{read: func(b []byte) { b[0] ^= 0xff }}, want: errDamaged},
	} {
		open := 0
		storage := memoryStorage(&open)
		create := storage.Create
		storage.Create = func() (File, error) {
			if test.make != nil {
				return nil, test.make
			}
			f, err := create()
			bad := test.file
			bad.File = f
			return &bad, err
		}
		c := New(Options{Matcher: matcher, Storage: storage})
		for n := range uint64(3 * chunk) {
			c.table.add(v6(n, 1), time.Time{}, 0, 22, 0)
		}
		if err := c.Finish(); !errors.Is(err, test.want) || !errors.Is(c.Err(), test.want) {
			t.Errorf("%s: error %v, then %v", name, err, c.Err())
		}
		c.Close()
		if open != 0 {
			t.Errorf("%s: %d files are still open", name, open)
		}
	}
}

// A record reads back as it was written, and other bytes are an error at most.
func FuzzRecord(f *testing.F) {
	full := record{key: a2.As16(), order: 1 << 40, first: -1, last: noTime, syns: 3, tunnel: 9, results: []int32{0, 5, -3, 1 << 20}, omitted: 2, decided: decided{1, 2}, votes: 7}
	full.ports.add(keyOf(tcp(22)), 3)
	f.Add((&record{}).appendTo(nil))
	f.Add(full.appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again record
		if len(b) < lengthSize || r.decode(b[lengthSize:]) != nil {
			return
		}
		if err := again.decode(r.appendTo(nil)[lengthSize:]); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again, cmp.AllowUnexported(record{}, decided{}, portCounts{})); d != "" {
			t.Error(d)
		}
	})
}

var _ io.ReaderAt = (*memoryFile)(nil)
