package layers

import (
	"net/netip"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// TestForwarded: the packet behind a translation is of any client in the prefix of a grant, and
// keeps its port where the translation does.
func TestForwarded(t *testing.T) {
	g := enforce.Grant{Ports: []enforce.Port{{Proto: enforce.TCP, Number: 8080}}}
	g.SetSource(netip.MustParsePrefix("192.0.2.0/24"))
	to := ruleset.Published{Proto: enforce.TCP, First: 8000, Last: 8090, To: netip.MustParseAddrPort("10.78.0.2:0")}
	p, ok := forwarded(g, to)
	if !ok || p.Src != g.Src || p.SrcBits != 24 || p.Dport != 8080 || p.Dst != to.To.Addr() {
		t.Errorf("%+v, %v", p, ok)
	}
	to.First = 8081
	if _, ok := forwarded(g, to); ok {
		t.Error("a port that is not published")
	}
}
