package report

import (
	"net/netip"
	"regexp"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/golden"
	"fwknopd/policy/conf"
)

var listTime = time.Unix(1700000000, 0)

// listed has some of the stanzas of the grants; in line 12 one of each of two files begins, and
// that of line 20 is gone.
var listed = &conf.Access{Stanzas: []conf.Stanza{
	{Number: 1, Name: "alice", Pos: conf.Pos{File: "/etc/fwknop/access.conf", Line: 3}},
	{Number: 2, Pos: conf.Pos{File: "/etc/fwknop/access.conf", Line: 9}},
	{Number: 3, Pos: conf.Pos{File: "/etc/fwknop/access.conf", Line: 12}},
	{Number: 4, Pos: conf.Pos{File: "/etc/fwknop/access.conf", Line: 15}},
	{Number: 5, Pos: conf.Pos{File: "/etc/fwknop/more.conf", Line: 12}},
}}

func TestListText(t *testing.T) {
	now := listTime.UTC()
	client, client6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	tcp := func(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }
	grants := []enforce.Grant{
		{Src: client, Ports: []enforce.Port{{Proto: enforce.UDP, Number: 53}, {Proto: enforce.TCP, Number: 22}}, Expires: now.Add(35 * time.Second), Stanza: 3, User: "alice \x1b[2J"},
		{Src: client, Ports: tcp(22), Dst: netip.MustParseAddr("198.51.100.1"), Expires: now.Add(90*time.Minute + 400*time.Millisecond), Stanza: 3},
		{Src: client6, Ports: []enforce.Port{{Proto: enforce.ICMP, Number: 0}}, Stanza: 9},
		{Src: client6, Ports: tcp(443), Output: true, Expires: now.Add(time.Hour), Stanza: 9},
		{Src: client, Ports: tcp(8080), Expires: now.Add(time.Minute), Stanza: 12, NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.2:80"), Masquerade: true}},
		{Src: client, Ports: tcp(8022), Expires: now.Add(time.Minute), Stanza: 12, NAT: &enforce.NAT{Target: netip.MustParseAddrPort("198.51.100.1:22"), Local: true}},
		{Src: client, All: true, Expires: now.Add(time.Minute), Stanza: 15, NAT: &enforce.NAT{SNAT: netip.MustParseAddr("198.51.100.1")}},
		{Src: client, Ports: tcp(25), Expires: now.Add(-time.Second)},
		{Src: client, Ports: tcp(22), Expires: now.Add(time.Minute), Stanza: 20, External: &enforce.External{Open: []string{"/bin/open"}}},
	}
	golden.Compare(t, "testdata/list.golden", ListText(grants, TitlesOf(listed, grants), now))
}

// TestListTextScraped: programs that read the C daemon's list can read ours.
func TestListTextScraped(t *testing.T) {
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: listTime.Add(time.Minute), Stanza: 3}
	out := ListText([]enforce.Grant{g}, nil, listTime)
	for _, pattern := range []string{`(?m)^1\s+ACCEPT\s+tcp.*dpt:22\s`, `\s192\.0\.2\.7\s.*_exp_1700000060\s`, `\b192\.0\.2\.7\b`} {
		if !regexp.MustCompile(pattern).Match(out) {
			t.Errorf("%s does not match\n%s", pattern, out)
		}
	}
}
