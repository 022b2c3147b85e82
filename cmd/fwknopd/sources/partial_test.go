package sources

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fwknopd/fingerprint"
	"fwknopd/fixtures/short"
	"fwknopd/parse"
)

// partialOf returns what a Counter with some SYNs writes, as another process would: with a matcher of
// its own.
func partialOf(t testing.TB, opt Options, about string, count func(*Counter)) []byte {
	t.Helper()
	opt.Matcher = fingerprint.NewMatcher(fingerprint.Default(), fingerprint.DefaultMaxHops)
	c := New(opt)
	defer c.Close()
	count(c)
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.WritePartial(&out, []byte(about)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Partials merged in order give what one Counter counts, whether they fit into memory or not.
func TestPartialsChangeNothing(t *testing.T) {
	short.Skip(t)
	for _, sources := range []int{20, 3000, 20000} {
		for _, storage := range []bool{false, true} {
			t.Run(fmt.Sprint(sources, storage), func(t *testing.T) {
				open := 0
				opt := Options{Matcher: matcher, Unmatched: true, Detail: true}
				whole := New(opt)
				if storage {
					opt.Storage = memoryStorage(&open)
				}
				total := New(opt)
				r := rand.New(rand.NewPCG(3, uint64(sources)))
				for part := range 5 {
					about := fmt.Sprint("part ", part)
					partial := partialOf(t, opt, about, func(c *Counter) {
						for range 8000 {
							countTunnelled(r, sources, whole, c)
						}
					})
					got := ""
					err := total.MergePartial(bytes.NewReader(partial), func(about []byte) error { got = string(about); return nil })
					if err != nil || got != about {
						t.Fatalf("%q, %v", got, err)
					}
				}
				for _, c := range []*Counter{whole, total} {
					if err := c.Finish(); err != nil {
						t.Fatal(err)
					}
				}
				if d := cmp.Diff(rowsOf(t, whole), rowsOf(t, total)); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(whole.Totals(), total.Totals()); d != "" {
					t.Error(d)
				}
				want, got := detailOf(whole), detailOf(total)
				if d := cmp.Diff(want.Kinds, got.Kinds); d != "" {
					t.Error(d)
				}
				for i, ports := range want.Ports {
					if exact := "false"; len(want.Ports) < MaxWithPorts && strings.HasSuffix(ports, exact) && got.Ports[i] != ports {
						t.Errorf("ports of source %d: %s, want %s", i, got.Ports[i], ports)
					}
				}
				if total.Close(); open != 0 {
					t.Errorf("%d files are open", open)
				}
			})
		}
	}
}

// detail is what a Counter with Detail has besides the rows.
type detail struct {
	Kinds map[string]uint64
	Ports []string // of each source
}

func detailOf(c *Counter) detail {
	d := detail{Kinds: make(map[string]uint64)}
	for k, n := range c.Kinds() {
		name := ""
		if sig := c.Signature(k); sig != nil {
			name = sig.Text
		}
		d.Kinds[name] += n
	}
	for s := range c.All() {
		ports, more := s.Ports()
		d.Ports = append(d.Ports, fmt.Sprint(ports, more))
	}
	return d
}

// countTunnelled counts a random SYN, some of them in tunnels, with each counter.
func countTunnelled(r *rand.Rand, sources int, counters ...*Counter) {
	ev, vxlan := randomSYN(r, sources), r.IntN(40)
	for _, c := range counters {
		if vxlan < 3 {
			path := c.table.path(parse.TunnelPath{{Kind: parse.VXLAN, Numbered: true, Number: uint32(vxlan)}, {Kind: parse.GRE}})
			c.table.add(ev.Src.Addr(), ev.Time, noResult, 22, path)
		} else {
			c.Count(ev)
		}
	}
}

// anything accepts all that goes with a partial.
func anything([]byte) error { return nil }

func smallPartial(t testing.TB) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	return partialOf(t, Options{Unmatched: true, Detail: true}, `{"records":3}`, func(c *Counter) {
		for range 200 {
			countTunnelled(r, 30, c)
		}
	})
}

// A partial with any byte changed, cut short or continued is refused, and nothing of it is added.
func TestDamagedPartial(t *testing.T) {
	short.Skip(t)
	sound := smallPartial(t)
	refuse := func(what string, b []byte) {
		t.Helper()
		c := New(Options{Matcher: matcher, Unmatched: true, Detail: true})
		if err := c.MergePartial(bytes.NewReader(b), anything); !errors.Is(err, ErrPartial) {
			t.Errorf("%s: error %v", what, err)
		}
		if err := c.Finish(); err != nil || c.Totals() != (Totals{}) || len(c.matched)+len(c.unmatched) > 0 || c.untold > 0 {
			t.Errorf("%s: %+v counted, error %v", what, c.Totals(), err)
		}
	}
	for i := range sound {
		b := bytes.Clone(sound)
		b[i] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("byte %d", i), b)
		if i%7 == 0 {
			refuse(fmt.Sprintf("%d bytes", i), sound[:i])
		}
	}
	refuse("one byte more", append(bytes.Clone(sound), 0))
	plain := New(Options{Matcher: matcher, Unmatched: true})
	if err := plain.MergePartial(bytes.NewReader(sound), anything); !errors.Is(err, ErrPartial) {
		t.Errorf("detail that was not asked for: error %v", err)
	}
}

// FuzzPartial: bytes that no Counter wrote are refused, whatever their checksum, or merged into sound
// sources.
func FuzzPartial(f *testing.F) {
	f.Add(smallPartial(f)[len(partialMagic):])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, items []byte) {
		c := New(Options{Matcher: matcher, Unmatched: true, Detail: true})
		b := append([]byte(partialMagic), items[:max(0, len(items)-sumSize)]...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		if err := c.MergePartial(bytes.NewReader(b), anything); err != nil && !errors.Is(err, ErrPartial) {
			t.Fatal(err)
		}
		rows := finished(t, c)
		var again bytes.Buffer
		if err := c.WritePartial(&again, nil); err != nil {
			t.Fatal(err)
		}
		second := New(Options{Matcher: matcher, Unmatched: true, Detail: true})
		if err := second.MergePartial(bytes.NewReader(again.Bytes()), anything); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rows, finished(t, second)); d != "" {
			t.Error(d)
		}
	})
}

func finished(t *testing.T, c *Counter) []counted {
	t.Helper()
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	return rowsOf(t, c)
}

// What goes with a partial may be refused before anything is added.
func TestRefusedPartial(t *testing.T) {
	c, refused := New(Options{Matcher: matcher, Unmatched: true, Detail: true}), errors.New("not wanted")
	if err := c.MergePartial(bytes.NewReader(smallPartial(t)), func([]byte) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if rows := finished(t, c); len(rows) > 0 {
		t.Errorf("%d sources", len(rows))
	}
}
