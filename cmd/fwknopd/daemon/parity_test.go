package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
	"fwknopd/fixtures/short"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// memory is a conf.FS that holds the two files.
type memory map[string]string

// Read implements conf.FS.
func (m memory) Read(name string) ([]byte, conf.FileInfo, error) {
	text, ok := m[name]
	if !ok {
		return nil, conf.FileInfo{}, fs.ErrNotExist
	}
	return []byte(text), conf.FileInfo{Regular: true, Perm: 0o600}, nil
}

// List implements conf.FS.
func (memory) List(string) ([]string, error) { return nil, errors.New("no folders") }

// Exists implements conf.FS.
func (m memory) Exists(name string) bool { _, ok := m[name]; return ok }

// A dialect is the syntax of the files of one conf.Dialect.
type dialect struct {
	name           string
	server, access string // format of a line
}

var dialects = []dialect{{"1.9", "%s %s;\n", "%s: %s;\n"}, {"2.6", "%s %s\n", "%s %s\n"}}

// A setting is a keyword and the values drawn for it. The other dialect does not have
// the keyword.
type setting struct {
	keyword string
	values  []string
	only    string // dialect
}

var serverSettings = []setting{
	{"ENABLE_IPT_FORWARDING", []string{"Y", "N"}, ""},
	{"ENABLE_IPT_LOCAL_NAT", []string{"Y", "N"}, ""},
	{"ENABLE_IPT_OUTPUT", []string{"Y", "N"}, ""},
	{"ENABLE_IPT_SNAT", []string{"Y", "N"}, ""},
	{"SNAT_TRANSLATE_IP", []string{"198.51.100.9"}, ""},
	{"ENABLE_DESTINATION_RULE", []string{"Y", "N"}, "2.6"},
	{"ENABLE_NAT_DNS", []string{"Y", "N"}, "2.6"},
	{"BLACKLIST", []string{"203.0.113.0/24"}, "1.9"},
	{"ENABLE_EXT_CMD_PREFIX", []string{"Y"}, ""},
	{"EXTERNAL_CMD_SHELL", []string{"Y"}, ""},
	{"PCAP_CMD_TIMEOUT", []string{"5"}, "1.9"},
	{"MAX_GRANT_PREFIX", []string{"16/48", "24/64"}, ""},
}

var stanzaSettings = []setting{
	{"OPEN_PORTS", []string{"tcp/22", "tcp/22, udp/53", "icmp/0, tcp/80", "tcp/8022"}, ""},
	{"RESTRICT_PORTS", []string{"tcp/80", "tcp/22"}, "2.6"},
	{"PERMIT_CLIENT_PORTS", []string{"Y"}, "1.9"},
	{"PERMIT_CLIENT_TIMEOUT", []string{"Y", "N"}, "1.9"},
	{"FW_ACCESS_TIMEOUT", []string{"0", "5", "3600"}, ""},
	{"MAX_FW_TIMEOUT", []string{"10", "7200"}, "2.6"},
	{"DISABLE_FW_ACCESS", []string{"Y"}, "1.9"},
	{"ENABLE_OUTPUT_ACCESS", []string{"Y"}, "1.9"},
	{"ENABLE_FORWARD_ACCESS", []string{"Y"}, "1.9"},
	{"INTERNAL_NET_ACCESS", []string{"10.0.0.0/24", "10.0.0.0/24, !10.0.0.9"}, "1.9"},
	{"FORCE_NAT", []string{"10.0.0.5 22", "10.0.0.6 8022"}, "2.6"},
	{"FORWARD_ALL", []string{"Y"}, "2.6"},
	{"DISABLE_DNAT", []string{"Y"}, "2.6"},
	{"FORCE_SNAT", []string{"198.51.100.7"}, "2.6"},
	{"FORCE_MASQUERADE", []string{"Y"}, "2.6"},
	{"REQUIRE_SOURCE_ADDRESS", []string{"Y"}, ""},
	{"ENABLE_CMD_EXEC", []string{"Y"}, ""},
	{"CMD_REGEX", []string{`^[0-9.]+,/bin/id$`}, "1.9"},
	{"CMD_SHELL", []string{"Y"}, ""},
	{"EXTERNAL_CMD_SHELL", []string{"Y"}, ""},
	{"ACCESS_WINDOW", []string{"Sun 10:00-13:10 Europe/Berlin", "daily 11:00-24:00 UTC", "Sun 11:30-01:00 UTC", "Mon 08:00-18:00 UTC", "daily 00:00-24:00 UTC"}, ""},
	{"GRANT_ADDRESS", []string{"packet", "both"}, ""},
	{"GRANT_PREFIX", []string{"24/64", "28/", "/64", "16/48"}, ""},
}

