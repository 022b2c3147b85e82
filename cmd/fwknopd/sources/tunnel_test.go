package sources

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// An address in two tunnels is two sources; parts that met the tunnels in another order merge.
func TestTunnelsAreApart(t *testing.T) {
	inVXLAN := func(n uint32) parse.TunnelPath {
		return parse.TunnelPath{{Kind: parse.VXLAN, Numbered: true, Number: n}}
	}
	m := fingerprint.NewMatcher(fingerprint.Default(), fingerprint.DefaultMaxHops)
	a, b := New(Options{Matcher: m}), New(Options{Matcher: m})
	addr := netip.MustParseAddr("10.0.0.1")
	for _, path := range []parse.TunnelPath{{}, inVXLAN(1), inVXLAN(2)} {
		a.table.add(addr, time.Time{}, noResult, 22, a.table.path(path))
	}
	for _, path := range []parse.TunnelPath{inVXLAN(3), inVXLAN(2), {}, inVXLAN(2)} {
		b.table.add(addr, time.Time{}, noResult, 22, b.table.path(path))
	}
	a.Merge(b)
	var got []string
	for s := range a.All() {
		got = append(got, fmt.Sprintf("%s %q %d", s.Addr(), s.Tunnel(), s.SYNs()))
	}
	want := []string{`10.0.0.1 "" 2`, `10.0.0.1 "vxlan 1" 1`, `10.0.0.1 "vxlan 2" 3`, `10.0.0.1 "vxlan 3" 1`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Forged tunnels do not fill the memory.
func TestFurtherTunnels(t *testing.T) {
	c := New(Options{Matcher: fingerprint.NewMatcher(fingerprint.Default(), fingerprint.DefaultMaxHops)})
	addr := netip.MustParseAddr("10.0.0.1")
	for n := range uint32(2 * maxPaths) {
		path := c.table.path(parse.TunnelPath{{Kind: parse.GRE, Numbered: true, Number: n}})
		c.table.add(addr, time.Time{}, noResult, 22, path)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	last := ""
	for s := range c.All() {
		last = fmt.Sprintf("%s %d", s.Tunnel(), s.SYNs())
	}
	if want := fmt.Sprintf("further tunnels %d", maxPaths+1); last != want || len(c.table.paths) != maxPaths {
		t.Errorf("got %q, want %q; %d paths", last, want, len(c.table.paths))
	}
	if want := fmt.Sprintf("%d SYNs were in further tunnels; no more than %d are told apart", maxPaths+1, maxPaths-1); !slices.Contains(c.Notes(), want) {
		t.Errorf("notes %q", c.Notes())
	}
}
