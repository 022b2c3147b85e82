package fingerprint

import (
	"encoding/binary"
	"testing"

	"fwknopd/parse"
)

// linuxSYN is what a kernel since 4.20 sends over Ethernet.
func linuxSYN() *parse.Event {
	return newSYN(64240, 57, true, []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7})
}

// shapes returns n SYNs of different shapes.
func shapes(n int) []*parse.Event {
	list := make([]*parse.Event, n)
	for i := range list {
		ev := linuxSYN()
		ev.Window = uint16(i)
		ev.TTL = 64 - uint8(i>>16)
		list[i] = ev
	}
	return list
}

func TestMatchAllocatesNothing(t *testing.T) {
	m := NewMatcher(Default(), DefaultMaxHops)
	events := append(readLog(t, "os/nearmiss.log"), shapes(1000)...)
	text := make([]byte, 0, 256)
	var ids int
	step := func() {
		for _, ev := range events {
			if ev == nil {
				continue
			}
			text = AppendSignature(text[:0], ev)
			ids += int(m.MatchID(ev))
		}
	}
	step() // meets every combination once
	m.cache = newShapeCache(cacheMaxBits)
	if n := testing.AllocsPerRun(1, func() { clear(m.cache.sets); step() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if ids == 0 {
		t.Error("nothing matched")
	}
}

// One system's SYNs: they differ in their time stamps alone.
func BenchmarkMatchIDKnown(b *testing.B) {
	m := NewMatcher(Default(), DefaultMaxHops)
	var events [64]*parse.Event
	for i := range events {
		events[i] = linuxSYN()
		events[i].ID = uint16(20011 + 7*i) // 1 is Scapy's
		binary.BigEndian.PutUint32(events[i].Options()[8:], uint32(i+1))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.MatchID(events[i%len(events)])
		i++
	}
}

// Every shape is new: the price of a flood of forged ones.
func BenchmarkMatchIDUnknown(b *testing.B) {
	m, ev := NewMatcher(Default(), DefaultMaxHops), linuxSYN()
	b.ReportAllocs()
	for b.Loop() {
		if ev.Window++; ev.Window == 0 {
			ev.ID, ev.Urgent = ev.ID+1, ev.Urgent+1
			ev.Len++
		}
		m.MatchID(ev)
	}
}

// 19,000 shapes in turn, as in the log of a busy border.
func BenchmarkMatchIDBorder(b *testing.B) {
	m, events := NewMatcher(Default(), DefaultMaxHops), shapes(19000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.MatchID(events[i%len(events)])
		i++
	}
}

func BenchmarkMatchNoCache(b *testing.B) {
	m, ev := NewMatcher(Default(), DefaultMaxHops), linuxSYN()
	b.ReportAllocs()
	for b.Loop() {
		m.match(ev)
	}
}

func BenchmarkAppendSignature(b *testing.B) {
	ev, dst := linuxSYN(), make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendSignature(dst[:0], ev)
	}
}

func BenchmarkNearest(b *testing.B) {
	m, ev := NewMatcher(Default(), DefaultMaxHops), linuxSYN()
	ev.TTL = 250
	ev.Window = 1
	b.ReportAllocs()
	for b.Loop() {
		m.Nearest(ev)
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(builtinFileName, builtinFile); err != nil {
			b.Fatal(err)
		}
	}
}
