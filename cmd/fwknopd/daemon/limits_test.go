package daemon

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func nets(s ...string) conf.Nets {
	var n conf.Nets
	for _, p := range s {
		n.Include = append(n.Include, netip.MustParsePrefix(p))
	}
	return n
}

var (
	ssh  = conf.Port{Proto: 6, Number: 22}
	web  = conf.Port{Proto: 6, Number: 80}
	ping = conf.Port{Proto: 1}
)

// grant returns a grant for tcp/22 and one minute, of the stanza in line 3.
func grant(change func(*enforce.Grant)) enforce.Grant {
	g := enforce.Grant{Src: addr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Expires: now.Add(time.Minute), Stanza: 3}
	if change != nil {
		change(&g)
	}
	return g
}

// The limits permit what access.conf permits, and no more.
func TestLimitsFollowStanzas(t *testing.T) {
	bits := func(n uint8) func(*enforce.Grant) { return func(g *enforce.Grant) { g.Bits = n } }
	two := func(g *enforce.Grant) { g.Also = netip.MustParsePrefix("198.51.100.9/32") }
	port := func(n uint16) func(*enforce.Grant) { return func(g *enforce.Grant) { g.Ports[0].Number = n } }
	nat := func(to string, local bool) func(*enforce.Grant) {
		return func(g *enforce.Grant) { g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort(to), Local: local} }
	}
	for _, c := range []struct {
		name   string
		server func(*conf.Server)
		stanza func(*conf.Stanza)
		grant  func(*enforce.Grant)
		ok     bool
	}{
		{"as offered", nil, nil, nil, true},
		{"another stanza", nil, nil, func(g *enforce.Grant) { g.Stanza = 4 }, false},
		{"another port", nil, nil, port(23), false},
		{"any port", nil, func(s *conf.Stanza) { s.OpenPortsAny = true }, port(23), true},
		{"client ports", nil, func(s *conf.Stanza) { s.PermitClientPorts = true }, port(23), true},
		{"restricted port", nil, func(s *conf.Stanza) { s.OpenPortsAny, s.RestrictPorts = true, []conf.Port{web} }, port(80), false},
		{"icmp", nil, func(s *conf.Stanza) { s.OpenPorts = []conf.Port{ping} }, func(g *enforce.Grant) { g.Ports = []enforce.Port{{Proto: 1}} }, true},
		{"any address inside the message", nil, nil, func(g *enforce.Grant) { g.Src = addr("203.0.113.9") }, true},
		{"IPv6 inside", nil, nil, func(g *enforce.Grant) { g.Src = addr("2001:db8::1") }, true},
		{"prefix", func(s *conf.Server) { s.MaxGrantPrefix.V4 = 24 }, func(s *conf.Stanza) { s.GrantPrefix.V4 = 24 }, bits(24), true},
		{"prefix of none", func(s *conf.Server) { s.MaxGrantPrefix.V4 = 24 }, nil, bits(24), false},
		{"prefix wider than the stanza's", func(s *conf.Server) { s.MaxGrantPrefix.V4 = 16 }, func(s *conf.Stanza) { s.GrantPrefix.V4 = 24 }, bits(16), false},
		{"prefix wider than MAX_GRANT_PREFIX", func(s *conf.Server) { s.MaxGrantPrefix.V4 = 24 }, func(s *conf.Stanza) { s.GrantPrefix.V4 = 16 }, bits(16), false},
		{"prefix without MAX_GRANT_PREFIX", nil, func(s *conf.Stanza) { s.GrantPrefix.V4 = 24 }, bits(24), false},
		{"prefix around a blacklisted address", func(s *conf.Server) { s.MaxGrantPrefix.V4, s.Blacklist = 24, nets("192.0.2.66/32") },
			func(s *conf.Stanza) { s.GrantPrefix.V4 = 24 }, bits(24), false},
		{"two", nil, func(s *conf.Stanza) { s.GrantAddress = conf.AddressBoth }, two, true},
		{"two of one", nil, func(s *conf.Stanza) { s.GrantAddress = conf.AddressPacket }, two, false},
		{"source of the packet", nil, func(s *conf.Stanza) { s.GrantAddress, s.Source = conf.AddressPacket, nets("192.0.2.0/24") }, nil, true},
		{"not the source of a packet", nil, func(s *conf.Stanza) { s.GrantAddress, s.Source = conf.AddressPacket, nets("198.51.100.0/24") }, nil, false},
		{"from a proxy", func(s *conf.Server) { s.XForwardedFor = true },
			func(s *conf.Stanza) { s.GrantAddress, s.Source = conf.AddressPacket, nets("198.51.100.0/24") }, nil, true},
		{"blacklisted", func(s *conf.Server) { s.Blacklist = nets("203.0.113.0/24") }, nil, func(g *enforce.Grant) { g.Src = addr("203.0.113.9") }, false},
		{"too long", nil, nil, func(g *enforce.Grant) { g.Expires = now.Add(2 * time.Hour) }, false},
		{"client timeout", nil, func(s *conf.Stanza) { s.PermitClientTimeout, s.MaxAccessTimeout = true, 3*time.Hour },
			func(g *enforce.Grant) { g.Expires = now.Add(2 * time.Hour) }, true},
		{"no end", nil, nil, func(g *enforce.Grant) { g.Expires = time.Time{} }, false},
		{"no end offered", nil, func(s *conf.Stanza) { s.AccessTimeout = 0 }, func(g *enforce.Grant) { g.Expires = time.Time{} }, true},
		{"output", func(s *conf.Server) { s.Output = true }, nil, func(g *enforce.Grant) { g.Output = true }, false},
		{"output offered", func(s *conf.Server) { s.Output = true }, func(s *conf.Stanza) { s.OutputAccess = true }, func(g *enforce.Grant) { g.Output = true }, true},
		{"destination", nil, nil, func(g *enforce.Grant) { g.Dst = addr("198.51.100.1") }, false},
		{"destination offered", func(s *conf.Server) { s.DestinationRule = true }, nil, func(g *enforce.Grant) { g.Dst = addr("198.51.100.1") }, true},
		{"nat", nil, nil, nat("10.0.0.5:22", false), false},
		{"nat offered", func(s *conf.Server) { s.Forwarding = true }, nil, nat("10.0.0.5:22", false), true},
		{"nat, 1.9 stanza", func(s *conf.Server) { s.Forwarding = true }, func(s *conf.Stanza) { s.Dialect = conf.Perl19 }, nat("10.0.0.5:22", false), false},
		{"nat elsewhere", func(s *conf.Server) { s.Forwarding = true }, func(s *conf.Stanza) { s.InternalNets = nets("10.0.0.0/24") }, nat("10.0.1.5:22", false), false},
		{"local nat", func(s *conf.Server) { s.LocalNAT = true }, nil, nat("198.51.100.1:22", true), true},
		{"nat where only local nat is", func(s *conf.Server) { s.LocalNAT = true }, nil, nat("10.0.0.5:22", false), false},
		{"forced elsewhere", func(s *conf.Server) { s.Forwarding = true }, func(s *conf.Stanza) { s.ForceNAT = netip.MustParseAddrPort("10.0.0.5:22") },
			nat("10.0.0.6:22", false), false},
		{"forced", func(s *conf.Server) { s.Forwarding = true }, func(s *conf.Stanza) { s.ForceNAT = netip.MustParseAddrPort("10.0.0.5:22") },
			nat("10.0.0.5:22", false), true},
		{"everything", nil, nil, func(g *enforce.Grant) { g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{} }, false},
		{"everything offered", func(s *conf.Server) { s.Forwarding = true }, func(s *conf.Stanza) { s.ForwardAll = true },
			func(g *enforce.Grant) { g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{} }, true},
		{"command instead of rules", nil, nil, func(g *enforce.Grant) { g.External = &enforce.External{Open: []string{"/bin/true"}} }, false},
		{"disabled", nil, func(s *conf.Stanza) { s.DisableAccess = true }, nil, false},
		{"shadow", nil, func(s *conf.Stanza) { s.Shadow = true }, nil, false},
		{"sequence from its source", nil, func(s *conf.Stanza) { s.Mode, s.Source = conf.ModeShared, nets("192.0.2.0/24") }, nil, true},
		{"sequence for other sources", nil, func(s *conf.Stanza) { s.Mode, s.Source = conf.ModeShared, nets("192.0.2.0/24") },
			func(g *enforce.Grant) { g.Src = addr("203.0.113.9") }, false},
		{"encrypted sequence, any port", nil, func(s *conf.Stanza) { s.Mode = conf.ModeEncrypted }, port(99), true},
		{"encrypted sequence, denied port", nil, func(s *conf.Stanza) { s.Mode, s.RestrictPorts = conf.ModeEncrypted, []conf.Port{web} }, port(80), false},
	} {
		server := &conf.Server{}
		st := conf.Stanza{Pos: conf.Pos{Line: 3}, Source: nets("0.0.0.0/0"), OpenPorts: []conf.Port{ssh}, AccessTimeout: time.Minute}
		if c.server != nil {
			c.server(server)
		}
		if c.stanza != nil {
			c.stanza(&st)
		}
		limits, err := compileLimits(server, &conf.Access{Stanzas: []conf.Stanza{st}})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := limits.Check(grant(c.grant), now); (err == nil) != c.ok {
			t.Errorf("%s: %v, want allowed %v", c.name, err, c.ok)
		}
	}
}

