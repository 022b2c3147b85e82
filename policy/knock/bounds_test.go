package knock

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"fwknopd/fixtures/short"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// address returns the n-th of many sources.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

func TestSourcesBounded(t *testing.T) {
	const room = 100
	tr := New(Options{Stanzas: []conf.Stanza{shared("tcp/1 tcp/2"), shared("tcp/1 tcp/3")}, MaxSources: room})
	var w wire
	for n := range 1000 {
		ev := w.packet("tcp/1")
		ev.Src = netip.AddrPortFrom(address(n), uint16(n))
		tr.Step(ev.Time, ev, nil)
		if tr.sources.len() > room || tr.attempts > room {
			t.Fatalf("%d sources, %d attempts", tr.sources.len(), tr.attempts)
		}
	}
	held := 0
	tr.sources.each(func(_ netip.Addr, s *source) { held += len(s.attempts) })
	if held != tr.attempts || held != room {
		t.Errorf("%d attempts held, %d counted", held, tr.attempts)
	}
	if got := tr.Counts().Evicted; got != 1000-room/2 {
		t.Errorf("%d evicted", got)
	}
	expect(t, play(tr, address(999).String()+" tcp/2"), "1 knock.granted 10.0.3.231 tcp/22 5m0s\n1 knock.wrong_port")
	expect(t, play(tr, address(1).String()+" tcp/2"), "")
}

// The oldest goes, not the one that is busy.
func TestOldestOut(t *testing.T) {
	tr := New(Options{Stanzas: []conf.Stanza{shared("tcp/1 tcp/2 tcp/3")}, MaxSources: 2})
	expect(t, play(tr, "tcp/1", "192.0.2.8 tcp/1", "tcp/2", "192.0.2.9 tcp/1", "tcp/3", "192.0.2.8 tcp/2"), "5 "+opened)
}

func TestLRU(t *testing.T) {
	l := newLRU[int, int](3)
	for i := range 3 {
		*l.add(i) = i
	}
	l.touch(0)
	*l.add(3) = 3
	var keys []int
	l.each(func(k int, v *int) { keys = append(keys, k) })
	if !slices.Equal(keys, []int{2, 0, 3}) || l.evicted != 1 || l.find(1) != nil || *l.find(2) != 2 || *l.oldest() != 2 {
		t.Errorf("%v, %d evicted", keys, l.evicted)
	}
	if newLRU[int, int](1).oldest() != nil {
		t.Error("the oldest of none")
	}
}

// hundred are a hundred sequences on high ports.
func hundred() []conf.Stanza {
	var all []conf.Stanza
	for i := range 99 {
		all = append(all, shared(fmt.Sprintf("tcp/%d udp/%d tcp/%d", 40000+i, 41000+i, 42000+i)))
	}
	return append(all, encrypted("key"))
}

// crowd returns a Tracker on which n sources have each begun a sequence.
func crowd(n int) *Tracker {
	tr := New(Options{Stanzas: hundred(), MaxSources: n})
	var w wire
	for i := range n {
		ev := w.packet(fmt.Sprintf("tcp/%d", 40000+i%99))
		ev.Src = netip.AddrPortFrom(address(i), 1)
		tr.Step(ev.Time, ev, nil)
	}
	return tr
}

// A packet that concerns no sequence costs no memory; nor does
// one that begins a sequence when the table is full.
func TestNoAllocations(t *testing.T) {
	tr := crowd(2000)
	var w wire
	out := make([]Result, 0, 8)
	for _, c := range []string{
		"203.0.113.1 tcp/80", "203.0.113.1 udp/53", "203.0.113.1 icmp", "203.0.113.1 tcp/41000",
		"203.0.113.1 icmp type=3", "203.0.113.1 tcp/80 forged", "2001:db8::1 tcp/443",
		"10.0.0.9 tcp/41000", // known, but not its next: ended once, then at rest
	} {
		ev := w.packet(c)
		if n := testing.AllocsPerRun(100, func() { out = tr.Step(ev.Time, ev, out[:0]) }); n != 0 {
			t.Errorf("%s: %v allocations", c, n)
		}
	}
	i := 1 << 20
	begin := w.packet("tcp/40000")
	if n := testing.AllocsPerRun(1000, func() {
		i++
		begin.Src = netip.AddrPortFrom(address(i), 1)
		out = tr.Step(begin.Time, begin, out[:0])
	}); n != 0 {
		t.Errorf("a flood of first knocks: %v allocations each", n)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name, packet string
		known        bool
	}{
		{"port of no sequence", "tcp/80", false},
		{"port of no sequence, source under way", "tcp/80", true},
		{"first knock of a flood", "tcp/40007", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := crowd(defaultMaxSources)
			var w wire
			evs := make([]*parse.Event, 50000)
			for i := range evs {
				evs[i] = w.packet(c.packet)
				src := address(1<<20 + i)
				if c.known {
					src = address(i % defaultMaxSources)
				}
				evs[i].Src = netip.AddrPortFrom(src, 1)
			}
			var out []Result
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				ev := evs[i%len(evs)]
				out = tr.Step(ev.Time, ev, out[:0])
			}
		})
	}
}

// The default bound takes as much memory as its comment has it.
func TestMemoryOfAFullTable(t *testing.T) {
	short.Skip(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tr := New(Options{Stanzas: hundred()})
	ev := new(wire).packet("tcp/40000")
	for i := range 4 * defaultMaxSources {
		ev.Src = netip.AddrPortFrom(address(i), 1)
		tr.Step(ev.Time, ev, nil)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := (after.HeapAlloc - before.HeapAlloc) >> 20; got > 20 || tr.attempts != defaultMaxSources {
		t.Errorf("%d MiB for %d attempts", got, tr.attempts)
	} else {
		t.Logf("%d MiB", got)
	}
	runtime.KeepAlive(tr)
}