// pairs are the commands that replace rules.
var pairs = map[string][]string{
	"1.9": {"EXTERNAL_CMD_OPEN", "/bin/open $SRC $PORT $PROTO", "EXTERNAL_CMD_CLOSE", "/bin/close $SRC"},
	"2.6": {"CMD_CYCLE_OPEN", "/bin/open $IP $PKT_SRC $DST $PORT $PROTO $TIMEOUT $CLIENT_TIMEOUT", "CMD_CYCLE_CLOSE", "/bin/close $SRC", "CMD_CYCLE_TIMER", "40"},
}

// sometimes draws true with probability 1/n.
func sometimes(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == 1 }

func (d dialect) lines(t *rapid.T, format string, list []setting) string {
	var b strings.Builder
	for _, s := range list {
		if s.only != "" && s.only != d.name || !sometimes(t, 3, s.keyword) {
			continue
		}
		fmt.Fprintf(&b, format, s.keyword, rapid.SampledFrom(s.values).Draw(t, s.keyword+" value"))
	}
	return b.String()
}

// drawConfig draws a configuration that loads.
func drawConfig(t *rapid.T) *config.Loaded {
	d := rapid.SampledFrom(dialects).Draw(t, "dialect")
	server := d.lines(t, d.server, serverSettings)
	access := fmt.Sprintf(d.access, "SOURCE", "ANY")
	if knocks := sometimes(t, 6, "knocks"); knocks {
		access += fmt.Sprintf(d.access, "SHARED_SEQUENCE", "tcp/7000, tcp/8000") + fmt.Sprintf(d.access, "OPEN_PORTS", "tcp/22, udp/53") +
			d.lines(t, d.access, stanzaSettings[4:5]) + d.lines(t, d.access, stanzaSettings[len(stanzaSettings)-1:])
		server += fmt.Sprintf(d.server, "INGEST", "KNOCK")
	} else {
		access += fmt.Sprintf(d.access, "KEY", "a-passphrase-of-the-tests") + d.lines(t, d.access, stanzaSettings)
		if sometimes(t, 4, "commands") {
			for p := pairs[d.name]; len(p) > 0; p = p[2:] {
				access += fmt.Sprintf(d.access, p[0], p[1])
			}
		}
	}
	name := map[string]string{"1.9": "fwknop.conf", "2.6": "fwknopd.conf"}[d.name]
	l, problems := config.Load(config.Options{Config: name, Access: "access.conf", FS: memory{name: server, "access.conf": access}, Offline: true})
	if problems.Failed() {
		t.Skipf("%s%s%s", server, access, problems)
	}
	t.Logf("%s:\n%saccess.conf:\n%s", name, server, access)
	return l
}

// Values in the messages of clients.
var (
	allowedAddrs = []string{"192.0.2.7", "192.0.2.8", "203.0.113.9", "0.0.0.0", "2001:db8::7"}
	askedPorts   = []string{"tcp/22", "udp/53", "tcp/80", "tcp/8022", "icmp/0", "tcp/22,udp/53", "tcp/4444", "tcp/22,tcp/22"}
	natTargets   = []string{"10.0.0.5,22", "10.0.0.5,8022", "10.0.0.9,22", "10.9.9.9,80", "198.51.100.1,22", "0.0.0.0,22", "inside.example,22", "2001:db8::5,22"}
	cmdTexts     = []string{"/bin/id", "/bin/id -u", "echo x > y", "/bin/sh -c 'a b'"}
)

