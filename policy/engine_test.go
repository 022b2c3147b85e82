package policy

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

var (
	t0     = time.Unix(1700000000, 0).UTC()
	anyone = conf.Nets{Include: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
	client = netip.MustParseAddr("192.0.2.7")
	server = netip.MustParseAddr("198.51.100.1")
)

const passphrase = "an encryption key of 30 bytes!"

func nets(s ...string) conf.Nets {
	var n conf.Nets
	for _, p := range s {
		if ex, ok := strings.CutPrefix(p, "!"); ok {
			n.Exclude = append(n.Exclude, netip.MustParsePrefix(ex))
		} else {
			n.Include = append(n.Include, netip.MustParsePrefix(p))
		}
	}
	return n
}

// A situation is one packet and the configuration that it is decided by. plain makes one that
// is granted; each test changes what it is about.
type situation struct {
	server  conf.Server
	stanzas []conf.Stanza
	msg     spa.Message
	key     spa.Key
	src     netip.Addr
	now     time.Time
	opts    Options
	hostile bool // the message is one that no client would send
}

func plain() *situation {
	return &situation{
		server: conf.Server{Dialect: conf.C26, AuthModes: []string{"PCAP"}, Aging: true, MaxAge: 120 * time.Second,
			MinGPGLen: 400, CmdTimeout: 10 * time.Second, ExternalTimeout: 30 * time.Second},
		stanzas: []conf.Stanza{stanzaAt(1)},
		msg: spa.Message{User: "alice", Time: t0.Unix(), Version: "3.0.0", Type: spa.Access,
			Text: "192.0.2.7,tcp/22"},
		key: spa.Key{Passphrase: []byte(passphrase)},
		src: client,
		now: t0.Add(time.Second),
	}
}

func stanzaAt(line int) conf.Stanza {
	return conf.Stanza{
		Pos: conf.Pos{File: "access.conf", Line: line}, Source: anyone, SourceAddress: anyone,
		Key: conf.NewSecret([]byte(passphrase)), OpenPorts: []conf.Port{{Proto: 6, Number: 22}},
		PermitClientTimeout: true, AccessTimeout: 30 * time.Second, MaxAccessTimeout: 300 * time.Second,
	}
}

func (s *situation) engine(t testing.TB) *Engine {
	t.Helper()
	opts := s.opts
	opts.Server, opts.Access = &s.server, &conf.Access{Stanzas: s.stanzas}
	if opts.Store == nil {
		opts.Store = replay.NewMemory(replay.Options{})
	}
	e, err := NewEngine(opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (s *situation) wire(t testing.TB) []byte {
	t.Helper()
	opt := spa.EncodeOptions{Rand: rand.Reader}
	w, err := spa.Encode(&s.msg, s.key, opt)
	if s.hostile {
		var p []byte
		if p, err = spa.Plaintext(&s.msg, "1234567890123456"); err == nil {
			w, err = spa.Seal(p, s.key, opt)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// event is a UDP datagram from the situation's source.
func (s *situation) event(payload []byte) *parse.Event {
	return &parse.Event{Time: s.now, Src: netip.AddrPortFrom(s.src, 40000), Dst: netip.AddrPortFrom(server, 62201),
		Proto: parse.UDP, Origin: parse.OriginFrame, Len: uint16(28 + len(payload)), Payload: payload}
}

func (s *situation) decide(t testing.TB) Decision {
	t.Helper()
	return s.engine(t).Decide(s.now, s.event(s.wire(t)))
}

// show is a decision in a line, for tables.
func show(d Decision) string {
	var b strings.Builder
	switch {
	case d.Verdict == Ignore:
		return "ignore"
	case d.Command != nil:
		fmt.Fprintf(&b, "%s %q", d.Reason, d.Command.Text)
	case d.Verdict == Allow:
		fmt.Fprintf(&b, "%s %s", d.Reason, d.Grant.Key())
		if d.Grant.Expires.IsZero() {
			b.WriteString(" for ever")
		} else {
			fmt.Fprintf(&b, " until +%d", d.Grant.Expires.Unix()-t0.Unix())
		}
	default:
		b.WriteString(string(d.Reason))
	}
	if d.Shadow {
		b.WriteString(" shadow")
	}
	if d.Stanza != 1 {
		fmt.Fprintf(&b, " @%d", d.Stanza)
	}
	return b.String()
}

const granted = "spa.granted 192.0.2.7 tcp/22 until +31"

// one is the only stanza of the situation.
func (s *situation) one() *conf.Stanza { return &s.stanzas[0] }

// The rules of access.conf and fwknop.conf, one situation each.
func TestRules(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		name string
		set  func(*situation)
		want string
	}{
		{"nothing special", func(s *situation) {}, granted},

		// age
		{"as old as allowed", func(s *situation) { s.now = t0.Add(120*time.Second + 999*time.Millisecond) }, "spa.granted 192.0.2.7 tcp/22 until +150"},
		{"too old", func(s *situation) { s.now = t0.Add(121 * time.Second) }, "spa.stale"},
		{"as far ahead as allowed", func(s *situation) { s.now = t0.Add(-120 * time.Second) }, "spa.granted 192.0.2.7 tcp/22 until +-90"},
		{"from the future", func(s *situation) { s.now = t0.Add(-121 * time.Second) }, "spa.future"},
		{"too old, ageing off", func(s *situation) { s.server.Aging = false; s.now = t0.Add(time.Hour) }, "spa.granted 192.0.2.7 tcp/22 until +3630"},

		// stanza
		{"stanza before its end", func(s *situation) { s.one().Expires = t0.Add(2 * time.Second) }, granted},
		{"stanza at its end", func(s *situation) { s.one().Expires = t0.Add(time.Second) }, "spa.expired_stanza"},
		{"source elsewhere", func(s *situation) { s.one().Source = nets("10.0.0.0/8") }, "no_stanza @0"},
		{"source excluded", func(s *situation) { s.one().Source = nets("0.0.0.0/0", "!192.0.2.0/24") }, "no_stanza @0"},
		{"destination ours", func(s *situation) { s.one().Destination = nets("198.51.100.0/24") }, granted},
		{"destination elsewhere", func(s *situation) { s.one().Destination = nets("203.0.113.0/24") }, "no_stanza @0"},

		// Everything forwarded leads to no address of ours, whatever ENABLE_DESTINATION_RULE says.
		{"everything, with a destination rule", func(s *situation) {
			s.server.Forwarding, s.server.DestinationRule = true, true
			s.one().ForwardAll, s.one().ForceSNAT = true, netip.MustParseAddr("123.4.4.4")
		}, "spa.granted 192.0.2.7 all nat snat 123.4.4.4 until +31"},
		{"destination rule", func(s *situation) { s.server.DestinationRule = true }, "spa.granted 192.0.2.7 to 198.51.100.1 tcp/22 until +31"},

		// user
		{"user listed", func(s *situation) { s.one().Usernames = []string{"bob", "alice"} }, granted},
		{"user not listed", func(s *situation) { s.one().Usernames = []string{"bob", "Alice"} }, "spa.user"},

		// addresses
		{"for another address", func(s *situation) { s.msg.Text = "203.0.113.9,tcp/22" }, "spa.granted 203.0.113.9 tcp/22 until +31"},
		{"for an IPv6 address", func(s *situation) { s.msg.Text = "2001:db8::9,tcp/22" }, "spa.granted 2001:db8::9 tcp/22 until +31"},
		{"source address left to us", func(s *situation) { s.msg.Text = "0.0.0.0,tcp/22" }, granted},
		{"left to us in IPv6", func(s *situation) { s.msg.Text = "::,tcp/22" }, granted},
		{"left to us, nobody may", func(s *situation) { s.msg.Text = "0.0.0.0,tcp/22"; s.one().SourceAddress = conf.Nets{} }, "spa.source"},
		{"left to us, others may", func(s *situation) {
			s.msg.Text = "0.0.0.0,tcp/22"
			s.one().SourceAddress = nets("0.0.0.0/0", "!192.0.2.7/32")
		}, "spa.source"},
		{"left to us, global switch", func(s *situation) { s.msg.Text = "::,tcp/22"; s.server.RequireSourceAddress = true }, "spa.source"},
		{"real address, global switch", func(s *situation) { s.server.RequireSourceAddress = true }, granted},
		{"sender blacklisted", func(s *situation) { s.server.Blacklist = nets("192.0.2.0/24") }, "spa.source @0"},
		{"client blacklisted", func(s *situation) {
			s.server.Blacklist = nets("203.0.113.0/24")
			s.msg.Text = "203.0.113.9,tcp/22"
		}, "spa.source"},
		{"multicast client", func(s *situation) { s.msg.Text = "224.0.0.1,tcp/22" }, "spa.source"},

		// ports
		{"port not offered", func(s *situation) { s.msg.Text = "192.0.2.7,tcp/23" }, "spa.port"},
		{"protocol not offered", func(s *situation) { s.msg.Text = "192.0.2.7,udp/22" }, "spa.port"},
		{"one of two not offered", func(s *situation) { s.msg.Text = "192.0.2.7,tcp/22,tcp/23" }, "spa.port"},
		{"first of two not offered", func(s *situation) { s.msg.Text = "192.0.2.7,tcp/23,tcp/22" }, "spa.port"},
		{"both offered, sorted, once", func(s *situation) {
			s.msg.Text = "192.0.2.7,udp/53,tcp/22,udp/53"
			s.one().OpenPorts = append(s.one().OpenPorts, conf.Port{Proto: 17, Number: 53})
		}, "spa.granted 192.0.2.7 tcp/22 udp/53 until +31"},
		{"any port", func(s *situation) {
			s.one().OpenPorts, s.one().OpenPortsAny = nil, true
			s.msg.Text = "192.0.2.7,tcp/9"
		}, "spa.granted 192.0.2.7 tcp/9 until +31"},
		{"client's ports", func(s *situation) { s.one().PermitClientPorts = true; s.msg.Text = "192.0.2.7,tcp/9" }, "spa.granted 192.0.2.7 tcp/9 until +31"},
		{"restricted", func(s *situation) {
			s.one().OpenPortsAny, s.one().RestrictPorts = true, []conf.Port{{Proto: 6, Number: 22}}
		}, "spa.port"},
		{"not the restricted one", func(s *situation) {
			s.one().OpenPortsAny, s.one().RestrictPorts = true, []conf.Port{{Proto: 17, Number: 22}}
		}, granted},
		{"access disabled", func(s *situation) { s.one().DisableAccess = true }, "spa.port"},
		{"ICMP", func(s *situation) {
			s.one().Dialect, s.one().OpenPorts = conf.Perl19, []conf.Port{{Proto: 1}}
			s.msg.Perl19, s.msg.Version, s.msg.Text = true, "1.9.12", "192.0.2.7,icmp/0"
		}, "spa.granted 192.0.2.7 icmp until +31"},

		// timeouts
		{"client's time", func(s *situation) { s.timeout(60) }, "spa.granted 192.0.2.7 tcp/22 until +61"},
		{"client's time above the cap", func(s *situation) { s.timeout(5000) }, "spa.granted 192.0.2.7 tcp/22 until +301"},
		{"client asks for 0", func(s *situation) { s.timeout(0) }, granted},
		{"client may not ask", func(s *situation) { s.timeout(60); s.one().PermitClientTimeout = false }, "spa.timeout"},
		{"no end", func(s *situation) { s.one().AccessTimeout = 0 }, "spa.granted 192.0.2.7 tcp/22 for ever"},
		{"no end, but the client asks for one", func(s *situation) { s.one().AccessTimeout = 0; s.timeout(60) }, "spa.granted 192.0.2.7 tcp/22 until +61"},

		// output and destination rules
		{"output rule of 2.6", func(s *situation) { s.server.Output = true }, "spa.granted 192.0.2.7 tcp/22 output until +31"},
		{"output rule of 1.9 not asked for", func(s *situation) { s.server.Output, s.one().Dialect = true, conf.Perl19 }, granted},
		{"output rule of 1.9", func(s *situation) {
			s.server.Output, s.one().Dialect, s.one().OutputAccess = true, conf.Perl19, true
		}, "spa.granted 192.0.2.7 tcp/22 output until +31"},
		{"destination rule", func(s *situation) { s.server.DestinationRule = true }, "spa.granted 192.0.2.7 to 198.51.100.1 tcp/22 until +31"},
		{"destination of the other family", func(s *situation) {
			s.server.DestinationRule, s.msg.Text = true, "2001:db8::9,tcp/22"
		}, "spa.granted 2001:db8::9 tcp/22 until +31"},

		// commands
		{"command", func(s *situation) { s.command("uptime -p"); s.one().CmdExec = true }, `spa.command "uptime -p"`},
		{"command not enabled", func(s *situation) { s.command("uptime") }, "spa.cmd_disabled"},
		{"command of the regex", func(s *situation) {
			s.command("uptime")
			s.one().CmdExec, s.one().CmdRegex = true, regexp.MustCompile(`^192\.0\.2\.7,uptime$`)
		}, `spa.command "uptime"`},
		{"command outside the regex", func(s *situation) {
			s.command("uptime; reboot")
			s.one().CmdExec, s.one().CmdRegex = true, regexp.MustCompile(`,uptime$`)
		}, "spa.cmd_regex"},
		{"command from a stanza without access", func(s *situation) {
			s.command("uptime")
			s.one().CmdExec, s.one().DisableAccess = true, true
		}, `spa.command "uptime"`},
		{"command without address, nobody may", func(s *situation) {
			s.command("uptime")
			s.msg.Text = "0.0.0.0,uptime"
			s.one().CmdExec, s.one().SourceAddress = true, conf.Nets{}
		}, "spa.source"},
		{"command for a blacklisted client", func(s *situation) {
			s.command("uptime")
			s.msg.Text = "203.0.113.9,uptime"
			s.one().CmdExec, s.server.Blacklist = true, nets("203.0.113.0/24")
		}, "spa.source"},

		// keys
		{"another key", func(s *situation) { s.key.Passphrase = []byte("another key of some bytes") }, "spa.decrypt_failed"},
		{"hmac missing", func(s *situation) { s.one().HMACKey = conf.NewSecret([]byte("hmac")) }, "spa.hmac_mismatch"},
		{"hmac right", func(s *situation) {
			s.one().HMACKey, s.key.HMACKey = conf.NewSecret([]byte("hmac")), []byte("hmac")
		}, granted},
		{"digest type refused", func(s *situation) { s.msg.DigestType, s.server.DigestTypes = "md5", []string{"sha256"} }, "spa.digest_mismatch"},
		{"no port asked for", func(s *situation) { s.hostile = true; s.msg.Text = "192.0.2.7,none/0" }, "spa.malformed"},
		{"stanza without any key", func(s *situation) { s.one().Key = conf.Secret{} }, "ignore"},

		// several stanzas
		{"second stanza has the port", func(s *situation) {
			s.one().OpenPorts = []conf.Port{{Proto: 6, Number: 9}}
			s.stanzas = append(s.stanzas, stanzaAt(5))
		}, granted + " @5"},
		{"second stanza has the key", func(s *situation) {
			s.one().Key = conf.NewSecret([]byte("another key of some bytes"))
			s.stanzas = append(s.stanzas, stanzaAt(5))
		}, granted + " @5"},
		{"first of two grants", func(s *situation) { s.stanzas = append(s.stanzas, stanzaAt(5)) }, granted},
		{"refused twice: the one that came furthest speaks", func(s *situation) {
			s.msg.Text = "192.0.2.7,tcp/23"
			s.one().Usernames = []string{"bob"}
			s.stanzas = append(s.stanzas, stanzaAt(5), stanzaAt(9))
			s.stanzas[2].Key = conf.NewSecret([]byte("another key of some bytes"))
		}, "spa.port @5"},
		{"refused twice alike: the first speaks", func(s *situation) {
			s.msg.Text = "192.0.2.7,tcp/23"
			s.stanzas = append(s.stanzas, stanzaAt(5))
		}, "spa.port"},

		// modes
		{"stanza with a sequence", func(s *situation) { s.one().Mode = conf.ModeShared }, "ignore"},
		{"not an SPA mode", func(s *situation) { s.server.AuthModes = []string{"KNOCK"} }, "ignore"},
		{"not an SPA mode, offline", func(s *situation) { s.server.AuthModes, s.opts.All = []string{"KNOCK"}, true }, granted},
		{"outside the filter", func(s *situation) { s.opts.Filter = func(*parse.Event) bool { return false } }, "ignore"},
		{"IPv6 sender", func(s *situation) { s.src, s.msg.Text = addr("2001:db8::7"), "::,tcp/22" }, "spa.granted 2001:db8::7 tcp/22 until +31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			tt.set(s)
			if got := show(s.decide(t)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func (s *situation) timeout(seconds uint32) {
	s.msg.Type, s.msg.HasTimeout, s.msg.Timeout = spa.AccessTimeout, true, seconds
}

func (s *situation) command(text string) {
	s.msg.Type, s.msg.Text = spa.Command, "192.0.2.7,"+text
}

// What a message may make of NAT, by the switches and by the dialect of the
// client.
func TestNAT(t *testing.T) {
	ask := func(s *situation, typ spa.Type, text, nat string) {
		s.msg.Type, s.msg.Text, s.msg.NAT = typ, text, nat
	}
	perl := func(s *situation) {
		s.msg.Version, s.msg.Perl19 = "1.9.12", true
		st := s.one()
		st.Dialect, st.ForwardAccess = conf.Perl19, true
	}
	tests := []struct {
		name string
		set  func(*situation)
		want string
	}{
		{"forward, 2.x: outside port in the message", func(s *situation) {
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.5:8022 until +31"},
		{"forward, 1.x: outside port in the nat field", func(s *situation) {
			perl(s)
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,55000")
		}, "spa.granted 192.0.2.7 tcp/55000 nat 10.0.0.5:22 until +31"},
		{"forward with a time", func(s *situation) {
			ask(s, spa.NATAccessTimeout, "192.0.2.7,tcp/22", "10.0.0.5,8022")
			s.msg.HasTimeout, s.msg.Timeout = true, 60
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.5:8022 until +61"},
		{"message port decides OPEN_PORTS in 1.x too", func(s *situation) {
			perl(s)
			ask(s, spa.NATAccess, "192.0.2.7,tcp/23", "10.0.0.5,22")
		}, "spa.port"},
		{"forwarding off", func(s *situation) {
			s.server.Forwarding = false
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.nat"},
		{"1.9 stanza does not forward", func(s *situation) {
			perl(s)
			s.one().ForwardAccess = false
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,55000")
		}, "spa.nat"},
		{"1.9 forward stanza serves nothing else", func(s *situation) { perl(s) }, "spa.nat"},
		{"target outside INTERNAL_NET_ACCESS", func(s *situation) {
			s.one().InternalNets = nets("10.0.0.0/8", "!10.0.0.5/32")
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.nat"},
		{"loopback as target", func(s *situation) { ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "127.0.0.1,22") }, "spa.nat"},
		{"another address of loopback", func(s *situation) { ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "127.8.9.1,22") }, "spa.nat"},
		{"loopback as local target", func(s *situation) {
			s.server.LocalNAT = true
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/22", "127.0.0.1,22")
		}, "spa.nat"},
		{"target inside", func(s *situation) {
			s.one().InternalNets = nets("10.0.0.0/8")
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.5:8022 until +31"},
		{"two ports", func(s *situation) {
			s.one().OpenPortsAny = true
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22,tcp/23", "10.0.0.5,8022")
		}, "spa.nat"},
		{"families differ", func(s *situation) { ask(s, spa.NATAccess, "2001:db8::9,tcp/22", "10.0.0.5,8022") }, "spa.nat"},
		{"both IPv6", func(s *situation) { ask(s, spa.NATAccess, "2001:db8::9,tcp/22", "2001:db8:1::5,8022") }, "spa.granted 2001:db8::9 tcp/22 nat [2001:db8:1::5]:8022 until +31"},

		{"local, 2.x", func(s *situation) {
			s.one().OpenPortsAny = true
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/55022", "198.51.100.1,22")
		}, "spa.granted 192.0.2.7 tcp/55022 nat 198.51.100.1:22 local until +31"},
		{"local, 1.x", func(s *situation) {
			perl(s)
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/22", "198.51.100.1,55022")
			s.one().ForwardAccess = false
		}, "spa.granted 192.0.2.7 tcp/55022 nat 198.51.100.1:22 local until +31"},
		{"local off", func(s *situation) {
			s.server.LocalNAT = false
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/22", "198.51.100.1,22")
		}, "spa.nat"},

		{"FORCE_NAT of a plain request", func(s *situation) { s.one().ForceNAT = netip.MustParseAddrPort("10.0.0.9:2222") },
			"spa.granted 192.0.2.7 tcp/22 nat 10.0.0.9:2222 until +31"},
		{"FORCE_NAT beats the request", func(s *situation) {
			s.one().ForceNAT = netip.MustParseAddrPort("10.0.0.9:2222")
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.9:2222 until +31"},
		{"FORCE_NAT with forwarding off", func(s *situation) {
			s.server.Forwarding, s.server.LocalNAT = false, false
			s.one().ForceNAT = netip.MustParseAddrPort("10.0.0.9:2222")
		}, "spa.nat"},
		{"FORCE_NAT does not switch forwarding on", func(s *situation) {
			s.server.Forwarding = false
			s.one().ForceNAT = netip.MustParseAddrPort("10.0.0.9:2222")
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.nat"},
		{"FORCE_NAT does not switch local NAT on", func(s *situation) {
			s.server.LocalNAT = false
			s.one().ForceNAT = netip.MustParseAddrPort("10.0.0.9:2222")
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/22", "198.51.100.1,22")
		}, "spa.nat"},
		{"FORWARD_ALL of a plain request", func(s *situation) { s.one().ForwardAll = true }, "spa.granted 192.0.2.7 tcp/22 until +31"},
		{"FORWARD_ALL", func(s *situation) {
			s.one().ForwardAll = true
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 all nat 10.0.0.5:0 until +31"},
		{"FORWARD_ALL without DNAT", func(s *situation) {
			s.one().ForwardAll, s.one().DisableDNAT = true, true
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 to 10.0.0.5 all nat until +31"},
		{"FORWARD_ALL of a local request", func(s *situation) {
			s.one().ForwardAll = true
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/22", "198.51.100.1,22")
		}, "spa.granted 192.0.2.7 tcp/22 nat 198.51.100.1:22 local until +31"},
		{"FORWARD_ALL to one host", func(s *situation) {
			s.one().ForwardAll, s.one().ForceNAT = true, netip.MustParseAddrPort("10.0.0.9:2222")
		}, "spa.granted 192.0.2.7 all nat 10.0.0.9:0 until +31"},
		{"FORWARD_ALL as 2.x spells it", func(s *situation) {
			s.one().ForwardAll, s.one().ForceNAT = true, netip.MustParseAddrPort("0.0.0.0:0")
		}, "spa.granted 192.0.2.7 all nat until +31"},
		{"FORWARD_ALL still wants an offered port", func(s *situation) {
			s.one().ForwardAll, s.msg.Text = true, "192.0.2.7,tcp/9"
		}, "spa.port"},
		{"DISABLE_DNAT opens the inside port", func(s *situation) {
			s.one().DisableDNAT = true
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 to 10.0.0.5 tcp/8022 nat until +31"},

		{"SNAT address of the server", func(s *situation) {
			s.server.SNAT, s.server.SNATAddr = true, netip.MustParseAddr("10.0.0.1")
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.5:8022 snat 10.0.0.1 until +31"},
		{"masquerade of the server", func(s *situation) {
			s.server.SNAT = true
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "10.0.0.5,8022")
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.5:8022 masquerade until +31"},
		{"FORCE_SNAT before the server's", func(s *situation) {
			s.server.SNAT, s.server.SNATAddr = true, netip.MustParseAddr("10.0.0.1")
			s.one().ForceNAT, s.one().ForceSNAT = netip.MustParseAddrPort("10.0.0.9:2222"), netip.MustParseAddr("10.0.0.2")
		}, "spa.granted 192.0.2.7 tcp/22 nat 10.0.0.9:2222 snat 10.0.0.2 until +31"},
		{"FORCE_MASQUERADE before the server's", func(s *situation) {
			s.server.SNAT, s.server.SNATAddr = true, netip.MustParseAddr("10.0.0.1")
			s.one().ForwardAll, s.one().ForceMasquerade = true, true
		}, "spa.granted 192.0.2.7 all nat masquerade until +31"},
		{"no SNAT for local NAT", func(s *situation) {
			s.server.SNAT = true
			ask(s, spa.LocalNATAccess, "192.0.2.7,tcp/22", "198.51.100.1,22")
		}, "spa.granted 192.0.2.7 tcp/22 nat 198.51.100.1:22 local until +31"},

		{"host name that resolves", func(s *situation) { ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "inside.example,8022") },
			"spa.granted 192.0.2.7 tcp/22 nat 10.0.0.77:8022 until +31"},
		{"host name that does not", func(s *situation) { ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "nowhere.example,8022") }, "spa.nat"},
		{"host name outside INTERNAL_NET_ACCESS", func(s *situation) {
			s.one().InternalNets = nets("172.16.0.0/12")
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "inside.example,8022")
		}, "spa.nat"},
		{"host names off", func(s *situation) {
			s.server.NATDNS = false
			ask(s, spa.NATAccess, "192.0.2.7,tcp/22", "inside.example,8022")
		}, "spa.nat"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			s.server.Forwarding, s.server.LocalNAT, s.server.NATDNS = true, true, true
			s.opts.Resolve = func(host string) ([]netip.Addr, error) {
				if host == "inside.example" { // the client's family counts
					return []netip.Addr{netip.MustParseAddr("2001:db8::77"), netip.MustParseAddr("10.0.0.77")}, nil
				}
				return nil, errors.New("no such host")
			}
			tt.set(s)
			if got := show(s.decide(t)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCommandTakesItsStanzasWord(t *testing.T) {
	s := plain()
	s.command("/usr/bin/id")
	st := s.one()
	st.CmdExec, st.CmdUser, st.CmdGroup = true, "nobody", "nogroup"
	st.CmdSudo, st.CmdSudoUser, st.CmdSudoGroup, st.CmdShell = true, "operator", "wheel", true
	want := Command{Text: "/usr/bin/id", From: "192.0.2.7", User: "nobody", Group: "nogroup", Sudo: true, SudoUser: "operator",
		SudoGroup: "wheel", Shell: true, Timeout: 10 * time.Second, Src: client}
	if d := s.decide(t); d.Command == nil || *d.Command != want {
		t.Errorf("command %+v, want %+v", d.Command, want)
	}
}

func TestReplays(t *testing.T) {
	s := plain()
	e := s.engine(t)
	ev := s.event(s.wire(t))
	if got := show(e.Decide(s.now, ev)); got != granted {
		t.Fatal(got)
	}
	ev.Src = netip.MustParseAddrPort("203.0.113.66:1")
	d := e.Decide(s.now.Add(time.Second), ev)
	if show(d) != "spa.replay" || d.User != "alice" {
		t.Fatalf("again: %s by %q", show(d), d.User)
	}
	if d.Detail.FirstSeen == nil || !d.Detail.FirstSeen.Equal(s.now) || d.Detail.FirstSrc != "192.0.2.7" {
		t.Errorf("detail %+v", d.Detail)
	}
}

// A replayed record without a time is refused by every rule that needs one.
func TestUntimedPackets(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*situation)
		want string
	}{
		{"age", func(*situation) {}, "spa.stale"},
		{"end of the grant", func(s *situation) { s.server.Aging = false }, "spa.stale"},
		{"end of the stanza", func(s *situation) { s.server.Aging, s.one().Expires = false, t0.Add(time.Hour) }, "spa.expired_stanza"},
		{"end that the client asks for", func(s *situation) { s.server.Aging, s.one().AccessTimeout = false, 0; s.timeout(9) }, "spa.stale"},
		{"no rule needs a time", func(s *situation) { s.server.Aging, s.one().AccessTimeout = false, 0 }, "spa.granted 192.0.2.7 tcp/22 for ever"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plain()
			c.set(s)
			e := s.engine(t)
			ev := s.event(s.wire(t))
			ev.Time = time.Time{}
			d := e.Decide(time.Time{}, ev)
			if show(d) != c.want || d.Verdict == Deny && !strings.Contains(d.Detail.Text, knock.NoTime) || d.Detail.AgeS != nil {
				t.Errorf("%s, detail %+v, want %s", show(d), d.Detail, c.want)
			}
			if d := e.Decide(time.Time{}, ev); show(d) != "spa.replay" || d.Detail.FirstSeen != nil {
				t.Errorf("again: %s, first seen %v", show(d), d.Detail.FirstSeen)
			}
		})
	}
}

// A message is recorded as soon as it is known to be authentic: refusing it does
// not keep it fresh for a thief.
func TestRefusedMessagesAreRememberedToo(t *testing.T) {
	s := plain()
	s.now = t0.Add(-10 * time.Minute)
	e := s.engine(t)
	ev := s.event(s.wire(t))
	if got := show(e.Decide(s.now, ev)); got != "spa.future" {
		t.Fatal(got)
	}
	if got := show(e.Decide(t0, ev)); got != "spa.replay" {
		t.Errorf("when its time has come: %s", got)
	}
}

// brokenStore fails where it is told to.
type brokenStore struct {
	*replay.Memory
	add, sync error
	synced    int
}

func (b *brokenStore) Add(p *replay.Packet) (replay.First, bool, error) {
	if b.add != nil {
		return replay.First{}, false, b.add
	}
	return b.Memory.Add(p)
}

func (b *brokenStore) Sync() error { b.synced++; return b.sync }

func TestNothingIsGrantedUnrecorded(t *testing.T) {
	full := errors.New("disk full")
	for name, store := range map[string]*brokenStore{"add": {add: full}, "sync": {sync: full}} {
		store.Memory = replay.NewMemory(replay.Options{})
		s := plain()
		s.opts.Store = store
		if got := show(s.decide(t)); got != "spa.store" {
			t.Errorf("%s fails: %s", name, got)
		}
	}
}

// After a failed Sync nothing of a decision grants, and each stanza that would have says why.
func TestUnrecordedDecisions(t *testing.T) {
	grants := func(mode string, stanza int) Decision {
		return Decision{Verdict: Allow, Reason: KnockGranted, Mode: mode, Src: client, Stanza: stanza, User: "joe", Grant: enforce.Grant{Src: client}}
	}
	message, knocked, shadow := grants(ModeSPA, 1), grants(ModeKnock, 2), grants(ModeKnock, 3)
	shadow.Shadow = true
	stale := Decision{Verdict: Deny, Reason: SPAStale, Mode: ModeSPA, Src: client, Stanza: 4, Others: []Decision{shadow}}
	message.Others = []Decision{knocked, stale}
	got := message.Unrecorded(errors.New("disk full"))
	var said []string
	for _, d := range []Decision{got, got.Others[0], got.Others[1], got.Others[1].Others[0]} {
		if d.Verdict != Deny || d.Grant.Src.IsValid() || d.Src != client {
			t.Errorf("%+v", d)
		}
		said = append(said, fmt.Sprintf("%s %d %v %s", d.Reason, d.Stanza, d.Shadow, d.Detail.Text))
	}
	want := "spa.store 1 false disk full, knock.store 2 false disk full, spa.stale 4 false , knock.store 3 true disk full"
	if s := strings.Join(said, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	if message.Others[0].Verdict != Allow {
		t.Error("the decision itself has changed")
	}
}

// A message older than the records kept is refused: as too old with ageing on, as
// perhaps seen otherwise.
func TestForgottenMessages(t *testing.T) {
	for want, set := range map[string]func(*situation){
		"spa.stale":  func(s *situation) { s.now = t0.Add(time.Hour) },
		"spa.replay": func(s *situation) { s.server.Aging, s.now = false, t0.Add(time.Hour) },
	} {
		s := plain()
		s.opts.Store = &brokenStore{Memory: replay.NewMemory(replay.Options{}), add: replay.ErrForgotten}
		set(s)
		if got := show(s.decide(t)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestDeferredSync(t *testing.T) {
	store := &brokenStore{Memory: replay.NewMemory(replay.Options{})}
	s := plain()
	s.opts.Store, s.opts.DeferSync = store, true
	e := s.engine(t)
	for range 3 {
		if got := show(e.Decide(s.now, s.event(s.wire(t)))); got != granted {
			t.Fatal(got)
		}
	}
	if store.synced != 0 {
		t.Errorf("%d syncs before Sync", store.synced)
	}
	for range 2 {
		if err := e.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if store.synced != 1 {
		t.Errorf("%d syncs, want 1", store.synced)
	}
}

func TestShadowStanzas(t *testing.T) {
	shadow := func(line int) conf.Stanza { st := stanzaAt(line); st.Shadow = true; return st }
	tests := []struct {
		name    string
		stanzas []conf.Stanza
		text    string
		want    string
		also    []string
	}{
		{"alone", []conf.Stanza{shadow(1)}, "192.0.2.7,tcp/22", granted + " shadow", nil},
		{"before a real one", []conf.Stanza{shadow(1), stanzaAt(5)}, "192.0.2.7,tcp/22", granted + " @5", []string{granted + " shadow"}},
		{"behind a real one: not reached", []conf.Stanza{stanzaAt(1), shadow(5)}, "192.0.2.7,tcp/22", granted, nil},
		{"all refuse", []conf.Stanza{shadow(1), stanzaAt(5)}, "192.0.2.7,tcp/9", "spa.port @5", []string{"spa.port shadow"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			s.stanzas, s.msg.Text = tt.stanzas, tt.text
			d := s.decide(t)
			if show(d) != tt.want {
				t.Errorf("\n got %s\nwant %s", show(d), tt.want)
			}
			var also []string
			for _, a := range d.Others {
				also = append(also, show(a))
			}
			if strings.Join(also, "|") != strings.Join(tt.also, "|") {
				t.Errorf("also %q, want %q", also, tt.also)
			}
		})
	}
}

// A replay is a replay, whichever stanza finds it out.
func TestReplayOfAShadowsPacket(t *testing.T) {
	s := plain()
	shadow := stanzaAt(1)
	shadow.Shadow = true
	s.stanzas = []conf.Stanza{shadow, stanzaAt(5)}
	e := s.engine(t)
	ev := s.event(s.wire(t))
	e.Decide(s.now, ev)
	if d := e.Decide(s.now, ev); d.Reason != SPAReplay || d.Shadow || len(d.Others) > 0 {
		t.Errorf("%s %+v", show(d), d.Others)
	}
}

func TestXForwardedFor(t *testing.T) {
	s := plain()
	s.msg.Text = "0.0.0.0,tcp/22"
	s.server.OverHTTP, s.server.XForwardedFor = true, true
	text := strings.NewReplacer("+", "-", "/", "_").Replace(string(s.wire(t)))
	ev := s.event([]byte("GET /" + text + " HTTP/1.1\r\nUser-Agent: Fwknop/2.6\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"))
	ev.Proto = parse.TCP
	if got := show(s.engine(t).Decide(s.now, ev)); got != "spa.granted 203.0.113.5 tcp/22 until +31" {
		t.Error(got)
	}
	s.server.Blacklist = nets("203.0.113.0/24")
	if got := show(s.engine(t).Decide(s.now, ev)); got != "spa.source" {
		t.Errorf("blacklisted: %s", got)
	}
}

func TestWhatIsNobodysBusiness(t *testing.T) {
	s := plain()
	spaText := s.wire(t)
	tests := []struct {
		name string
		set  func(*parse.Event)
		want string
	}{
		{"the packet itself", func(ev *parse.Event) {}, granted},
		{"text", func(ev *parse.Event) { ev.Payload = []byte(strings.Repeat("hello, world. ", 20)) }, "ignore"},
		{"base64 of something else", func(ev *parse.Event) { ev.Payload = []byte(strings.Repeat("aGVsbG8g", 20)) }, "ignore"},
		{"empty", func(ev *parse.Event) { ev.Payload = nil }, "ignore"},
		{"short", func(ev *parse.Event) { ev.Payload = spaText[:139] }, "ignore"},
		{"long", func(ev *parse.Event) { ev.Payload = []byte("8" + strings.Repeat("A", 1500)) }, "ignore"},
		{"damaged", func(ev *parse.Event) {
			ev.Payload = bytes.Clone(spaText)
			ev.Payload[40] = "AB"[spaText[40]&1] // 'A' is odd
		}, "ignore or spa.decrypt_failed"},
		{"a log line", func(ev *parse.Event) { ev.Origin = parse.OriginKernel }, "ignore"},
		{"a fragment", func(ev *parse.Event) { ev.Fragment = true }, "ignore"},
		{"another protocol", func(ev *parse.Event) { ev.Proto = 47 }, "ignore"},
		{"over TCP", func(ev *parse.Event) { ev.Proto = parse.TCP }, granted},
		{"over ICMP", func(ev *parse.Event) { ev.Proto = parse.ICMP }, granted},
		{"from a stranger, shaped like SPA", func(ev *parse.Event) { ev.Src = netip.MustParseAddrPort("10.9.9.9:1") }, "no_stanza @0"},
		{"from a stranger, junk", func(ev *parse.Event) {
			ev.Src, ev.Payload = netip.MustParseAddrPort("10.9.9.9:1"), []byte(strings.Repeat("aGVsbG8g", 20))
		}, "ignore"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.one().Source = nets("192.0.2.0/24")
			ev := s.event(spaText)
			tt.set(ev)
			got := show(s.engine(t).Decide(s.now, ev))
			if got != tt.want && !(strings.HasPrefix(tt.want, "ignore or ") && strings.Contains(tt.want, got)) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRestrictInterface(t *testing.T) {
	s := plain()
	s.one().Interface = "eth0"
	for in, want := range map[string]string{"": granted, "eth0": granted, "eth1": "no_stanza @0"} {
		ev := s.event(s.wire(t))
		if in != "" {
			ev.In = []byte(in)
		}
		if got := show(s.engine(t).Decide(s.now, ev)); got != want {
			t.Errorf("in %q: %s, want %s", in, got, want)
		}
	}
}

func TestIgnoredPacketsCostNoAllocation(t *testing.T) {
	s := plain()
	s.one().Source = nets("192.0.2.0/24")
	s.one().HMACKey = conf.NewSecret([]byte("an hmac key"))
	e := s.engine(t)
	junk := s.event([]byte(strings.Repeat("aGVsbG8g", 20)))
	stranger := s.event(junk.Payload)
	stranger.Src = netip.MustParseAddrPort("10.9.9.9:1")
	forged := s.event([]byte("8" + strings.Repeat("aGVsbG8g", 30)))
	line := s.event(nil)
	for name, ev := range map[string]*parse.Event{"junk": junk, "stranger": stranger, "log line": line} {
		if n := testing.AllocsPerRun(100, func() { e.Decide(s.now, ev) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if got := show(e.Decide(s.now, forged)); got != "spa.hmac_mismatch" {
		t.Errorf("forged: %s", got)
	}
}

// TestGrantAllocations: a message that grants costs the key schedule, the text of the message, and
// the list of ports.
func TestGrantAllocations(t *testing.T) {
	s := plain()
	s.one().HMACKey, s.key.HMACKey = conf.NewSecret([]byte("an hmac key")), []byte("an hmac key")
	const runs = 200 // among which growing the store does not count
	e, fresh := s.engine(t), make([]*parse.Event, 0, runs+1)
	for range runs + 1 {
		fresh = append(fresh, s.event(s.wire(t)))
	}
	i := 0
	if n := testing.AllocsPerRun(runs, func() {
		if d := e.Decide(s.now, fresh[i]); d.Verdict != Allow {
			t.Fatal(show(d))
		}
		i++
	}); n > 3 {
		t.Errorf("%v allocations", n)
	}
}

// TestRefusals: what the stanzas before the one that grants said.
func TestRefusals(t *testing.T) {
	s := plain()
	s.stanzas = append(s.stanzas, stanzaAt(5))
	s.one().OpenPorts = []conf.Port{{Proto: 6, Number: 9}}
	e := s.engine(t)
	if got := show(e.Decide(s.now, s.event(s.wire(t)))); got != granted+" @5" {
		t.Fatal(got)
	}
	if r := e.Refusals(); len(r) != 1 || r[0].Stanza != s.one().Pos.Line || r[0].Reason != SPAPort {
		t.Errorf("refusals %+v", r)
	}
	e.Decide(s.now, s.event(nil))
	if r := e.Refusals(); len(r) != 0 {
		t.Errorf("of another packet: %+v", r)
	}
}

func TestExplainTellsAndTouchesNothing(t *testing.T) {
	s := plain()
	s.stanzas = append(s.stanzas, stanzaAt(5))
	s.one().OpenPorts = []conf.Port{{Proto: 6, Number: 9}}
	e := s.engine(t)
	ev := s.event(s.wire(t))
	for range 2 {
		tr := e.Explain(s.now, ev)
		if got := show(tr.Decision); got != granted+" @5" {
			t.Fatal(got)
		}
		if len(tr.Stanzas) != 2 {
			t.Fatalf("%d stanzas", len(tr.Stanzas))
		}
		last := tr.Stanzas[0].Checks[len(tr.Stanzas[0].Checks)-1]
		if last.Name != "ports" || last.OK || last.Reason != SPAPort || last.Detail.Port != "tcp/22" {
			t.Errorf("first stanza ends with %+v", last)
		}
		if text := fmt.Sprintf("%+v", tr); strings.Contains(text, passphrase) {
			t.Error("the key is in the trace")
		}
	}
	if got := show(e.Decide(s.now, ev)); got != granted+" @5" {
		t.Errorf("after explaining: %s", got)
	}
	if tr := e.Explain(s.now, ev); tr.Decision.Reason != SPAReplay {
		t.Errorf("explaining a seen packet: %s", show(tr.Decision))
	}
}

func TestReload(t *testing.T) {
	s := plain()
	s.opts.Store = replay.NewMemory(replay.Options{})
	old := s.engine(t)
	ev := s.event(s.wire(t))
	old.Decide(s.now, ev)
	e := s.engine(t)
	e.Inherit(old)
	if got := show(e.Decide(s.now, ev)); got != "spa.replay" {
		t.Errorf("after a reload: %s", got)
	}
}

var _ enforce.Grant // the tables speak of grants by their keys

func BenchmarkDecide(b *testing.B) {
	s := plain()
	s.one().HMACKey, s.key.HMACKey = conf.NewSecret([]byte("an hmac key")), []byte("an hmac key")
	e := s.engine(b)
	valid := make([]*parse.Event, 20000)
	for i := range valid {
		valid[i] = s.event(s.wire(b))
	}
	forged := s.event([]byte("8" + strings.Repeat("aGVsbG8g", 30)))
	noise := s.event([]byte(strings.Repeat("\x00\x01hello", 20)))
	b.Run("valid", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if i%len(valid) == 0 {
				e.opts.Store = replay.NewMemory(replay.Options{})
			}
			if d := e.Decide(s.now, valid[i%len(valid)]); d.Verdict != Allow {
				b.Fatal(show(d))
			}
			i++
		}
	})
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Decide(s.now, forged)
		}
	})
	b.Run("noise", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Decide(s.now, noise)
		}
	})
}