// Stanzas of two files may begin at the same line, but not if both run commands.
func TestLimitsOfTwoFiles(t *testing.T) {
	in := func(file string, port conf.Port, exec bool) conf.Stanza {
		return conf.Stanza{Pos: conf.Pos{File: file, Line: 3}, Source: nets("0.0.0.0/0"), OpenPorts: []conf.Port{port}, AccessTimeout: time.Minute, CmdExec: exec}
	}
	limits, err := compileLimits(&conf.Server{}, &conf.Access{Stanzas: []conf.Stanza{in("a.conf", ssh, false), in("b.conf", web, true)}})
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[uint16]bool{22: true, 80: true, 23: false} {
		err := limits.Check(grant(func(g *enforce.Grant) { g.Ports[0].Number = port }), now)
		if (err == nil) != want {
			t.Errorf("port %d: %v", port, err)
		}
	}
	if limits.CloseConnections != nil {
		t.Errorf("connections end in %v", limits.CloseConnections)
	}
	closing := in("b.conf", web, false)
	closing.CloseConnections = true
	if l, err := compileLimits(&conf.Server{}, &conf.Access{Stanzas: []conf.Stanza{in("a.conf", ssh, false), closing}}); err != nil || !l.CloseConnections[3] {
		t.Errorf("%v, connections end in %v", err, l.CloseConnections)
	}
	both := grant(func(g *enforce.Grant) { g.Ports = append(g.Ports, enforce.Port{Proto: 6, Number: 80}) })
	if limits.Check(both, now) == nil {
		t.Error("ports of both are one grant")
	}
	if _, err := limits.Command(3, "", "/bin/id", now); err != nil {
		t.Errorf("command: %v", err)
	}
	_, err = compileLimits(&conf.Server{}, &conf.Access{Stanzas: []conf.Stanza{in("a.conf", ssh, true), in("b.conf", web, true)}})
	if err == nil || !strings.Contains(err.Error(), "a.conf:3") || !strings.Contains(err.Error(), "b.conf:3") {
		t.Errorf("two that run commands: %v", err)
	}
}

func TestCommandLimits(t *testing.T) {
	st := conf.Stanza{Pos: conf.Pos{Line: 3}, CmdExec: true, CmdRegex: regexp.MustCompile(`^192\.0\.2\.7,/bin/id$`), CmdUser: "nobody"}
	limits, err := compileLimits(&conf.Server{CmdTimeout: time.Second}, &conf.Access{Stanzas: []conf.Stanza{st}})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := limits.Command(3, "192.0.2.7", "/bin/id", now); err != nil || l.User != "nobody" || l.Timeout != time.Second {
		t.Errorf("the command that is offered: %+v, %v", l, err)
	}
	for _, from := range []string{"", "192.0.2.8", "192.0.2.7,/bin/id\n"} {
		if _, err := limits.Command(3, from, "/bin/id", now); err == nil {
			t.Errorf("accepted from %q", from)
		}
	}
	if _, err := limits.Command(3, "192.0.2.7", "/bin/sh", now); err == nil {
		t.Error("another command was accepted")
	}
}