// drawMessage draws a message of a client that has the key.
func drawMessage(t *rapid.T, perl bool) spa.Message {
	m := spa.Message{User: "alice", Time: now.Unix(), Version: "3.0.0", Type: spa.Type(rapid.IntRange(0, 6).Draw(t, "type"))}
	if perl && !sometimes(t, 4, "client of 2.6") {
		m.Version, m.Perl19 = "1.9.12", true
	}
	allow := rapid.SampledFrom(allowedAddrs).Draw(t, "allow")
	m.Text = allow + "," + rapid.SampledFrom(askedPorts).Draw(t, "ports")
	switch m.Type {
	case spa.Command:
		m.Text = allow + "," + rapid.SampledFrom(cmdTexts).Draw(t, "command")
	case spa.NATAccess, spa.NATAccessTimeout, spa.LocalNATAccess, spa.LocalNATAccessTimeout:
		m.NAT = rapid.SampledFrom(natTargets).Draw(t, "target")
	}
	switch m.Type {
	case spa.AccessTimeout, spa.NATAccessTimeout, spa.LocalNATAccessTimeout:
		m.HasTimeout, m.Timeout = true, rapid.SampledFrom([]uint32{0, 1, 30, 5000, 1 << 31}).Draw(t, "timeout")
	}
	return m
}

