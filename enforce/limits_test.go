package enforce

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

func prefixes(ss ...string) (ps []netip.Prefix) {
	for _, s := range ss {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// offers is what the tests' access.conf has: stanza 3 opens ports, 7 leads inside,
// 11 runs commands, 15 is for all and ever.
var offers = Limits{Stanzas: []Allowance{
	{Stanza: 3, Source: prefixes("192.0.2.0/24", "2001:db8::/32"), Exclude: prefixes("192.0.2.66/32"),
		Ports: []Port{{Proto: TCP, Number: 22}, {Proto: UDP, Number: 53}, {Proto: ICMP, Number: 0}}, Output: true, Destination: true, MaxLifetime: time.Minute},
	{Stanza: 7, Source: prefixes("0.0.0.0/0", "::/0"), Ports: []Port{{Proto: TCP, Number: 80}}, MaxLifetime: time.Minute,
		Targets:    []netip.AddrPort{addrPort("10.9.0.1:8022")},
		TargetNets: prefixes("10.0.0.0/24", "fd00::/64"), TargetExclude: prefixes("10.0.0.66/32"),
		NoDNAT: true, Local: true, SNAT: []netip.Addr{addr("198.51.100.1")}, Masquerade: true},
	{Stanza: 8, Source: prefixes("0.0.0.0/0", "::/0"), Ports: []Port{{Proto: TCP, Number: 80}}, MaxLifetime: time.Minute,
		Targets: []netip.AddrPort{addrPort("127.0.0.1:8022")}, TargetNets: prefixes("0.0.0.0/0", "::/0"), Local: true},
	{Stanza: 11, Source: prefixes("0.0.0.0/0"), Ports: []Port{{Proto: TCP, Number: 22}}, MaxLifetime: time.Minute,
		External: []ExternalLimit{{Open: []Word{{{Text: "/bin/open"}}, {{Text: "--from="}, {Value: ClientAddr}}, {{Value: ProtoByName}, {Text: "/"}, {Value: PortNumber}}, {{Text: "--packet="}, {Value: PacketSource}}}, Close: []Word{{{Text: "/bin/close"}}}, Timeout: time.Second}},
		Commands: &CommandLimit{Regexp: regexp.MustCompile("^w$|^id "), User: "nobody"}},
	{Stanza: 12, Source: prefixes("192.0.2.0/28", "198.51.0.0/16", "2001:db8::/32"), Exclude: prefixes("198.51.7.7/32"), Bits4: 24, Bits6: 64, Two: true,
		Ports: []Port{{Proto: TCP, Number: 22}}, Destination: true, MaxLifetime: time.Minute},
	{Stanza: 15, Source: prefixes("0.0.0.0/0"), AnyPort: true, Denied: []Port{{Proto: TCP, Number: 25}}, Permanent: true, All: true},
}}

func TestLimits(t *testing.T) {
	end := epoch.Add(time.Minute)
	client := addr("192.0.2.7")
	tcp22 := []Port{{Proto: TCP, Number: 22}}
	tcp80 := []Port{{Proto: TCP, Number: 80}}
	inside := addrPort("10.0.0.2:80")
	open := func(argv ...string) *External {
		return &External{Open: argv, Close: []string{"/bin/close"}, Timeout: time.Second}
	}
	for _, c := range []struct {
		name string
		g    Grant
		want error
	}{
		{"as offered", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 3}, nil},
		{"several", Grant{Src: client, Ports: []Port{{Proto: UDP, Number: 53}, {Proto: TCP, Number: 22}}, Expires: end, Stanza: 3}, nil},
		{"mapped address", Grant{Src: addr("::ffff:192.0.2.7"), Ports: tcp22, Expires: end, Stanza: 3}, nil},
		{"icmp", Grant{Src: client, Ports: []Port{{Proto: ICMP, Number: 0}}, Expires: end, Stanza: 3}, nil},
		{"icmp for v6", Grant{Src: addr("2001:db8::7"), Ports: []Port{{Proto: ICMP, Number: 0}}, Expires: end, Stanza: 3}, nil},
		{"output", Grant{Src: client, Ports: tcp22, Output: true, Expires: end, Stanza: 3}, nil},
		{"to one of ours", Grant{Src: client, Dst: addr("198.51.100.1"), Ports: tcp22, Expires: end, Stanza: 3}, nil},

		{"prefix", Grant{Src: client, Bits: 24, Ports: tcp22, Expires: end, Stanza: 12}, nil},
		{"longer prefix", Grant{Src: addr("198.51.7.0"), Bits: 30, Ports: tcp22, Expires: end, Stanza: 12}, nil},
		{"prefix of IPv6", Grant{Src: addr("2001:db8::7"), Bits: 64, Ports: tcp22, Expires: end, Stanza: 12}, nil},
		{"address where a prefix is offered", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 12}, nil},
		{"two", Grant{Src: client, Also: prefix("198.51.1.1/32"), Ports: tcp22, Expires: end, Stanza: 12}, nil},
		{"two prefixes of two families", Grant{Src: client, Bits: 24, Also: prefix("2001:db8::/64"), Dst: addr("203.0.113.1"), Ports: tcp22, Expires: end, Stanza: 12}, nil},

		{"prefix unoffered", Grant{Src: client, Bits: 31, Ports: tcp22, Expires: end, Stanza: 3}, ErrSource},
		{"shorter prefix", Grant{Src: client, Bits: 23, Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"every address as a prefix", Grant{Src: client, Bits: 1, Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"bits of the other family", Grant{Src: addr("2001:db8::7"), Bits: 24, Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"more bits than there are", Grant{Src: client, Bits: 33, Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"prefix outside the network", Grant{Src: addr("203.0.113.7"), Bits: 24, Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"prefix around an excluded one", Grant{Src: addr("198.51.7.0"), Bits: 24, Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"two unoffered", Grant{Src: client, Also: prefix("192.0.2.8/32"), Ports: tcp22, Expires: end, Stanza: 3}, errForm},
		{"second outside the network", Grant{Src: client, Also: prefix("203.0.113.7/32"), Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"second too wide", Grant{Src: client, Also: prefix("198.51.0.0/16"), Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"second is everywhere", Grant{Src: client, Also: prefix("0.0.0.0/0"), Ports: tcp22, Expires: end, Stanza: 12}, ErrSource},
		{"second of other ports", Grant{Src: client, Also: prefix("2001:db8::1/128"), Ports: tcp80, Expires: end, Stanza: 12}, ErrPort},
		{"two and commands", Grant{Src: client, Also: prefix("198.51.1.1/32"), Ports: tcp22, Expires: end, Stanza: 12, External: open("/bin/open")}, errForm},

		{"no stanza", Grant{Src: client, Ports: tcp22, Expires: end}, ErrStanza},
		{"another stanza", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 4}, ErrStanza},
		{"no address", Grant{Ports: tcp22, Expires: end, Stanza: 3}, ErrSource},
		{"every address", Grant{Src: addr("0.0.0.0"), Ports: tcp80, Expires: end, Stanza: 7}, ErrSource},
		{"multicast", Grant{Src: addr("224.0.0.1"), Ports: tcp80, Expires: end, Stanza: 7}, ErrSource},
		{"zone", Grant{Src: addr("fe80::1%eth0"), Ports: tcp80, Expires: end, Stanza: 7}, ErrSource},
		{"outside the network", Grant{Src: addr("192.0.3.7"), Ports: tcp22, Expires: end, Stanza: 3}, ErrSource},
		{"excluded", Grant{Src: addr("192.0.2.66"), Ports: tcp22, Expires: end, Stanza: 3}, ErrSource},
		{"another port", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 23}}, Expires: end, Stanza: 3}, ErrPort},
		{"another protocol", Grant{Src: client, Ports: []Port{{Proto: UDP, Number: 22}}, Expires: end, Stanza: 3}, ErrPort},
		{"one too many", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 22}, {Proto: TCP, Number: 23}}, Expires: end, Stanza: 3}, ErrPort},
		{"no port", Grant{Src: client, Expires: end, Stanza: 3}, ErrPort},
		{"port 0", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 0}}, Expires: end, Stanza: 15}, ErrPort},
		{"strange protocol", Grant{Src: client, Ports: []Port{{Proto: 47, Number: 1}}, Expires: end, Stanza: 15}, ErrPort},
		{"everything", Grant{Src: client, All: true, Expires: end, Stanza: 3}, errForm},
		{"everything and a port", Grant{Src: client, All: true, Ports: tcp22, Expires: end, Stanza: 15}, errForm},
		{"output unoffered", Grant{Src: client, Ports: tcp80, Output: true, Expires: end, Stanza: 7}, errForm},
		{"destination unoffered", Grant{Src: client, Dst: client, Ports: tcp80, Expires: end, Stanza: 7}, errForm},
		{"destination of another family", Grant{Src: client, Dst: addr("::1"), Ports: tcp22, Expires: end, Stanza: 3}, errForm},
		{"too long", Grant{Src: client, Ports: tcp22, Expires: end.Add(time.Hour), Stanza: 3}, ErrLifetime},
		{"for ever", Grant{Src: client, Ports: tcp22, Stanza: 3}, ErrLifetime},
		{"over", Grant{Src: client, Ports: tcp22, Expires: epoch, Stanza: 3}, ErrLifetime},
		{"translated, unoffered", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 3, NAT: &NAT{Target: inside}}, errNAT},

		{"any port for ever", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 9}}, Stanza: 15}, nil},
		{"any port but", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 25}}, Stanza: 15}, ErrPort},
		{"everything, offered", Grant{Src: client, All: true, Stanza: 15}, nil},
		{"forward everything", Grant{Src: client, All: true, Stanza: 15, NAT: &NAT{}}, nil},

		{"inside, by the outer port", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("10.0.0.2:8080")}}, nil},
		{"inside, by the inner port", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 9000}}, Expires: end, Stanza: 7, NAT: &NAT{Target: inside}}, nil},
		{"inside, by neither", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 9000}}, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("10.0.0.2:22")}}, ErrPort},
		{"forced", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("10.9.0.1:8022")}}, nil},
		{"forced, another port", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("10.9.0.1:22")}}, errNAT},
		{"excluded target", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("10.0.0.66:80")}}, errNAT},
		{"loopback as target", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 8, NAT: &NAT{Target: addrPort("127.0.0.1:80")}}, errNAT},
		{"loopback as target, v6", Grant{Src: netip.MustParseAddr("2001:db8::7"), Ports: tcp80, Expires: end, Stanza: 8, NAT: &NAT{Target: addrPort("[::1]:80")}}, errNAT},
		{"another net of loopback", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 8, NAT: &NAT{Target: addrPort("127.8.9.1:80")}}, errNAT},
		{"any host", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 8, NAT: &NAT{Target: addrPort("198.51.100.66:80")}}, nil},
		{"loopback, forced", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 8, NAT: &NAT{Target: addrPort("127.0.0.1:8022")}}, nil},
		{"target of another family", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("[fd00::2]:80")}}, errNAT},
		{"target without port", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: addrPort("10.0.0.2:0")}}, errNAT},
		{"local", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: inside, Local: true}}, nil},
		{"snat", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: inside, SNAT: addr("198.51.100.1")}}, nil},
		{"another snat", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: inside, SNAT: client}}, errNAT},
		{"masquerade", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: inside, Masquerade: true}}, nil},
		{"both", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{Target: inside, Masquerade: true, SNAT: addr("198.51.100.1")}}, errNAT},
		{"through only", Grant{Src: client, Dst: addr("10.0.0.2"), Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{}}, nil},
		{"through to the forced", Grant{Src: client, Dst: addr("10.9.0.1"), Ports: []Port{{Proto: TCP, Number: 8022}}, Expires: end, Stanza: 7, NAT: &NAT{}}, nil},
		{"through to another", Grant{Src: client, Dst: addr("10.8.0.2"), Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{}}, errForm},
		{"through to all", Grant{Src: client, Ports: tcp80, Expires: end, Stanza: 7, NAT: &NAT{}}, errNAT},

		{"command", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=192.0.2.7", "tcp/22", "--packet=198.51.100.9")}, nil},
		{"unoffered command", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 3, External: open("/bin/open", "--from=192.0.2.7", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"another program", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/sh", "--from=192.0.2.7", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"another argument", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--to=192.0.2.7", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"an argument more", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=192.0.2.7", "tcp/22", "--packet=198.51.100.9", "x")}, ErrCommand},
		{"shell in a value", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=$(id)", "tcp/22")}, ErrCommand},
		{"option as value", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=1", "-x/22", "--packet=198.51.100.9")}, ErrCommand},
		{"network as value", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=0.0.0.0/0", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"word as value", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=any", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"path as value", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=1", "../../etc/22", "--packet=198.51.100.9")}, ErrCommand},
		{"no value", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"another address", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=192.0.2.8", "tcp/22", "--packet=198.51.100.9")}, ErrCommand},
		{"another port", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=192.0.2.7", "tcp/23", "--packet=198.51.100.9")}, ErrCommand},
		{"port that is not offered", Grant{Src: client, Ports: []Port{{Proto: TCP, Number: 23}}, Expires: end, Stanza: 11, External: open("/bin/open", "--from=192.0.2.7", "tcp/23", "--packet=198.51.100.9")}, ErrPort},
		{"packet from a network", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: open("/bin/open", "--from=192.0.2.7", "tcp/22", "--packet=0.0.0.0/0")}, ErrCommand},
		{"another limit", Grant{Src: client, Ports: tcp22, Expires: end, Stanza: 11, External: &External{Open: open("/bin/open", "--from=192.0.2.7", "tcp/22", "--packet=198.51.100.9").Open, Close: []string{"/bin/close"}}}, ErrCommand},
	} {
		if err := offers.Check(c.g, epoch); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestLimitsPorts(t *testing.T) {
	g := Grant{Src: addr("192.0.2.7"), Stanza: 15}
	for n := range MaxPorts + 1 {
		g.Ports = append(g.Ports, Port{Proto: UDP, Number: uint16(n + 1)})
	}
	if err := offers.Check(g, epoch); !errors.Is(err, ErrPort) {
		t.Errorf("%d ports: %v, want %v", len(g.Ports), err, ErrPort)
	}
}

func TestLimitsCommand(t *testing.T) {
	for _, c := range []struct {
		name   string
		stanza int
		text   string
		want   error
	}{
		{"matches", 11, "id alice", nil},
		{"does not match", 11, "rm -rf /", ErrCommand},
		{"stanza without", 3, "w", ErrCommand},
		{"no stanza", 4, "w", ErrStanza},
		{"nothing", 11, "", ErrCommand},
		{"two lines", 11, "id a\nid b", ErrCommand},
		{"end byte", 11, "id a\x00", ErrCommand},
		{"long", 11, "id " + strings.Repeat("x", MaxCommand), ErrCommand},
	} {
		limit, err := offers.Command(c.stanza, "", c.text, epoch)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && limit.User != "nobody" {
			t.Errorf("%s: user %q is not the configured one", c.name, limit.User)
		}
	}
}

// TestValuesSideBySide cannot be told apart, and are let through.
func TestValuesSideBySide(t *testing.T) {
	w := template{"", "", "", "/x"} // three values, then /x
	for arg, want := range map[string]bool{
		"192.0.2.730198.51.100.1/x": true, "/x": false, "192.0.2.7-1/x": false, "192.0.2.7/22/x": false, "192.0.2.7$x/x": false, "22": false,
	} {
		if w.match(arg) != want {
			t.Errorf("%q: %v", arg, !want)
		}
	}
}

// FuzzLimits: whatever is asked, nothing is opened for the excluded network, and
// no word of a command starts an option or a shell.
func FuzzLimits(f *testing.F) {
	f.Add([]byte{192, 0, 2, 7}, uint16(22), "192.0.2.7", int64(30))
	f.Add([]byte{192, 0, 2, 66}, uint16(22), "--x", int64(1<<40))
	f.Fuzz(func(t *testing.T, src []byte, port uint16, word string, life int64) {
		a, _ := netip.AddrFromSlice(src)
		g := Grant{Src: a, Ports: []Port{{Proto: TCP, Number: port}}, Expires: epoch.Add(time.Duration(life) * time.Second), Stanza: 3}
		if offers.Check(g, epoch) == nil && (a.Unmap() == addr("192.0.2.66") || port != 22 || life <= 0 || life > 62) {
			t.Fatalf("opened %s for %d s", g.Key(), life)
		}
		g.Stanza, g.External = 11, &External{Open: []string{"/bin/open", "--from=" + a.String(), "tcp/22", "--packet=" + word}, Close: []string{"/bin/close"}, Timeout: time.Second}
		if offers.Check(g, epoch) == nil && (strings.HasPrefix(word, "-") || strings.ContainsAny(word, " $`;|&<>\"'\\\n\x00")) {
			t.Fatalf("accepted word %q", word)
		}
	})
}

// TestPrefixOfOneSite: of addresses of which a prefix has a least length, no shorter one is allowed,
// however wide GRANT_PREFIX is.
func TestPrefixOfOneSite(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	wide := Limits{Stanzas: []Allowance{{Stanza: 3, Source: prefixes("0.0.0.0/0", "::/0"), Bits4: MinBits4, Bits6: MinBits6, Two: true, AnyPort: true, MaxLifetime: time.Hour}}}
	for source, want := range map[string]bool{
		"2002:c000::/32": false, "2002:c000:207::/47": false, "2002:c000:207::/48": true, "2002:c000:207:1::/64": true,
		"fd12:3400::/32": false, "fd12:3456:789a::/48": true, "fe80::/64": false, "fe80::7/128": true,
		"64:ff9b::/96": false, "64:ff9b::c000:207/128": true, "2001:0:1::/48": false, "2001:20::/64": false, "2001:30::/64": true,
		"0:0:0:1::/32": false, "0:0:0:1::/64": true, "127.0.0.0/8": false, "169.254.1.0/24": false, "192.0.0.0/8": true, "2001:db8::/32": true,
	} {
		p := netip.MustParsePrefix(source)
		g := Grant{Ports: []Port{{Proto: TCP, Number: 22}}, Expires: now.Add(time.Minute), Stanza: 3}
		g.SetSource(p)
		if err := wide.Check(g, now); (err == nil) != want {
			t.Errorf("%s: %v", source, err)
		}
		if !p.Addr().Is6() || p.Masked().Addr().IsUnspecified() {
			continue
		}
		g.SetSource(netip.MustParsePrefix("192.0.2.0/24"))
		g.Also = p
		if err := wide.Check(g, now); (err == nil) != want {
			t.Errorf("%s as the second: %v", source, err)
		}
	}
}
