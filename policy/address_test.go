package policy

import (
	"net/netip"
	"strings"
	"testing"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// TestGrantAddresses: which addresses a grant is for, by GRANT_ADDRESS and GRANT_PREFIX. The
// message has 192.0.2.7.
func TestGrantAddresses(t *testing.T) {
	inside, both, packet := conf.AddressInside, conf.AddressBoth, conf.AddressPacket
	for _, tt := range []struct {
		name    string
		address string
		prefix  conf.PrefixLengths
		text    string // of the message; "": 192.0.2.7,tcp/22
		src     string // of the packet
		want    string // what is let in
	}{
		{"inside", inside, conf.PrefixLengths{}, "", "198.51.100.9", "192.0.2.7"},
		{"packet", packet, conf.PrefixLengths{}, "", "198.51.100.9", "198.51.100.9"},
		{"both", both, conf.PrefixLengths{}, "", "198.51.100.9", "192.0.2.7 and 198.51.100.9"},
		{"both are one", both, conf.PrefixLengths{}, "", "192.0.2.7", "192.0.2.7"},
		{"both, none in the message", both, conf.PrefixLengths{}, "0.0.0.0,tcp/22", "198.51.100.9", "198.51.100.9"},
		{"both, of two families", both, conf.PrefixLengths{V6: 64}, "", "2001:db8::9", "192.0.2.7 and 2001:db8::/64"},
		{"prefix inside", inside, conf.PrefixLengths{V4: 24, V6: 64}, "", "198.51.100.9", "192.0.2.0/24"},
		{"prefix of the source", inside, conf.PrefixLengths{V4: 24, V6: 64}, "0.0.0.0,tcp/22", "198.51.100.9", "198.51.100.0/24"},
		{"prefix of the packet", packet, conf.PrefixLengths{V4: 20, V6: 64}, "", "198.51.100.9", "198.51.96.0/20"},
		{"prefix of IPv6", packet, conf.PrefixLengths{V6: 64}, "", "2001:db8::1:2:3:4", "2001:db8::/64"},
		{"prefix of IPv6, client of IPv4", inside, conf.PrefixLengths{V6: 64}, "", "2001:db8::9", "192.0.2.7"},
		{"both prefixes", both, conf.PrefixLengths{V4: 24}, "", "198.51.100.9", "192.0.2.0/24 and 198.51.100.0/24"},
		{"both in one prefix", both, conf.PrefixLengths{V4: 24}, "", "192.0.2.200", "192.0.2.0/24"},
		{"NAT64 is no network of the client", packet, conf.PrefixLengths{V6: 64}, "", "64:ff9b::c000:207", "64:ff9b::c000:207"},
	} {
		s := plain()
		s.src = netip.MustParseAddr(tt.src)
		s.one().GrantAddress, s.one().GrantPrefix = tt.address, tt.prefix
		if tt.text != "" {
			s.msg.Text = tt.text
		}
		d := s.decide(t)
		if got := d.Grant.SourceText(); d.Verdict != Allow || got != tt.want {
			t.Errorf("%s: %s %s, want %s (%+v)", tt.name, d.Reason, got, tt.want, d.Detail)
		}
	}
}

// TestRefusedAddresses: each address that would be let in is checked, with its prefix, and a
// refusal has both where they differ.
func TestRefusedAddresses(t *testing.T) {
	const two = ": the message has 192.0.2.7, the packet came from 198.51.100.9"
	from := func(s *situation) { s.src = netip.MustParseAddr("198.51.100.9") }
	for _, tt := range []struct {
		name string
		set  func(*situation)
		got  string
		text string // "": it is granted
	}{
		{"inside in BLACKLIST", func(s *situation) { s.server.Blacklist = nets("192.0.2.7/32") }, "192.0.2.7", TextBlacklist},
		{"inside in BLACKLIST, packet opened", func(s *situation) {
			s.server.Blacklist, s.one().GrantAddress = nets("192.0.2.7/32"), conf.AddressPacket
		}, "", ""},
		{"one of both in BLACKLIST", func(s *situation) { s.server.Blacklist, s.one().GrantAddress = nets("192.0.2.7/32"), conf.AddressBoth }, "192.0.2.7", TextBlacklist + two},
		{"BLACKLIST in the prefix", func(s *situation) {
			s.server.Blacklist, s.one().GrantPrefix.V4 = nets("192.0.2.128/25"), 24
		}, "192.0.2.0/24", "192.0.2.128/25 in this GRANT_PREFIX is in BLACKLIST"},
		{"BLACKLIST around the prefix", func(s *situation) {
			s.server.Blacklist, s.one().GrantPrefix.V4 = nets("192.0.0.0/16"), 24
			s.server.Blacklist.Exclude = nets("192.0.2.7/32").Include
		}, "192.0.2.0/24", "192.0.2.0/24 in this GRANT_PREFIX is in BLACKLIST"},
		{"BLACKLIST excepts the prefix", func(s *situation) {
			s.server.Blacklist, s.one().GrantPrefix.V4 = nets("192.0.0.0/16"), 24
			s.server.Blacklist.Exclude = nets("192.0.2.0/23").Include
		}, "", ""},
		{"BLACKLIST beside the prefix", func(s *situation) { s.server.Blacklist, s.one().GrantPrefix.V4 = nets("192.0.3.0/24"), 24 }, "", ""},
		{"BLACKLIST in the prefix of the packet", func(s *situation) {
			s.server.Blacklist, s.one().GrantPrefix.V4, s.one().GrantAddress = nets("198.51.100.66/32"), 24, conf.AddressBoth
		}, "198.51.100.0/24", "198.51.100.66 in this GRANT_PREFIX is in BLACKLIST" + two},
		{"exception of SOURCE in the prefix", func(s *situation) {
			s.one().Source.Exclude, s.one().GrantPrefix.V4 = nets("192.0.2.9/32").Include, 24
		}, "192.0.2.0/24", "192.0.2.9 in this GRANT_PREFIX is excepted in SOURCE"},
		{"first network", func(s *situation) { s.msg.Text, s.one().GrantPrefix.V4 = "0.0.0.9,tcp/22", 24 }, "0.0.0.0/24", "not a prefix of clients"},
		{"multicast", func(s *situation) { s.msg.Text, s.one().GrantAddress = "224.0.0.1,tcp/22", conf.AddressBoth }, "224.0.0.1",
			"not the address of a client: the message has 224.0.0.1, the packet came from 198.51.100.9"},
		{"REQUIRE_SOURCE_ADDRESS", func(s *situation) { s.server.RequireSourceAddress = true }, "", ""},
		{"REQUIRE_SOURCE_ADDRESS, packet", func(s *situation) { s.server.RequireSourceAddress, s.one().GrantAddress = true, conf.AddressPacket }, "192.0.2.7",
			"REQUIRE_SOURCE_ADDRESS wants the address that is opened in the message" + two},
		{"REQUIRE_SOURCE_ADDRESS of the stanza, both", func(s *situation) { s.one().SourceAddress, s.one().GrantAddress = conf.Nets{}, conf.AddressBoth }, "192.0.2.7",
			"REQUIRE_SOURCE_ADDRESS wants the address that is opened in the message" + two},
		{"REQUIRE_SOURCE_ADDRESS, both are one", func(s *situation) {
			s.src, s.server.RequireSourceAddress, s.one().GrantAddress = client, true, conf.AddressBoth
		}, "", ""},
		{"REQUIRE_SOURCE_ADDRESS, none in the message", func(s *situation) {
			s.msg.Text, s.server.RequireSourceAddress, s.one().GrantAddress = "0.0.0.0,tcp/22", true, conf.AddressPacket
		}, "0.0.0.0", "REQUIRE_SOURCE_ADDRESS wants a real address"},
	} {
		s := plain()
		from(s)
		tt.set(s)
		d := s.decide(t)
		if granted := d.Verdict == Allow; granted != (tt.text == "") || !granted && (d.Reason != SPASource || d.Detail.Got != tt.got || d.Detail.Text != tt.text) {
			t.Errorf("%s: %s %q %q, want %q %q", tt.name, d.Reason, d.Detail.Got, d.Detail.Text, tt.got, tt.text)
		}
	}
}

// TestTwoClients: what does not go with two addresses, and what each of them gets.
func TestTwoClients(t *testing.T) {
	s := plain()
	s.src, s.one().GrantAddress, s.server.DestinationRule = netip.MustParseAddr("2001:db8::9"), conf.AddressBoth, true
	d := s.decide(t)
	if parts := d.Grant.Split(); d.Verdict != Allow || len(parts) != 2 || parts[0].Dst != server || parts[1].Dst.IsValid() {
		t.Errorf("%s %+v", d.Reason, parts)
	}
	s.server.Forwarding, s.one().ForceNAT = true, netip.MustParseAddrPort("10.0.0.5:22")
	if d := s.decide(t); d.Reason != SPANAT || !strings.Contains(d.Detail.Text, "192.0.2.7 and 2001:db8::9") {
		t.Errorf("a translation of two families: %s %q", d.Reason, d.Detail.Text)
	}
	s.src = netip.MustParseAddr("198.51.100.9")
	if d := s.decide(t); d.Verdict != Allow || len(d.Grant.Split()) != 2 {
		t.Errorf("a translation of one family: %s %q", d.Reason, d.Detail.Text)
	}
}

// TestPrefixForCommands: a command gets the prefix as its client.
func TestPrefixForCommands(t *testing.T) {
	s := plain()
	s.one().ExternalOpen, s.one().ExternalClose, s.one().GrantPrefix.V4 = "open $SRC $PORT", "close $SRC", 24
	d := s.decide(t)
	if d.Verdict != Allow || strings.Join(d.Grant.External.Open, " ") != "open 192.0.2.0/24 22" {
		t.Errorf("%s %+v", d.Reason, d.Grant.External)
	}
	limits, err := ExternalLimits(s.one(), &s.server)
	if err != nil {
		t.Fatal(err)
	}
	allowed := enforce.Limits{Stanzas: []enforce.Allowance{{Stanza: 1, Source: anyone.Include, Bits4: 24, Ports: s.one().OpenPorts, MaxLifetime: s.one().AccessTimeout, External: limits}}}
	if err := allowed.Check(d.Grant, s.now); err != nil {
		t.Error(err)
	}
	d.Grant.External.Open[1] = "192.0.0.0/16"
	if err := allowed.Check(d.Grant, s.now); err == nil {
		t.Error("a command for another prefix is allowed")
	}
}

// TestExplainAddresses: explain says which addresses are let in, and why.
func TestExplainAddresses(t *testing.T) {
	s := plain()
	s.src, s.one().GrantAddress, s.one().GrantPrefix.V4 = netip.MustParseAddr("198.51.100.9"), conf.AddressBoth, 24
	trace := s.engine(t).Explain(s.now, s.event(s.wire(t)))
	want := "192.0.2.7 is asked for, which means 192.0.2.7, the packet came from 198.51.100.9: " +
		"GRANT_ADDRESS both, GRANT_PREFIX 24/ lets in 192.0.2.0/24 and 198.51.100.0/24"
	for _, c := range trace.Stanzas[0].Checks {
		if c.Name == "address" && c.Detail.Text != want {
			t.Errorf("%q, want %q", c.Detail.Text, want)
		}
	}
}
