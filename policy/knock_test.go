package policy

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// sequence is a shared sequence of three TCP ports.
func sequence(line int, ports ...uint16) conf.Stanza {
	st := stanzaAt(line)
	st.Mode, st.KnockInterval, st.KnockLimit, st.MinTimeDiff, st.MaxTimeDiff = conf.ModeShared, time.Minute, -1, -1, -1
	for _, p := range ports {
		st.Sequence = append(st.Sequence, conf.Port{Proto: 6, Number: p})
	}
	return st
}

func knocker(stanzas ...conf.Stanza) *situation {
	s := plain()
	s.server.AuthModes = []string{"KNOCK"}
	s.stanzas = stanzas
	return s
}

// syn is the i-th SYN of the client, as the kernel logs it.
func (s *situation) syn(i int, port uint16) *parse.Event {
	return &parse.Event{Time: s.now.Add(time.Duration(i) * time.Second), Origin: parse.OriginKernel,
		Src: netip.AddrPortFrom(s.src, uint16(40000+i)), Dst: netip.AddrPortFrom(server, port),
		Proto: parse.TCP, Flags: parse.SYN, Len: 60, ID: uint16(100 * i)}
}

// knock plays the ports and returns what each came to.
func (s *situation) knock(t *testing.T, e *Engine, ports ...uint16) []Decision {
	t.Helper()
	var all []Decision
	for i, p := range ports {
		ev := s.syn(i+1, p)
		all = append(all, e.Decide(ev.Time, ev))
	}
	return all
}

func shows(ds []Decision) string {
	var words []string
	for _, d := range ds {
		w := show(d)
		for _, a := range d.Others {
			w += " also " + show(a)
		}
		words = append(words, w)
	}
	return strings.Join(words, "; ")
}

// TestKnockSourcesMax: the source that has waited longest goes for a further one.
func TestKnockSourcesMax(t *testing.T) {
	for _, c := range []struct {
		max  int
		want string
	}{{1, "ignore"}, {2, "knock.granted 192.0.2.7 tcp/22 until +33"}} {
		s := knocker(sequence(1, 1001, 1002))
		s.server.KnockSources = c.max
		e := s.engine(t)
		s.knock(t, e, 1001)
		other := s.syn(1, 1001)
		other.Src = netip.MustParseAddrPort("192.0.2.99:40001")
		e.Decide(other.Time, other)
		last := s.syn(2, 1002)
		if got := show(e.Decide(last.Time, last)); got != c.want {
			t.Errorf("room for %d: %s, want %s", c.max, got, c.want)
		}
	}
}

