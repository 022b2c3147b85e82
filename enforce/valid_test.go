package enforce

import (
	"errors"
	"net/netip"
	"testing"
)

func TestValidate(t *testing.T) {
	src, tcp22 := addr("192.0.2.7"), []Port{{Proto: TCP, Number: 22}}
	for _, c := range []struct {
		name string
		g    Grant
		ok   bool
	}{
		{"port", Grant{Src: src, Ports: tcp22}, true},
		{"icmp", Grant{Src: src, Ports: []Port{{Proto: ICMP, Number: 0}}}, true},
		{"all", Grant{Src: src, All: true}, true},
		{"mapped", Grant{Src: addr("::ffff:192.0.2.7"), Dst: addr("198.51.100.1"), Ports: tcp22}, true},
		{"forward only", Grant{Src: src, Ports: tcp22, NAT: &NAT{}}, true},
		{"dnat", Grant{Src: src, Ports: tcp22, NAT: &NAT{Target: addrPort("10.0.0.2:80")}}, true},
		{"dnat all", Grant{Src: src, All: true, NAT: &NAT{Target: netip.AddrPortFrom(addr("10.0.0.2"), 0)}}, true},

		{"nothing", Grant{}, false},
		{"no client", Grant{Ports: tcp22}, false},
		{"every client", Grant{Src: addr("0.0.0.0"), Ports: tcp22}, false},
		{"zone", Grant{Src: addr("fe80::1%eth0"), Ports: tcp22}, false},
		{"no port", Grant{Src: src}, false},
		{"all and a port", Grant{Src: src, All: true, Ports: tcp22}, false},
		{"port 0", Grant{Src: src, Ports: []Port{{Proto: TCP, Number: 0}}}, false},
		{"protocol 0", Grant{Src: src, Ports: []Port{{Proto: 0, Number: 22}}}, false},
		{"destination of another family", Grant{Src: src, Dst: addr("::1"), Ports: tcp22}, false},
		{"target of another family", Grant{Src: src, Ports: tcp22, NAT: &NAT{Target: addrPort("[fd00::2]:80")}}, false},
		{"target without port", Grant{Src: src, Ports: tcp22, NAT: &NAT{Target: addrPort("10.0.0.2:0")}}, false},
		{"port for all", Grant{Src: src, All: true, NAT: &NAT{Target: addrPort("10.0.0.2:80")}}, false},
		{"local without target", Grant{Src: src, Ports: tcp22, NAT: &NAT{Local: true}}, false},
		{"two sources", Grant{Src: src, All: true, NAT: &NAT{Masquerade: true, SNAT: src}}, false},
		{"source of another family", Grant{Src: src, All: true, NAT: &NAT{SNAT: addr("::1")}}, false},
		{"commands", Grant{Src: src, Ports: tcp22, External: &External{Open: []string{"/bin/open"}}}, false},
	} {
		if err := c.g.Validate(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ok = %v", c.name, err, c.ok)
		}
	}
}
