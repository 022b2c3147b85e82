package enforce

import (
	"net/netip"
	"testing"
)

// TestGuard: which grants get a rule that lets them pass the guard, and that they are read
// back as they were.
func TestGuard(t *testing.T) {
	client, server := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.1")
	inside := netip.MustParseAddrPort("10.0.0.2:80")
	web, ssh := []Port{{Proto: TCP, Number: 8080}}, []Port{{Proto: TCP, Number: 22}}
	guard := Guard{{Proto: UDP, Number: 5000}, {Proto: TCP, Number: 8080}}
	for _, c := range []struct {
		name  string
		guard Guard
		g     Grant
		want  bool
	}{
		{"no guard", nil, Grant{Src: client, Ports: web}, false},
		{"guarded", guard, Grant{Src: client, Ports: web}, true},
		{"for a prefix", guard, Grant{Src: netip.MustParseAddr("192.0.2.0"), Bits: 24, Ports: web}, true},
		{"to one address", guard, Grant{Src: client, Dst: server, Ports: web}, true},
		{"with output", guard, Grant{Src: client, Ports: web, Output: true}, true},
		{"another port", guard, Grant{Src: client, Ports: ssh}, false},
		{"the port of the other protocol", guard, Grant{Src: client, Ports: []Port{{Proto: UDP, Number: 8080}}}, false},
		{"every port", guard, Grant{Src: client, All: true}, true},
		{"translated by ourselves", guard, Grant{Src: client, Ports: web, NAT: &NAT{Target: inside}}, true},
		{"forwarded only", guard, Grant{Src: client, Ports: web, NAT: &NAT{}}, true},
		{"translated to this host", guard, Grant{Src: client, Ports: web, NAT: &NAT{Target: inside, Local: true}}, false},
		{"translated to a guarded port", guard, Grant{Src: client, Ports: ssh, NAT: &NAT{Target: netip.AddrPortFrom(inside.Addr(), 8080)}}, false},
	} {
		rs := c.guard.Rules(c.g)
		got := false
		for _, r := range rs {
			if r.Role == Guarded {
				got = true
				if r.Src != c.g.Src || r.Bits != c.g.Bits || r.Dst != c.g.Dst || len(r.Ports) != len(c.g.Ports) {
					t.Errorf("%s: the rule %+v is not what the client sees", c.name, r)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: guarded = %v", c.name, got)
		}
		if back := JoinRules(rs); back.Key() != c.g.Key() {
			t.Errorf("%s: read back as %s, want %s", c.name, back.Key(), c.g.Key())
		}
	}
}