func TestKnocks(t *testing.T) {
	const opened = "knock.granted 192.0.2.7 tcp/22 until +34"
	shadow := sequence(5, 1001, 1002, 1003)
	shadow.Shadow = true
	tests := []struct {
		name    string
		stanzas []conf.Stanza
		ports   []uint16
		want    string
	}{
		{"complete", []conf.Stanza{sequence(1, 1001, 1002, 1003)}, []uint16{1001, 1002, 1003}, "ignore; ignore; " + opened},
		{"wrong port", []conf.Stanza{sequence(1, 1001, 1002, 1003)}, []uint16{1001, 9, 1003}, "ignore; knock.wrong_port; ignore"},
		{"two stanzas grant", []conf.Stanza{sequence(1, 1001, 1002, 1003), sequence(5, 1002, 1003)}, []uint16{1001, 1002, 1003},
			"ignore; ignore; " + opened + " also " + opened + " @5"},
		{"one grants, the other is ended", []conf.Stanza{sequence(1, 1001, 1002, 1003), sequence(5, 1001, 9)}, []uint16{1001, 1002, 1003},
			"ignore; knock.wrong_port @5; " + opened},
		{"a shadow reports beside", []conf.Stanza{sequence(1, 1001, 1002, 1003), shadow}, []uint16{1001, 1002, 1003},
			"ignore; ignore; " + opened + " also " + opened + " shadow @5"},
		{"a shadow alone", []conf.Stanza{shadow}, []uint16{1001, 1002, 1003}, "ignore; ignore; " + opened + " shadow @5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := knocker(tt.stanzas...)
			if got := shows(s.knock(t, s.engine(t), tt.ports...)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestKnockModes(t *testing.T) {
	for _, tt := range []struct {
		modes []string
		all   bool
		want  string
	}{
		{[]string{"KNOCK"}, false, "ignore; knock.granted 192.0.2.7 tcp/22 until +33"},
		{[]string{"PCAP"}, false, "ignore; ignore"},
		{[]string{"PCAP", "KNOCK"}, false, "ignore; knock.granted 192.0.2.7 tcp/22 until +33"},
		{[]string{"PCAP"}, true, "ignore; knock.granted 192.0.2.7 tcp/22 until +33"},
	} {
		s := knocker(sequence(1, 1001, 1002))
		s.server.AuthModes, s.opts.All = tt.modes, tt.all
		if got := shows(s.knock(t, s.engine(t), 1001, 1002)); got != tt.want {
			t.Errorf("%v, all %v: %s, want %s", tt.modes, tt.all, got, tt.want)
		}
	}
}

func TestKnockGrantsTakeTheServersRules(t *testing.T) {
	s := knocker(sequence(1, 1001))
	s.server.DestinationRule, s.server.Output, s.one().OutputAccess = true, true, true
	got := shows(s.knock(t, s.engine(t), 1001))
	if want := "knock.granted 192.0.2.7 to 198.51.100.1 tcp/22 output until +32"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestKnockInterface(t *testing.T) {
	s := knocker(sequence(1, 1001))
	s.one().Interface = "eth0"
	for in, want := range map[string]string{"eth0": "knock.granted", "eth1": ""} {
		ev := s.syn(1, 1001)
		ev.In = []byte(in)
		if d := s.engine(t).Decide(ev.Time, ev); string(d.Reason) != want {
			t.Errorf("in %s: %s", in, show(d))
		}
	}
}

func TestReloadKeepsSequences(t *testing.T) {
	s := knocker(sequence(1, 1001, 1002, 1003))
	s.opts.Store = replay.NewMemory(replay.Options{})
	old := s.engine(t)
	s.knock(t, old, 1001, 1002)
	e := s.engine(t)
	e.Inherit(old)
	ev := s.syn(3, 1003)
	if got := show(e.Decide(ev.Time, ev)); got != "knock.granted 192.0.2.7 tcp/22 until +34" {
		t.Errorf("after a reload: %s", got)
	}
}

func TestExplainKnocks(t *testing.T) {
	s := knocker(sequence(7, 1001, 1002, 1003))
	e := s.engine(t)
	s.knock(t, e, 1001)
	ev := s.syn(2, 1002)
	tr := e.Explain(ev.Time, ev)
	if tr.Decision.Verdict != Ignore || len(tr.Stanzas) != 1 || tr.Stanzas[0].Stanza != 7 {
		t.Fatalf("%+v", tr)
	}
	if c := tr.Stanzas[0].Checks[0]; !c.OK || c.Detail.Text != "2 of 3 knocks fitted so far" {
		t.Errorf("%+v", c)
	}
}

// What goes by the port is a knock whatever it carries, and an SPA message wherever
// it goes: one packet can be both.
func TestOnePacketCanBeBoth(t *testing.T) {
	seq := sequence(5, 0)
	seq.Sequence = []conf.Port{{Proto: 17, Number: 62201}}
	message, both := stanzaAt(1), "spa.granted 192.0.2.7 tcp/22 until +31 also knock.granted 192.0.2.7 tcp/22 until +31 @5"
	refused := stanzaAt(1)
	refused.OpenPorts = nil
	for _, tt := range []struct {
		stanza conf.Stanza
		want   string
	}{
		{message, both},
		{refused, "knock.granted 192.0.2.7 tcp/22 until +31 @5"},
	} {
		s := knocker(tt.stanza, seq)
		s.opts.All = true
		if got := shows([]Decision{s.decide(t)}); got != tt.want {
			t.Errorf("\n got %s\nwant %s", got, tt.want)
		}
	}
}

func TestUninterestingKnocksCostNoAllocation(t *testing.T) {
	s := knocker(sequence(1, 1001, 1002))
	e := s.engine(t)
	ev := s.syn(1, 80)
	if n := testing.AllocsPerRun(100, func() { e.Decide(ev.Time, ev) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// encryptedPorts returns the ports of an encrypted sequence for a clear text.
func encryptedPorts(t *testing.T, clear []byte) []uint16 {
	t.Helper()
	sum := byte(0)
	for _, b := range clear {
		sum += b
	}
	wire, err := spa.Seal(append(clear, sum), spa.Key{Passphrase: []byte(passphrase)}, spa.EncodeOptions{Rand: rand.Reader, KeepPrefix: true})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawStdEncoding.DecodeString(string(wire))
	if err != nil {
		t.Fatal(err)
	}
	var ports []uint16
	for _, b := range raw {
		ports = append(ports, 61000+uint16(b))
	}
	return ports
}

// The store outlives the tracker: an encrypted sequence opens once, whatever was
// restarted in between.
func TestEncryptedSequencesOpenOnce(t *testing.T) {
	s := knocker(sequence(1))
	s.one().Mode, s.one().PortOffset = conf.ModeEncrypted, 61000
	s.opts.Store = replay.NewMemory(replay.Options{})
	ports := encryptedPorts(t, []byte{192, 0, 2, 9, 0, 80, 6})
	last := func(e *Engine) string {
		all := s.knock(t, e, ports...)
		return show(all[len(all)-1])
	}
	if got := last(s.engine(t)); got != "knock.granted 192.0.2.9 tcp/22 tcp/80 until +63" {
		t.Fatal(got)
	}
	if got := last(s.engine(t)); got != "knock.replay" {
		t.Errorf("after a restart: %s", got)
	}
	broken := &brokenStore{Memory: replay.NewMemory(replay.Options{}), add: errors.New("disk full")}
	s.opts.Store = broken
	if got := last(s.engine(t)); got != "knock.store" {
		t.Errorf("disk full: %s", got)
	}
}

// The engine takes the reasons over as they are.
func TestReasons(t *testing.T) {
	for ours, theirs := range map[string]Reason{
		knock.Granted: KnockGranted, knock.WrongPort: KnockWrongPort, knock.Timeout: KnockTimeout,
		knock.TooFast: KnockTooFast, knock.TooSlow: KnockTooSlow, knock.Limit: KnockLimit,
		knock.DecryptFailed: KnockDecryptFailed, knock.Checksum: KnockChecksum, knock.User: KnockUser,
		knock.OS: KnockOS, knock.Source: KnockSource, knock.Port: KnockPort,
		knock.Replay: KnockReplay, knock.ForgedLine: KnockForgedLine,
		knock.Window: KnockWindow, knock.Uses: KnockUses,
	} {
		if ours != string(theirs) {
			t.Errorf("%s is %s to the engine", ours, theirs)
		}
	}
}

// TestDelivery: a line that completes a shared sequence grants once, however often its source
// delivers it, also to the engine of another worker. The same knocks in other lines grant again.
func TestDelivery(t *testing.T) {
	s := knocker(sequence(1, 1001, 1002), sequence(9, 1001, 1002))
	var name []byte
	s.opts.Delivery = func() []byte { return name }
	s.opts.Store = replay.NewMemory(replay.Options{})
	run := func(e *Engine, delivery string) string {
		name = nil
		if delivery != "" {
			name = []byte(delivery)
		}
		ds := s.knock(t, e, 1001, 1002)
		text := show(ds[1])
		for _, o := range ds[1].Others {
			text += " also " + show(o)
		}
		return text
	}
	const grants = "knock.granted 192.0.2.7 tcp/22 until +33 also knock.granted 192.0.2.7 tcp/22 until +33 @9"
	for _, c := range []struct{ delivery, want string }{
		{"logs/0@7:1", grants},
		{"logs/0@7:1", "knock.replay"},
		{"logs/0@8:1", grants},
		{"", grants}, // of a source that delivers once
		{"", grants},
		{"logs/0@8:1", "knock.replay"},
	} {
		if got := run(s.engine(t), c.delivery); got != c.want {
			t.Errorf("%q: %s, want %s", c.delivery, got, c.want)
		}
	}
}
