package replay

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

func entryFor(host byte, end int, ports ...uint16) *report.Entry {
	g := &enforce.Grant{Src: netip.AddrFrom4([4]byte{192, 0, 2, host}), Expires: time.Unix(benchTime+int64(end), 0)}
	for _, p := range ports {
		g.Ports = append(g.Ports, enforce.Port{Proto: 6, Number: p})
	}
	return &report.Entry{Verdict: report.Granted, Reason: policy.SPAGranted, Grant: g, Detail: &policy.Detail{}}
}

// ended lists the grants that expire by then, as "+SECONDS HOST PORTS".
func ended(o *openGrants, then int) string {
	var s string
	for e := o.popExpired(time.Unix(benchTime+int64(then), 0)); e != nil; e = o.popExpired(time.Unix(benchTime+int64(then), 0)) {
		s += fmt.Sprintf("+%d %s %v;", e.Time.Unix()-benchTime, e.Grant.SourceText(), e.Grant.Ports)
	}
	return s
}

// lets returns e with other clients.
func lets(e *report.Entry, sources ...string) *report.Entry {
	e.Grant.SetSource(netip.MustParsePrefix(sources[0]))
	if len(sources) > 1 {
		e.Grant.Also = netip.MustParsePrefix(sources[1])
	}
	return e
}

func TestExpiry(t *testing.T) {
	tests := []struct {
		name string
		add  []*report.Entry
		want string // by +40
		open int    // left then
	}{
		{"one", []*report.Entry{entryFor(1, 30, 22)}, "+30 192.0.2.1 [tcp/22];", 0},
		{"not yet", []*report.Entry{entryFor(1, 41, 22)}, "", 1},
		{"just now", []*report.Entry{entryFor(1, 40, 22)}, "+40 192.0.2.1 [tcp/22];", 0},
		{"in order", []*report.Entry{entryFor(1, 30, 22), entryFor(2, 20, 22)}, "+20 192.0.2.2 [tcp/22];+30 192.0.2.1 [tcp/22];", 0},
		{"extended", []*report.Entry{entryFor(1, 30, 22), entryFor(1, 39, 22)}, "+39 192.0.2.1 [tcp/22];", 0},
		{"not shortened", []*report.Entry{entryFor(1, 39, 22), entryFor(1, 30, 22)}, "+39 192.0.2.1 [tcp/22];", 0},
		{"prefix", []*report.Entry{lets(entryFor(0, 30, 22), "192.0.2.0/24")}, "+30 192.0.2.0/24 [tcp/22];", 0},
		{"prefix, extended by another port's", []*report.Entry{lets(entryFor(0, 30, 22), "192.0.2.0/24"), lets(entryFor(0, 50, 22, 80), "192.0.2.0/24")}, "", 2},
		{"prefix is not its first address", []*report.Entry{lets(entryFor(0, 30, 22), "192.0.2.0/24"), entryFor(0, 50, 22)}, "+30 192.0.2.0/24 [tcp/22];", 1},
		{"prefixes of two lengths", []*report.Entry{lets(entryFor(0, 30, 22), "192.0.2.0/24"), lets(entryFor(0, 50, 22), "192.0.2.0/25")}, "+30 192.0.2.0/24 [tcp/22];", 1},
		{"two", []*report.Entry{lets(entryFor(0, 30, 22, 80), "192.0.2.1/32", "2001:db8::/64")}, "+30 192.0.2.1 and 2001:db8::/64 [tcp/22 tcp/80];", 0},
		{"two, one extended", []*report.Entry{lets(entryFor(0, 30, 22), "192.0.2.1/32", "192.0.2.2/32"), entryFor(1, 50, 22)}, "+30 192.0.2.2 [tcp/22];", 1},
		{"one port of two extended", []*report.Entry{entryFor(1, 30, 22, 80), entryFor(1, 50, 80)}, "+30 192.0.2.1 [tcp/22];", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o openGrants
			for _, e := range tt.add {
				o.add(e)
			}
			if got := ended(&o, 40); got != tt.want || o.count() != tt.open {
				t.Errorf("%s, %d open; want %s, %d", got, o.count(), tt.want, tt.open)
			}
		})
	}
	var o openGrants
	forever := entryFor(1, 0, 22)
	forever.Grant.Expires = time.Time{}
	o.add(forever)
	o.add(entryFor(1, 10, 22)) // has no effect on the permanent grant
	if got := ended(&o, 1<<30); got != "" || o.count() != 1 {
		t.Errorf("without an end: %s, %d", got, o.count())
	}
}

func TestEndingsAreAHeap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var q expiryHeap
	for range 1000 {
		q.push(expiryItem{at: rnd.Int64N(500)})
	}
	for last := int64(0); len(q) > 0; {
		at := q.pop().at
		if at < last {
			t.Fatalf("%d after %d", at, last)
		}
		last = at
	}
}

// The expiry entry has the fields of the grant's entry, for grants of ports and for
// others, and the memory of expired records is reused.
func TestEndsAsItBegan(t *testing.T) {
	if n := unsafe.Sizeof(expiryRecord{}); n != 32 {
		t.Errorf("an entry takes %d bytes", n)
	}
	v6 := entryFor(3, 12, 22)
	v6.Src, v6.Dst = netip.MustParseAddrPort("[2001:db8::1]:4000"), netip.MustParseAddrPort("[2001:db8::2]:62201")
	v6.Grant.Src = netip.MustParseAddr("2001:db8::3")
	nat := entryFor(4, 13, 22)
	nat.Grant.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("192.0.2.99:22"), Masquerade: true}
	all := entryFor(5, 14)
	all.Grant.All = true
	entries := []*report.Entry{entryFor(1, 10, 22, 80), entryFor(2, 11, 22), v6, nat, all}
	for i, e := range entries {
		e.Proto, e.Stanza, e.User, e.Mode, e.Input = parse.UDP, 7, "user", "spa", ingest.Position{Name: "in", Record: int64(i)}
		if !e.Src.IsValid() {
			e.Src, e.Dst = netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:62201")
		}
	}
	var o openGrants
	for range 3 {
		for _, e := range entries {
			o.add(e)
		}
		for _, e := range entries {
			want := *e
			want.Time, want.Verdict = e.Grant.Expires, report.Expired
			got := o.popExpired(e.Grant.Expires)
			if got == nil {
				t.Fatalf("nothing ends at %v", e.Grant.Expires)
			}
			if g, w := string(report.AppendLine(nil, got)), string(report.AppendLine(nil, &want)); g != w {
				t.Errorf("got  %swant %s", g, w)
			}
		}
	}
	if o.records.n != uint32(len(entries)) || len(o.records.grants) != 0 || o.count() != 0 {
		t.Errorf("%d places in use, %d grants kept, %d open", o.records.n, len(o.records.grants), o.count())
	}
}
