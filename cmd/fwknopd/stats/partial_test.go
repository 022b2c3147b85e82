package stats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fixtures/short"
	"fwknopd/parse"
)

// seed is that of the Stats of other processes.
var seed = [2]uint64{0x9e3779b97f4a7c15, 0xd6e8feb86659fd93}

func seeded() *Stats {
	s := newStats()
	s.UseSeed(seed)
	return s
}

// partialOf returns what Stats write that have counted packets.
func partialOf(t testing.TB, about string, events []*parse.Event) []byte {
	t.Helper()
	s := seeded()
	for _, ev := range events {
		s.Event(ev)
	}
	if err := s.Finish(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.WritePartial(&b, []byte(about)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func anything([]byte) error { return nil }

// Partials merged in order give what one process counts, also where a timeline becomes wider and there
// are more pairs than are kept.
func TestPartialsChangeNothing(t *testing.T) {
	short.Skip(t)
	events := traffic(6000)
	for i := range 40_000 {
		ev := syn(source(i%1000), t0.Add(time.Duration(i)*time.Hour), uint16(i%43), 64240)
		events = append(events, ev)
	}
	whole, total := seeded(), seeded()
	for _, ev := range events {
		whole.Event(ev)
	}
	const each = 2300
	for i := 0; i < len(events); i += each {
		got := ""
		partial := partialOf(t, "about", events[i:min(i+each, len(events))])
		if err := total.MergePartial(bytes.NewReader(partial), func(about []byte) error { got = string(about); return nil }); err != nil || got != "about" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if !whole.ports.pairs.estimated() {
		t.Error("all pairs are kept")
	}
	if d := cmp.Diff(summaryOf(whole, About{}), summaryOf(total, About{})); d != "" {
		t.Error(d)
	}
}

// Decisions have no partial.
func TestNoPartialOfDecisions(t *testing.T) {
	s := seeded()
	s.Decision(entry("granted", source(1), t0, time.Minute))
	if err := s.WritePartial(new(bytes.Buffer), nil); err == nil {
		t.Error("written")
	}
}

// FuzzPortion: what goes with the sources and that no Stats wrote is refused, or is taken as it would be written.
func FuzzPortion(f *testing.F) {
	whole := seeded()
	for _, ev := range traffic(100) {
		whole.Event(ev)
	}
	sound, err := codec.Encode(nil, whole.portion([]byte("about")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		var p portion
		if p.decode(text) != nil {
			return
		}
		first, second := seeded(), seeded()
		first.add(&p)
		text, err := codec.Encode(nil, first.portion(nil))
		if err != nil {
			t.Fatal(err)
		}
		var again portion
		if err := again.decode(text); err != nil {
			t.Fatal(err)
		}
		second.add(&again)
		want, got := first.portion(nil), second.portion(nil)
		slices.Sort(want.Pairs)
		slices.Sort(got.Pairs)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// A partial that was damaged, or whose portion is none, adds nothing.
func TestDamagedPartial(t *testing.T) {
	short.Skip(t)
	sound := partialOf(t, "about", traffic(50))
	refuse := func(what string, b []byte) {
		t.Helper()
		s := seeded()
		if err := s.MergePartial(bytes.NewReader(b), anything); !errors.Is(err, sources.ErrPartial) {
			t.Errorf("%s: error %v", what, err)
		}
		if d := cmp.Diff(seeded().portion(nil), s.portion(nil)); d != "" {
			t.Error(d)
		}
	}
	for i := 0; i < len(sound); i += 17 {
		b := bytes.Clone(sound)
		b[i] ^= 1
		refuse(fmt.Sprintf("byte %d", i), b)
	}
	c := newStats().sources
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	good := portion{Width: 1}
	for what, change := range map[string]func(*portion){
		"a place beyond the last":      func(p *portion) { p.Ports = []portCount{{portPlaces, 1}} },
		"a place twice":                func(p *portion) { p.Ports = []portCount{{22, 1}, {0, 1}} },
		"no records":                   func(p *portion) { p.Ports = []portCount{{22, 0}} },
		"a pair without a place":       func(p *portion) { p.Pairs = []uint64{1 << placeBits} },
		"a pair that is not sampled":   func(p *portion) { p.Pairs, p.Zeros = []uint64{1<<63 | 1}, 1 },
		"more zeros than a pair has":   func(p *portion) { p.Zeros = 60 },
		"a width that is none":         func(p *portion) { p.Width = 2 },
		"a bucket between others":      func(p *portion) { p.Width, p.From, p.To, p.Buckets = 5, t0, t0, []bucketCount{{Start: 3}} },
		"buckets that run back":        func(p *portion) { p.From, p.To, p.Buckets = t0, t0, []bucketCount{{Start: 3}, {Start: 2}} },
		"an end in front of its start": func(p *portion) { p.From, p.To = t0, t0.Add(-1) },
	} {
		p := good
		change(&p)
		text, err := codec.Encode(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := c.WritePartial(&b, text); err != nil {
			t.Fatal(err)
		}
		refuse(what, b.Bytes())
	}
}
