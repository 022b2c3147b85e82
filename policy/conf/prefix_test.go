package conf

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fwknopd/enforce"
)

func TestPrefixLengths(t *testing.T) {
	for text, want := range map[string]PrefixLengths{
		"24/64": {24, 64}, "24/": {V4: 24}, "/64": {V6: 64}, " 24 / 64 ": {24, 64}, "8/32": {8, 32}, "32/128": {}, "31/127": {31, 127}, "32/64": {V6: 64},
	} {
		if got, err := ParsePrefixLengths(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"24": "24/", "64": "/64", "": "", "/": "no length", "7/64": "IPv4", "33/64": "IPv4", "24/31": "IPv6", "24/129": "IPv6", "0/0": "IPv4", "-8/": "IPv4",
		"24/64/1": "IPv6", "a/64": "IPv4", "24/::": "IPv6", "1e1/": "IPv4", "192.0.2.0/24": "IPv4",
	} {
		got, err := ParsePrefixLengths(text)
		if err == nil || !strings.Contains(err.Error()+meant(err), want) {
			t.Errorf("%q is %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

// meant is the spelling that an error suggests.
func meant(err error) string {
	if m, ok := err.(misspelled); ok {
		return m.meant
	}
	return ""
}

func TestPrefixWithin(t *testing.T) {
	for _, c := range []struct {
		l, widest PrefixLengths
		within    bool
		capped    PrefixLengths
	}{
		{PrefixLengths{24, 64}, PrefixLengths{24, 64}, true, PrefixLengths{24, 64}},
		{PrefixLengths{28, 0}, PrefixLengths{24, 64}, true, PrefixLengths{28, 0}},
		{PrefixLengths{20, 64}, PrefixLengths{24, 64}, false, PrefixLengths{0, 64}},
		{PrefixLengths{24, 64}, PrefixLengths{24, 0}, false, PrefixLengths{24, 0}},
		{PrefixLengths{24, 64}, PrefixLengths{}, false, PrefixLengths{}},
		{PrefixLengths{}, PrefixLengths{}, true, PrefixLengths{}},
	} {
		if got := c.l.Within(c.widest); got != c.within || c.l.Cap(c.widest) != c.capped {
			t.Errorf("%+v within %+v: %v, %+v", c.l, c.widest, got, c.l.Cap(c.widest))
		}
	}
}

func TestPrefixOf(t *testing.T) {
	l := PrefixLengths{24, 56}
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "2001:db8:1:2ff::7": "2001:db8:1:200::/56",
		// Of these the prefix says nothing of the client.
		"127.0.0.9": "127.0.0.9/32", "169.254.3.4": "169.254.3.4/32", "::1": "::1/128", "fe80::1": "fe80::1/128",
		"64:ff9b::c000:207": "64:ff9b::c000:207/128", "64:ff9b:1::1": "64:ff9b:1::1/128", "2001:0:1::1": "2001:0:1::1/128",
	} {
		if got := l.Of(netip.MustParseAddr(text)); got.String() != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestPrefixOfOneSite: of addresses in whose prefix each site has a fixed length, no shorter one
// counts, which would be that of other sites.
func TestPrefixOfOneSite(t *testing.T) {
	for _, c := range []struct {
		bits       uint8
		addr, want string
	}{
		{32, "2002:c000:207:1::7", "2002:c000:207::/48"}, {47, "2002:c000:207:1::7", "2002:c000:207::/48"},
		{48, "2002:c000:207:1::7", "2002:c000:207::/48"}, {56, "2002:c000:207:1ff::7", "2002:c000:207:100::/56"},
		{40, "fd12:3456:789a:1::7", "fd12:3456:789a::/48"}, {64, "fd12:3456:789a:1::7", "fd12:3456:789a:1::/64"},
		{40, "2001:db8:789a:1::7", "2001:db8:7800::/40"}, {32, "2003:c000:207::7", "2003:c000::/32"},
		{64, "2001:20::1", "2001:20::1/128"}, {64, "2001:2f:1::1", "2001:2f:1::1/128"}, {64, "2001:30::1", "2001:30::/64"},
		{0, "2002:c000:207:1::7", "2002:c000:207:1::7/128"},
	} {
		if got := (PrefixLengths{V6: c.bits}).Of(netip.MustParseAddr(c.addr)); got.String() != c.want {
			t.Errorf("/%d of %s: %s, want %s", c.bits, c.addr, got, c.want)
		}
	}
}

func TestNetsOverlap(t *testing.T) {
	for _, c := range []struct{ nets, prefix, want string }{
		{"192.0.2.7", "192.0.2.0/24", "192.0.2.7/32"},
		{"192.0.0.0/16", "192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.3.0/24", "192.0.2.0/24", ""},
		{"ANY", "2001:db8::/64", "2001:db8::/64"},
		{"ANY, !192.0.0.0/16", "192.0.2.0/24", ""},
		{"ANY, !192.0.2.7", "192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.7, !192.0.2.7", "192.0.2.0/24", ""},
		{"ANY, !192.0.2.0/25, !192.0.2.128/25", "192.0.2.0/24", "192.0.2.0/24"}, // in doubt there is one
		{"NONE", "192.0.2.0/24", ""},
	} {
		n, err := parseNets(c.nets)
		if err != nil {
			t.Fatal(err)
		}
		part, ok := n.Overlap(netip.MustParsePrefix(c.prefix))
		if got := part.String(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s in %s: %s, %v; want %s", c.prefix, c.nets, got, ok, c.want)
		}
	}
}

// TestGrantKeywords: what GRANT_PREFIX and GRANT_ADDRESS need.
func TestGrantKeywords(t *testing.T) {
	const widest = "MAX_GRANT_PREFIX 24/64;\n"
	for _, tt := range []struct {
		name, server, access string
		want                 []string
	}{
		{"all is well", widest, c26("GRANT_PREFIX 24/64", "GRANT_ADDRESS both"), nil},
		{"longer, 1.9", widest, perl19("GRANT_PREFIX: 28/;", "GRANT_ADDRESS: packet;"), nil},
		{"no MAX_GRANT_PREFIX", "", c26("GRANT_PREFIX 24/"), []string{
			"access.conf:3: GRANT_PREFIX: 24/ needs MAX_GRANT_PREFIX 24/ in fwknop.conf, which allows single addresses alone"}},
		{"single addresses alone", "MAX_GRANT_PREFIX 32/128;\n", c26("GRANT_PREFIX 24/"), []string{
			"access.conf:3: GRANT_PREFIX: 24/ needs MAX_GRANT_PREFIX 24/ in fwknop.conf, which allows single addresses alone"}},
		{"wider", widest, c26("GRANT_PREFIX 23/64"), []string{"access.conf:3: GRANT_PREFIX: 23/64 is wider than MAX_GRANT_PREFIX 24/64 of fwknop.conf"}},
		{"the other family", "MAX_GRANT_PREFIX /64;\n", c26("GRANT_PREFIX 24/64"), []string{
			"access.conf:3: GRANT_PREFIX: 24/64 is wider than MAX_GRANT_PREFIX /64 of fwknop.conf"}},
		{"no slash", widest, c26("GRANT_PREFIX 24"), []string{
			`access.conf:3: GRANT_PREFIX: "24" is not a length for IPv4, a slash and one for IPv6 (did you mean 24/?)`}},
		{"an address", widest, c26("GRANT_PREFIX 32/128"), []string{"access.conf:3: warning: GRANT_PREFIX: has no effect: it is the length of an address"}},
		{"no such address", widest, c26("GRANT_ADDRESS outside"), []string{`access.conf:3: GRANT_ADDRESS: "outside" is not one of inside, packet, both`}},
		{"sequence in clear", widest, "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1, udp/2;\nGRANT_ADDRESS: packet;\nGRANT_PREFIX: 24/64;\n", []string{
			"access.conf:4: warning: GRANT_ADDRESS: has no effect: a sequence in clear holds no address"}},
		{"both and commands", widest, c26("CMD_CYCLE_OPEN /bin/o $SRC", "CMD_CYCLE_CLOSE NONE", "GRANT_ADDRESS both"), []string{
			"access.conf:5: GRANT_ADDRESS: both is for rules of the firewall, a command is run for one address: CMD_CYCLE_OPEN has the other one in $PKT_SRC"}},
		{"opens nothing", widest, perl19("DISABLE_FW_ACCESS;", "ENABLE_CMD_EXEC;", "GRANT_PREFIX: 24/;"), []string{
			"access.conf:6: warning: GRANT_PREFIX: has no effect with DISABLE_FW_ACCESS"}},
	} {
		_, _, _, problems := loadText(tt.server, tt.access)
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// FuzzPrefixLengths: what is read is within the bounds, reads back the same, and its prefix
// of an address has the address in it.
func FuzzPrefixLengths(f *testing.F) {
	for _, text := range []string{"24/64", "24/", "/64", "32/128", "24", "/", "8/32", "24/64/1"} {
		f.Add(text, []byte{192, 0, 2, 7})
	}
	f.Fuzz(func(t *testing.T, text string, addr []byte) {
		l, err := ParsePrefixLengths(text)
		if err != nil {
			if !l.IsZero() {
				t.Errorf("%q is %+v in spite of %v", text, l, err)
			}
			return
		}
		if l.V4 != 0 && (l.V4 < enforce.MinBits4 || l.V4 >= 32) || l.V6 != 0 && (l.V6 < enforce.MinBits6 || l.V6 >= 128) {
			t.Errorf("%q is %+v", text, l)
		}
		if again, err := ParsePrefixLengths(l.String()); !l.IsZero() && (err != nil || again != l) {
			t.Errorf("%q is %+v, and %s is %+v, %v", text, l, l, again, err)
		}
		if !l.Within(l) || l.Cap(l) != l || !l.Cap(PrefixLengths{}).IsZero() {
			t.Errorf("%q is not within itself", text)
		}
		a, ok := netip.AddrFromSlice(addr)
		if p := l.Of(a); ok && (!p.Contains(a) || p != p.Masked()) {
			t.Errorf("%q: %s of %s", text, p, a)
		}
	})
}
