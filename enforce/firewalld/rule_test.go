package firewalld

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
)

var (
	client  = netip.MustParseAddr("192.0.2.7")
	client6 = netip.MustParseAddr("2001:db8::7")
)

func port(proto enforce.Proto, n uint16) []enforce.Port {
	return []enforce.Port{{Proto: proto, Number: n}}
}

// TestBody: each form of a grant is a rule as firewalld writes it, and read again the same.
// TestTimerSeconds: the timer of firewalld, which may end a quarter of a second too early, ends no grant
// before its time, and not a second later than it has to.
func TestTimerSeconds(t *testing.T) {
	for left, want := range map[time.Duration]int32{
		-time.Hour:                 1,
		0:                          1,
		750 * time.Millisecond:     1,
		751 * time.Millisecond:     2,
		1750 * time.Millisecond:    2,
		1900 * time.Millisecond:    3,
		2 * time.Second:            3,
		time.Hour:                  3601,
		100 * 365 * 24 * time.Hour: math.MaxInt32,
	} {
		if got := timerSeconds(left); got != want {
			t.Errorf("%v: %d, want %d", left, got, want)
		}
	}
}

func TestBody(t *testing.T) {
	for _, c := range []struct {
		grant enforce.Grant
		want  string
	}{
		{enforce.Grant{Src: client, Ports: port(enforce.TCP, 22)}, `family="ipv4" source address="192.0.2.7" port port="22" protocol="tcp" accept`},
		{enforce.Grant{Src: client6, Dst: netip.MustParseAddr("2001:db8::1"), Ports: port(enforce.UDP, 53)},
			`family="ipv6" source address="2001:db8::7" destination address="2001:db8::1" port port="53" protocol="udp" accept`},
		{enforce.Grant{Src: client, All: true}, `family="ipv4" source address="192.0.2.7" accept`},
		{enforce.Grant{Src: client, Ports: port(enforce.ICMP, 0)}, `family="ipv4" source address="192.0.2.7" protocol value="icmp" accept`},
		{enforce.Grant{Src: client6, Ports: port(enforce.ICMPv6, 0)}, `family="ipv6" source address="2001:db8::7" protocol value="ipv6-icmp" accept`},
		{enforce.Grant{Src: client, Ports: port(enforce.TCP, 8080), NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.1:80")}},
			`family="ipv4" source address="192.0.2.7" forward-port port="8080" protocol="tcp" to-port="80" to-addr="10.0.0.1"`},
	} {
		g := c.grant.Normal()
		body, err := bodyOf(g)
		if err != nil || body != c.want {
			t.Errorf("%s: %s, %v; want %s", g.Key(), body, err, c.want)
		}
		r, ok := parseRule(rule{-31005, body}.String())
		if !ok || r != (rule{-31005, body}) {
			t.Errorf("%s: read as %+v, %v", body, r, ok)
		}
		if again, ok := parseBody(body); !ok || again.Key() != g.Key() {
			t.Errorf("%s: read as %s, %v", body, again.Key(), ok)
		}
	}
}

// TestNotOurs: rules of an administrator are left alone.
func TestNotOurs(t *testing.T) {
	const body = `family="ipv4" source address="192.0.2.7" port port="22" protocol="tcp" accept`
	for _, text := range []string{
		"", "rule " + body, `rule priority="-30999" ` + body, `rule priority="-32000" ` + body, `rule priority="x" ` + body,
		`rule priority="-31000"  ` + body, `rule priority="-31000" family="ipv4" source address="192.0.2.1/24" port port="22" protocol="tcp" accept`,
		`rule priority="-31000" family="ipv4" source address="192.0.2.7" port port="22" protocol="tcp" reject`,
		`rule priority="-31000" family="ipv4" source address="192.0.2.7" port port="22-23" protocol="tcp" accept`,
		`rule priority="-31000" family="ipv4" source address="192.0.2.7" service name="ssh" accept`,
		`rule priority="-31000" family="ipv4" source NOT address="192.0.2.7" accept`,
	} {
		if r, ok := parseRule(text); ok {
			t.Errorf("%s: taken for ours: %+v", text, r)
		}
	}
}

// TestRefused: what has no rich rule is refused with the reason.
func TestRefused(t *testing.T) {
	target := netip.MustParseAddrPort("10.0.0.1:80")
	for want, g := range map[string]enforce.Grant{
		"an output rule":                 {Src: client, Ports: port(enforce.TCP, 22), Output: true},
		"without a translation":          {Src: client, Ports: port(enforce.TCP, 22), NAT: &enforce.NAT{}},
		"of every port":                  {Src: client, All: true, NAT: &enforce.NAT{Target: netip.AddrPortFrom(target.Addr(), 0)}},
		"the translation of sources":     {Src: client, Ports: port(enforce.TCP, 22), NAT: &enforce.NAT{Target: target, Masquerade: true}},
		"FIREWALL_TYPE nftables":         {Src: client, Ports: port(enforce.TCP, 22), NAT: &enforce.NAT{Target: target, SNAT: client}},
		"of every port, or of ICMP: ric": {Src: client, Ports: port(enforce.ICMP, 0), NAT: &enforce.NAT{Target: netip.AddrPortFrom(target.Addr(), 0)}},
	} {
		if _, err := bodyOf(g.Normal()); !errors.Is(err, errForm) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", g.Key(), err, want)
		}
	}
	if _, err := bodyOf(enforce.Grant{Src: client}); !errors.Is(err, enforce.ErrInvalid) {
		t.Errorf("no port: %v", err)
	}
}

