package sources

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"fwknopd/parse"
)

func tcp(n uint16) parse.Port { return parse.Port{Proto: parse.TCP, Number: n} }

func withPorts() *table {
	t := newTable()
	t.ports = &portTable{}
	return t
}

func portsOf(t *table, i int) string {
	ports, more := t.ports.list(i)
	return fmt.Sprint(ports, more)
}

func TestPortCountsAreOneCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(portCounts{}); n != 64 {
		t.Errorf("%d bytes", n)
	}
}

func TestPortsOfSource(t *testing.T) {
	u := withPorts()
	for i := range 100 {
		u.add(a1, t0, 0, 22, 0)
		if i%3 == 0 {
			u.add(a1, t0, 0, 80, 0)
		}
		u.add(a2, t0, 0, uint16(1000+i), 0) // scans
		if i%3 == 0 {
			u.add(a2, t0, 0, 443, 0)
		}
	}
	u.flush()
	if got := portsOf(u, 0); got != "[tcp/22 tcp/80] false" {
		t.Errorf("a1: %s", got)
	}
	ports, more := u.ports.list(1)
	if len(ports) != portsOfSource || ports[0] != tcp(443) || !more {
		t.Errorf("a2: %v, more %v", ports, more)
	}
}

// Merged counts are those of one pass.
func TestPortsMerge(t *testing.T) {
	whole, left, right := withPorts(), withPorts(), withPorts()
	for i := range 300 {
		part := left
		if i >= 100 {
			part = right
		}
		for _, u := range []*table{whole, part} {
			u.add([]netip.Addr{a1, a2, a3}[i%3], t0, 0, uint16(i%5), 0)
		}
	}
	whole.flush()
	left.merge(right, same)
	for i := range whole.n {
		if portsOf(left, i) != portsOf(whole, i) {
			t.Errorf("source %d: %s, want %s", i, portsOf(left, i), portsOf(whole, i))
		}
	}
}

// Of more sources than there are places, one that sends much keeps its own.
func TestAttackForgedSourcesLeaveTheBusyOne(t *testing.T) {
	u := withPorts()
	for n := range uint64(MaxSources + 1000) {
		u.add(v6(n, 1), time.Time{}, 0, 9, 0)
		if n > MaxWithPorts && n%64 == 0 {
			u.add(a1, time.Time{}, 0, 22, 0)
		}
	}
	u.flush()
	key := a1.As16()
	if got := portsOf(u, u.findOrAdd(key, 0, hash(&key, 0))); got != "[tcp/22] false" {
		t.Errorf("got %s", got)
	}
}

func TestDecided(t *testing.T) {
	c := New(Options{Detail: true})
	c.Decided(a1, t0, tcp(22), 1, 0)
	c.Decided(a1, t0.Add(time.Minute), parse.Port{Proto: parse.UDP, Number: 62201}, 0, 2)
	o := New(Options{Detail: true})
	o.Decided(a1, t0, tcp(22), 0, 1)
	c.Merge(o)
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	var granted, refused uint64
	var ports []parse.Port
	for s := range c.All() {
		granted, refused = s.Decisions()
		ports, _ = s.Ports()
	}
	if granted != 1 || refused != 3 || !slices.Equal(ports, []parse.Port{tcp(22), {Proto: parse.UDP, Number: 62201}}) {
		t.Errorf("granted %d, refused %d, %v", granted, refused, ports)
	}
	for s := range c.All() {
		if _, last, _ := s.Seen(); !last.Equal(t0.Add(time.Minute)) || s.SYNs() != 0 {
			t.Errorf("last %v, %d SYNs", last, s.SYNs())
		}
	}
}
