package offline

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy"
)

func entryFor(host byte, end int, ports ...uint16) *Entry {
	g := &enforce.Grant{Src: netip.AddrFrom4([4]byte{192, 0, 2, host}), Expires: time.Unix(benchTime+int64(end), 0)}
	for _, p := range ports {
		g.Ports = append(g.Ports, enforce.Port{Proto: 6, Number: p})
	}
	return &Entry{Verdict: verdictGranted, Reason: policy.SPAGranted, Grant: g, Detail: &policy.Detail{}}
}

// ended lists what ends by then, as "+SECONDS HOST PORTS".
func ended(o *openings, then int) string {
	var s string
	for e := o.next(time.Unix(benchTime+int64(then), 0)); e != nil; e = o.next(time.Unix(benchTime+int64(then), 0)) {
		s += fmt.Sprintf("+%d %s %v;", e.Time.Unix()-benchTime, e.Grant.Src, e.Grant.Ports)
	}
	return s
}

func TestExpiry(t *testing.T) {
	tests := []struct {
		name string
		add  []*Entry
		want string // by +40
		open int    // left then
	}{
		{"one", []*Entry{entryFor(1, 30, 22)}, "+30 192.0.2.1 [tcp/22];", 0},
		{"not yet", []*Entry{entryFor(1, 41, 22)}, "", 1},
		{"just now", []*Entry{entryFor(1, 40, 22)}, "+40 192.0.2.1 [tcp/22];", 0},
		{"in order", []*Entry{entryFor(1, 30, 22), entryFor(2, 20, 22)}, "+20 192.0.2.2 [tcp/22];+30 192.0.2.1 [tcp/22];", 0},
		{"extended", []*Entry{entryFor(1, 30, 22), entryFor(1, 39, 22)}, "+39 192.0.2.1 [tcp/22];", 0},
		{"not shortened", []*Entry{entryFor(1, 39, 22), entryFor(1, 30, 22)}, "+39 192.0.2.1 [tcp/22];", 0},
		{"one port of two extended", []*Entry{entryFor(1, 30, 22, 80), entryFor(1, 50, 80)}, "+30 192.0.2.1 [tcp/22];", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o openings
			for _, e := range tt.add {
				o.add(e)
			}
			if got := ended(&o, 40); got != tt.want || o.open() != tt.open {
				t.Errorf("%s, %d open; want %s, %d", got, o.open(), tt.want, tt.open)
			}
		})
	}
	var o openings
	forever := entryFor(1, 0, 22)
	forever.Grant.Expires = time.Time{}
	o.add(forever)
	if got := ended(&o, 1<<30); got != "" || o.open() != 0 {
		t.Errorf("without an end: %s, %d", got, o.open())
	}
}

func TestEndingsAreAHeap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var q endings
	for range 1000 {
		q.push(ending{rnd.Int64N(500), &lasting{}})
	}
	for last := int64(0); len(q) > 0; {
		at := q[0].at
		q.pop()
		if at < last {
			t.Fatalf("%d after %d", at, last)
		}
		last = at
	}
}
