package enforcetest

import (
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// A form is one kind of grant with the way its traffic takes.
type form struct {
	name  string
	grant func(lab *netlab.Lab, v6 bool) enforce.Grant
	dst   func(lab *netlab.Lab, v6 bool) netip.AddrPort // what the client connects to
	proto string
}

// serverPort and insidePort are destinations.
func serverPort(port uint16) func(*netlab.Lab, bool) netip.AddrPort {
	return func(lab *netlab.Lab, v6 bool) netip.AddrPort { return netip.AddrPortFrom(pick(lab.Server, v6), port) }
}

func insidePort(port uint16) func(*netlab.Lab, bool) netip.AddrPort {
	return func(lab *netlab.Lab, v6 bool) netip.AddrPort { return netip.AddrPortFrom(pick(lab.Inside, v6), port) }
}

var inside80 = insidePort(80)

// serverInside is the server's address towards the inside.
func serverInside(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("fd78::1")
	}
	return netip.MustParseAddr("10.78.0.1")
}

// forms are all that a stanza can offer. Behind each port of the server or inside
// an echo server listens: tcp/22 and udp/53 on the server, tcp/80 inside.
var forms = []form{
	{"port", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(22)}
	}, serverPort(22), "tcp"},
	{"udp", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: []enforce.Port{{Proto: enforce.UDP, Number: 53}}}
	}, serverPort(53), "udp"},
	{"several ports", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: append(tcp(22), enforce.Port{Proto: enforce.UDP, Number: 53})}
	}, serverPort(53), "udp"},
	{"destination", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(22), Dst: pick(lab.Server, v6)}
	}, serverPort(22), "tcp"},
	{"icmp", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: []enforce.Port{{Proto: enforce.ICMP}}}
	}, serverPort(0), "icmp"},
	{"icmp to destination", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: []enforce.Port{{Proto: enforce.ICMP}}, Dst: pick(lab.Server, v6)}
	}, serverPort(0), "icmp"},
	{"all", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{All: true}
	}, serverPort(22), "tcp"},
	{"forward only", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(80), NAT: &enforce.NAT{}}
	}, inside80, "tcp"},
	{"forward all", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{All: true, NAT: &enforce.NAT{}}
	}, inside80, "tcp"},
	{"dnat", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(8080), NAT: &enforce.NAT{Target: inside80(lab, v6)}}
	}, serverPort(8080), "tcp"},
	{"dnat to destination", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(8080), Dst: pick(lab.Server, v6), NAT: &enforce.NAT{Target: inside80(lab, v6)}}
	}, serverPort(8080), "tcp"},
	{"dnat all", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{All: true, NAT: &enforce.NAT{Target: insidePort(0)(lab, v6)}}
	}, serverPort(80), "tcp"},
	{"dnat icmp", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: []enforce.Port{{Proto: enforce.ICMP}}, NAT: &enforce.NAT{Target: insidePort(0)(lab, v6)}}
	}, serverPort(0), "icmp"},
	{"dnat and masquerade", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(8080), NAT: &enforce.NAT{Target: inside80(lab, v6), Masquerade: true}}
	}, serverPort(8080), "tcp"},
	{"dnat and snat", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(8080), NAT: &enforce.NAT{Target: inside80(lab, v6), SNAT: serverInside(v6)}}
	}, serverPort(8080), "tcp"},
	{"forward all and snat", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{All: true, NAT: &enforce.NAT{SNAT: serverInside(v6)}}
	}, inside80, "tcp"},
	{"forward all and masquerade", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{All: true, NAT: &enforce.NAT{Masquerade: true}}
	}, inside80, "tcp"},
	{"local dnat", func(lab *netlab.Lab, v6 bool) enforce.Grant {
		return enforce.Grant{Ports: tcp(8080), NAT: &enforce.NAT{Target: serverPort(22)(lab, v6), Local: true}}
	}, serverPort(8080), "tcp"},
}

// reaches tries the way of a form.
func (f form) reaches(lab *netlab.Lab, v6 bool, within time.Duration) bool {
	dst := f.dst(lab, v6)
	if f.proto == "icmp" {
		return netlab.Ping(lab.Client, dst.Addr(), within)
	}
	return netlab.CanReach(lab.Client, f.proto, netip.Addr{}, dst, within)
}

// snats reports that the inside has no way back but through the translation.
func (f form) snats(lab *netlab.Lab) bool {
	n := f.grant(lab, false).NAT
	return n != nil && (n.Masquerade || n.SNAT.IsValid())
}

// noWayBack takes the inside's default routes: an answer comes back only if the
// source is an address of the server's.
func noWayBack(t *testing.T, lab *netlab.Lab) {
	lab.Inside.Run(t, "ip route del default")
	lab.Inside.Run(t, "ip -6 route del default")
}

// testForms carries real traffic through every form, in both families, and finds
// it in the list as it was asked for.
func testForms(t *testing.T, v Variant) {
	netlab.Need(t, append(v.Tools, "ping")...)
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, v)
			b.AddInside(t)
			if f.snats(b.Lab) {
				noWayBack(t, b.Lab)
			}
			netlab.Serve(t, b.Server, "tcp", 22)
			netlab.Serve(t, b.Server, "udp", 53)
			netlab.Serve(t, b.Inside, "tcp", 80)
			for _, v6 := range []bool{false, true} {
				checkForm(t, b, f, v6)
			}
		})
	}
}

func checkForm(t *testing.T, b *bench, f form, v6 bool) {
	t.Helper()
	if f.reaches(b.Lab, v6, never) {
		t.Fatalf("v6=%v: open before the grant", v6)
	}
	g := f.grant(b.Lab, v6)
	g.Src, g.Expires, g.Stanza = pick(b.Client, v6), time.Now().Add(minute), 7
	b.apply(t, g)
	if !f.reaches(b.Lab, v6, soon) {
		t.Errorf("v6=%v: not open", v6)
	}
	wantList(t, b, g)
	wantList(t, b.restart(t), g)
	b.revoke(t, g)
	if f.reaches(b.Lab, v6, never) {
		t.Errorf("v6=%v: open after Revoke", v6)
	}
	wantList(t, b)
}
