package ingest

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// TestUDPServerFiltered: what the filter of the socket drops is counted, and not as lost.
func TestUDPServerFiltered(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		s := listenUDPFor(t, addr, filter.Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"})
		defer s.Close()
		ok(t, s.conn.SetReadBuffer(8<<20)) // not forced: without rights it is smaller
		c, err := net.Dial("udp", s.LocalAddr().String())
		ok(t, err)
		defer c.Close()
		const junk = 100
		for range junk {
			fmt.Fprint(c, strings.Repeat("\x01", 200))
		}
		want := "8" + strings.Repeat("A", 199)
		fmt.Fprint(c, want)
		var ev parse.Event
		ok(t, s.Next(t.Context(), &ev))
		if string(ev.Payload) != want {
			t.Errorf("%s: got %.20q", addr, ev.Payload)
		}
		fmt.Fprint(c, "junk behind it")
		n := s.Stats().Counts()
		if n.NotOurs+n.Lost != junk+1 || n.Events != 1 {
			t.Errorf("%s: counts %+v", addr, n)
		}
		if n.Lost > 0 {
			t.Errorf("%s: %d lost", addr, n.Lost)
		}
	}
}

func TestUDPServerFilteredAllocatesNothing(t *testing.T) {
	s := listenUDPFor(t, "127.0.0.1:0", filter.Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"})
	defer s.Close()
	c, err := net.Dial("udp", s.LocalAddr().String())
	ok(t, err)
	defer c.Close()
	var ev parse.Event
	payload := []byte("8" + strings.Repeat("A", 199))
	if n := testing.AllocsPerRun(100, func() { c.Write(payload); s.Next(t.Context(), &ev) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// The queue is full while it has not more room than a batch takes.
func TestSocketMemoryFull(t *testing.T) {
	for used, want := range map[uint32]bool{0: false, 31 << 20: false, 32<<20 - 1: true, 33 << 20: true} {
		m := socketMemory{memoryUsed: used, memoryLimit: 32 << 20}
		if m.full() != want {
			t.Errorf("%d bytes of 32 MiB: full %v", used, !want)
		}
	}
}