// TestPriority: a rule that replaces one of the same text has another priority; a newer target
// comes before an older one.
func TestPriority(t *testing.T) {
	ssh, _ := bodyOf(enforce.Grant{Src: client, Ports: port(enforce.TCP, 22)})
	to := func(addr string) string {
		b, _ := bodyOf(enforce.Grant{Src: client, Ports: port(enforce.TCP, 22), NAT: &enforce.NAT{Target: netip.MustParseAddrPort(addr)}})
		return b
	}
	web, _ := bodyOf(enforce.Grant{Src: client, Ports: port(enforce.TCP, 80)})
	for _, c := range []struct {
		rules []rule
		body  string
		want  int
	}{
		{nil, ssh, firstPriority},
		{[]rule{{firstPriority, web}}, ssh, firstPriority},
		{[]rule{{firstPriority, ssh}}, ssh, firstPriority - 1},
		{[]rule{{firstPriority - 1, ssh}}, ssh, firstPriority},
		{[]rule{{firstPriority, to("10.0.0.1:22")}}, to("10.0.0.2:22"), firstPriority - 1},
		{[]rule{{firstPriority, to("10.0.0.1:22")}, {firstPriority - 1, to("10.0.0.2:22")}}, to("10.0.0.2:22"), firstPriority - 2},
		{[]rule{{lastPriority, to("10.0.0.1:22")}}, to("10.0.0.2:22"), 0},
	} {
		if got := freePriority(c.rules, c.body); got != c.want {
			t.Errorf("%v and %s: %d, want %d", c.rules, c.body, got, c.want)
		}
	}
}

// FuzzRule: a text that is taken for a rule of ours is one that we would write, for a grant that
// is valid.
func FuzzRule(f *testing.F) {
	for _, text := range []string{
		`rule priority="-31000" family="ipv4" source address="192.0.2.7" port port="22" protocol="tcp" accept`,
		`rule priority="-31999" family="ipv6" source address="2001:db8::7" destination address="2001:db8::1" accept`,
		`rule priority="-31001" family="ipv4" source address="192.0.2.7" forward-port port="8080" protocol="tcp" to-port="80" to-addr="10.0.0.1"`,
		`rule priority="-31001" family="ipv4" source address="192.0.2.7" protocol value="icmp" accept`, `rule priority="`, "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseRule(text)
		if !ok {
			return
		}
		g, ok := parseBody(r.body)
		if !ok || r.String() != text || g.Validate() != nil {
			t.Fatalf("%q: %+v, %v", text, g, ok)
		}
	})
}