// decide returns the engine's decision on what the client sends: a message, or a
// sequence.
func decide(t *rapid.T, l *config.Loaded) policy.Decision {
	e, err := policy.NewEngine(policy.Options{Server: l.Server, Access: l.Access, Store: replay.NewMemory(replay.Options{}), All: true,
		Resolve: func(string) ([]netip.Addr, error) { return []netip.Addr{addr("10.0.0.5")}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	src, dst := netip.MustParseAddrPort("192.0.2.7:40000"), netip.MustParseAddrPort("198.51.100.1:62201")
	if sometimes(t, 4, "IPv6") {
		src, dst = netip.MustParseAddrPort("[2001:db8::7]:40000"), netip.MustParseAddrPort("[2001:db8::1]:62201")
	}
	st := &l.Access.Stanzas[0]
	if st.Mode == conf.ModeShared {
		var d policy.Decision
		for i, port := range []uint16{7000, 8000} {
			at := now.Add(time.Duration(i-1) * time.Second)
			d = e.Decide(at, &parse.Event{Time: at, Origin: parse.OriginKernel, Src: src, Dst: netip.AddrPortFrom(dst.Addr(), port),
				Proto: parse.TCP, Flags: parse.SYN, Len: 60, ID: uint16(i + 1)})
		}
		return d
	}
	m := drawMessage(t, st.Dialect == conf.Perl19)
	plain, err := spa.Plaintext(&m, "1234567890123456")
	if err != nil {
		t.Skip(err)
	}
	wire, err := spa.Seal(plain, spa.Key{Passphrase: st.Key.Bytes(), LegacyPad: st.Dialect == conf.Perl19, Mode: st.EncryptionMode}, spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("message %s, NAT %q, timeout %d", m.Text, m.NAT, m.Timeout)
	return e.Decide(now, &parse.Event{Time: now, Origin: parse.OriginFrame, Src: src, Dst: dst, Proto: parse.UDP, Len: uint16(28 + len(wire)), Payload: wire})
}

// The limits permit what the engine grants, for any configuration and client, and
// nothing beyond it.
func TestEngineAndLimitsAgree(t *testing.T) {
	short.Skip(t)
	// The test covers a form of grants only if it has been drawn.
	wanted := []string{"plain", "nat", "local", "forward", "all", "external", "command"}
	granted, forms := 0, map[string]bool{}
	for i := 0; i < 20 || i < 400 && len(forms) < len(wanted); i++ { // of a hundred draws each, twenty with -short
		rapid.Check(t, func(t *rapid.T) { agree(t, &granted, forms) })
	}
	for _, want := range wanted {
		if !forms[want] {
			t.Errorf("no grant of the form %s among %d", want, granted)
		}
	}
}

// agree draws one configuration and one client, and counts the forms of grants.
func agree(t *rapid.T, granted *int, forms map[string]bool) {
	l := drawConfig(t)
	limits, err := compileLimits(l.Server, l.Access)
	if err != nil {
		t.Fatal(err)
	}
	d := decide(t, l)
	if d.Verdict != policy.Allow {
		return
	}
	*granted++
	if c := d.Command; c != nil {
		forms["command"] = true
		checkCommand(t, &limits, &l.Access.Stanzas[0], d)
		return
	}
	forms[formOf(&d.Grant)] = true
	t.Logf("granted %s", d.Grant.Key())
	if err := limits.Check(d.Grant, now); err != nil {
		t.Fatalf("the engine grants what the limits refuse: %v", err)
	}
	for _, m := range beyond(l, d.Grant) {
		if limits.Check(m.grant, now) == nil {
			t.Errorf("the limits admit %s: %s", m.name, m.grant.Key())
		}
	}
}

func formOf(g *enforce.Grant) string {
	switch {
	case g.External != nil:
		return "external"
	case g.All:
		return "all"
	case g.NAT == nil:
		return "plain"
	case g.NAT.Local:
		return "local"
	case !g.NAT.Target.IsValid():
		return "forward"
	}
	return "nat"
}

func checkCommand(t *rapid.T, limits *enforce.Limits, st *conf.Stanza, d policy.Decision) {
	c := d.Command
	if l, err := limits.Command(d.Stanza, c.From, c.Text, now); err != nil || l.Shell != c.Shell || l.User != c.User || l.Timeout != c.Timeout {
		t.Errorf("the engine runs %q, the limits say %+v, %v", c.Text, l, err)
	}
	if _, err := limits.Command(d.Stanza+1, c.From, c.Text, now); err == nil {
		t.Error("the limits admit it for another stanza")
	}
	if _, err := limits.Command(d.Stanza, c.From, "/bin/other", now); st.CmdRegex != nil && err == nil {
		t.Error("the limits admit another command")
	}
}

// A mutant is a grant that the configuration does not permit.
type mutant struct {
	name  string
	grant enforce.Grant
}

// beyond returns variants of a grant that a hostile worker might request and the
// configuration does not permit. It evaluates the configuration independently of
// compileLimits.
func beyond(l *config.Loaded, g enforce.Grant) []mutant {
	s, st := l.Server, &l.Access.Stanzas[0]
	var list []mutant
	add := func(when bool, name string, change func(*enforce.Grant)) {
		if !when {
			return
		}
		m := g
		m.Ports = slices.Clone(g.Ports)
		if g.NAT != nil {
			nat := *g.NAT
			m.NAT = &nat
		}
		if g.External != nil {
			x := *g.External
			x.Open, x.Close, x.Env = slices.Clone(x.Open), slices.Clone(x.Close), slices.Clone(x.Env)
			m.External = &x
		}
		change(&m)
		list = append(list, mutant{name, m})
	}
	rules := g.External == nil
	anyPort := st.OpenPortsAny || st.PermitClientPorts
	nat := s.Forwarding || s.LocalNAT

	add(true, "another stanza", func(g *enforce.Grant) { g.Stanza += 100 })
	add(true, "no source", func(g *enforce.Grant) { g.Src = netip.Addr{} })
	add(true, "every source", func(g *enforce.Grant) { g.Src = netip.IPv4Unspecified() })
	add(len(s.Blacklist.Include) > 0, "a blacklisted source", func(g *enforce.Grant) { g.Src = addr("203.0.113.1") })
	add(st.AccessTimeout > 0, "no end", func(g *enforce.Grant) { g.Expires = time.Time{} })
	longest := max(st.AccessTimeout, st.CycleTimer)
	if st.PermitClientTimeout {
		longest = max(longest, st.MaxAccessTimeout)
	}
	add(st.AccessTimeout > 0, "a longer time", func(g *enforce.Grant) { g.Expires = now.Add(longest + time.Minute) })
	if closes := st.Windows.Until(now, time.Time{}); !closes.IsZero() {
		add(true, "a time beyond the window", func(g *enforce.Grant) { g.Expires = closes.Add(time.Second) })
	}
	add(true, "a time that is over", func(g *enforce.Grant) { g.Expires = now.Add(-time.Second) })
	add(!g.All && len(g.Ports) > 0, "no port", func(g *enforce.Grant) { g.Ports = nil })
	add(!g.All && !anyPort, "a port that is not offered", func(g *enforce.Grant) {
		g.Ports = []enforce.Port{{Proto: 6, Number: 5999}}
		if g.NAT != nil && g.NAT.Target.IsValid() {
			g.NAT.Target = netip.AddrPortFrom(g.NAT.Target.Addr(), 5998)
		}
		if g.NAT != nil && !g.NAT.Target.IsValid() {
			g.NAT, g.Dst = nil, netip.Addr{}
		}
	})
	add(!g.All && len(st.RestrictPorts) > 0 && st.Mode == conf.ModeSPA && (g.NAT == nil || g.NAT.Target.IsValid()), "a port that is restricted", func(g *enforce.Grant) {
		g.Ports = []enforce.Port{st.RestrictPorts[0]}
	})
	add(rules && (!st.ForwardAll || !nat), "everything", func(g *enforce.Grant) { g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{} })
	add(rules && g.NAT == nil && (!s.Output || s.Dialect != conf.C26 && !st.OutputAccess), "the output chain", func(g *enforce.Grant) { g.Output = true })
	add(rules && g.NAT == nil && !s.DestinationRule, "a destination", func(g *enforce.Grant) { g.Dst = addr("198.51.100.1") })
	add(rules && !nat, "a translation", func(g *enforce.Grant) { g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:22")} })
	hasTarget := g.NAT != nil && g.NAT.Target.IsValid()
	add(hasTarget && (st.ForceNAT.IsValid() || !st.InternalNets.IsZero()), "another target", func(g *enforce.Grant) {
		g.NAT.Target = netip.AddrPortFrom(addr("10.77.77.77"), g.NAT.Target.Port())
	})
	add(hasTarget && !s.LocalNAT, "this host as target", func(g *enforce.Grant) { g.NAT.Local = true })
	add(hasTarget && !st.DisableDNAT, "forwarding without a translation", func(g *enforce.Grant) {
		g.Dst, g.NAT.Target = g.NAT.Target.Addr(), netip.AddrPort{}
	})
	add(g.NAT != nil, "another SNAT address", func(g *enforce.Grant) { g.NAT.Masquerade, g.NAT.SNAT = false, addr("198.51.100.77") })
	add(g.NAT != nil && !g.NAT.Masquerade && !s.SNAT && !st.ForceMasquerade, "masquerading", func(g *enforce.Grant) {
		g.NAT.Masquerade, g.NAT.SNAT = true, netip.Addr{}
	})
	add(rules, "a command", func(g *enforce.Grant) {
		g.External = &enforce.External{Open: []string{"/bin/sh", "-c", "id"}, Timeout: time.Second}
	})
	add(!rules, "rules in place of the command", func(g *enforce.Grant) { g.External = nil })
	add(!rules, "a translation beside the command", func(g *enforce.Grant) { g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:22")} })
	add(!rules, "another command", func(g *enforce.Grant) { g.External.Open[0] = "/bin/other" })
	add(!rules, "one more argument", func(g *enforce.Grant) { g.External.Open = append(g.External.Open, "x") })
	add(!rules, "no closing command", func(g *enforce.Grant) { g.External.Close = nil })
	add(!rules, "another address in the command", func(g *enforce.Grant) {
		for _, list := range [][]string{g.External.Open, g.External.Close, g.External.Env} {
			for i := range list {
				list[i] = strings.ReplaceAll(list[i], g.Src.String(), "192.0.2.200")
			}
		}
	})
	add(!rules, "one more variable", func(g *enforce.Grant) { g.External.Env = append(g.External.Env, "LD_PRELOAD=/tmp/x.so") })
	add(!rules, "more time for the command", func(g *enforce.Grant) { g.External.Timeout += time.Hour })
	return list
}
