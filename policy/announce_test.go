package policy

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// announce has a gateway gw1 with the rules of the situation honour a new message, and returns the
// packet as another gateway hears of it.
func (s *situation) announce(t testing.TB) (*parse.Event, *Announcement) {
	t.Helper()
	ev := s.event(s.wire(t))
	ev.Origin = parse.OriginSocket
	a := &Announcement{By: "gw1", Holder: "gw1", Claimed: s.now, End: s.now.Add(30 * time.Second)}
	e := s.engine(t)
	e.Decide(s.now, ev)
	if m := e.Message(); m != nil {
		a.Digest = sha256.Sum256(m.Plaintext)
	}
	return ev, a
}

// TestAnnounced: an announced message is decided by the rules of this gateway, and by what the fleet
// knows of it.
func TestAnnounced(t *testing.T) {
	type heard struct {
		ev *parse.Event
		*Announcement
	}
	for name, c := range map[string]struct {
		set   func(*situation)
		heard func(*situation, heard)
		want  string
	}{
		"as it is": {nil, nil, granted},

		"of another client": {nil, func(_ *situation, h heard) { h.ev.Src = netip.MustParseAddrPort("203.0.113.9:1") }, granted},
		"own keys":          {func(s *situation) { s.key.Passphrase = []byte("another") }, nil, "spa.decrypt_failed"},
		"own ports":         {nil, func(s *situation, _ heard) { s.one().OpenPorts = nil }, "spa.port: not in OPEN_PORTS"},
		"own users":         {nil, func(s *situation, _ heard) { s.one().Usernames = []string{"bob"} }, "spa.user"},
		"own source": {nil, func(s *situation, _ heard) { s.one().Source = nets("203.0.113.0/24") },
			"no_stanza"},
		"own source, which the announcer claims": {nil, func(s *situation, h heard) {
			s.one().Source = nets("203.0.113.0/24")
			h.ev.Src = netip.MustParseAddrPort("203.0.113.9:1")
		}, "fleet.address: " + textInsideSource},
		"own blacklist": {nil, func(s *situation, _ heard) { s.server.Blacklist = nets("192.0.2.7/32") }, "spa.source"},

		"own blacklist, and another source": {nil, func(s *situation, h heard) {
			s.server.Blacklist = nets("192.0.2.7/32")
			h.ev.Src = netip.MustParseAddrPort("203.0.113.9:1")
		}, "spa.source: " + textBlacklisted},
		"own interface": {nil, func(s *situation, _ heard) { s.one().Interface = "eth1" }, "fleet.address: " + textInterface},

		"the address of the packet": {func(s *situation) { s.msg.Text = "0.0.0.0,tcp/22" }, nil, "fleet.address: " + textPacketSource},
		"GRANT_ADDRESS packet": {nil, func(s *situation, h heard) {
			s.one().GrantAddress = conf.AddressPacket
			h.ev.Src = netip.MustParseAddrPort("203.0.113.9:1")
		}, "fleet.address: " + textPacketSource},
		"GRANT_ADDRESS both": {nil, func(s *situation, h heard) {
			s.one().GrantAddress = conf.AddressBoth
			h.ev.Src = netip.MustParseAddrPort("203.0.113.9:1")
		}, "fleet.address: " + textPacketSource},
		"GRANT_ADDRESS both, which are same": {nil, func(s *situation, _ heard) { s.one().GrantAddress = conf.AddressBoth }, granted},

		"no claim":             {nil, func(_ *situation, h heard) { h.Holder = "" }, "fleet.holder: " + textNoHolder},
		"the claim of another": {nil, func(_ *situation, h heard) { h.Holder = "gw3" }, "fleet.holder"},
		"another digest":       {nil, func(_ *situation, h heard) { h.Digest[0]++ }, "fleet.holder: " + textOtherDigest},
		"no time":              {nil, func(_ *situation, h heard) { h.Claimed = time.Time{} }, "fleet.holder: " + textClaimTime},
		"claimed long ago":     {nil, func(s *situation, h heard) { h.Claimed = s.now.Add(-ClaimLife(s.server.MaxAge) - 1) }, "fleet.holder: " + textClaimTime},
		"claimed later":        {nil, func(s *situation, h heard) { h.Claimed = s.now.Add(ClockSkew + 1) }, "fleet.holder: " + textClaimTime},
		"a clock ahead":        {nil, func(s *situation, h heard) { h.Claimed = s.now.Add(ClockSkew) }, granted},
		"without ageing":       {nil, func(s *situation, _ heard) { s.server.Aging = false }, "fleet.holder: " + textNoAging},
		"stale when claimed": {nil, func(s *situation, h heard) {
			s.now = s.now.Add(s.server.MaxAge + 10*time.Second)
			h.Claimed, h.End = s.now, s.now.Add(time.Minute)
		}, "spa.stale"},
		"fresh when claimed": {nil, func(s *situation, h heard) {
			s.now = s.now.Add(s.server.MaxAge + 10*time.Second)
			s.one().AccessTimeout, h.End = time.Hour, s.now.Add(time.Minute)
		}, until(191)},

		"it has ended":           {nil, func(s *situation, h heard) { s.now = h.End }, "fleet.ended"},
		"it ends sooner there":   {nil, func(s *situation, h heard) { h.End = s.now.Add(5 * time.Second) }, until(6)},
		"it ends later there":    {nil, func(s *situation, h heard) { h.End = s.now.Add(time.Hour) }, granted},
		"own timeout has passed": {nil, func(s *situation, h heard) { h.End = s.now.Add(time.Hour); s.now = s.now.Add(30 * time.Second) }, "fleet.ended"},
		"time has passed":        {nil, func(s *situation, h heard) { h.End = s.now.Add(time.Hour); s.now = s.now.Add(20 * time.Second) }, granted},
		"no end of its own":      {nil, func(s *situation, _ heard) { s.one().AccessTimeout = 0 }, granted},

		"a command": {func(s *situation) { s.one().CmdExec = true; s.command("id") }, nil, "fleet.command: " + textNoCommands},
		"EXTERNAL":  {nil, func(s *situation, _ heard) { s.one().ExternalOpen, s.one().ExternalClose = "echo a", "echo b" }, "fleet.command: " + textNoCommands},
		"junk":      {nil, func(_ *situation, h heard) { h.ev.Payload = []byte(strings.Repeat("!", 200)) }, "ignore"},
		"a code":    {func(s *situation) { wantCode(s.one()); s.code(0) }, nil, granted},
		"a late code": {func(s *situation) { wantCode(s.one()); s.code(0) }, func(s *situation, h heard) {
			h.End = s.now.Add(time.Hour)
			s.one().AccessTimeout = time.Hour
			s.now = s.now.Add(3 * time.Minute)
		}, until(3601)},
		"another secret": {func(s *situation) { wantCode(s.one()); s.code(0) }, func(s *situation, _ heard) {
			s.one().TOTPSecret = conf.NewSecret([]byte("another of 20 bytes!"))
		}, "spa.auth_method: " + textCode},
		"a shadow stanza": {nil, func(s *situation, _ heard) { s.one().Shadow = true }, granted + " shadow"},
	} {
		t.Run(name, func(t *testing.T) {
			s := plain()
			if c.set != nil {
				c.set(s)
			}
			ev, a := s.announce(t)
			if name == "own keys" {
				s.key = plain().key
			}
			if c.heard != nil {
				c.heard(s, heard{ev, a})
			}
			s.opts.Claim = func(Claim) ClaimAnswer { t.Error("it is claimed"); return ClaimAnswer{} }
			e := s.engine(t)
			d := e.DecideAnnounced(s.now, ev, a)
			if got := showClaimed(d); !strings.HasPrefix(got, c.want) || c.want == granted && got != granted {
				t.Errorf("%s, want %s", got, c.want)
			}
			if d.Announced != "gw1" && d.Verdict != Ignore {
				t.Errorf("announced by %q", d.Announced)
			}
			if again := e.DecideAnnounced(s.now, ev, a); again.Verdict == Allow && !again.Shadow {
				t.Errorf("again: %s", show(again))
			}
		})
	}
}

// until is a grant as granted, with another end.
func until(seconds int) string {
	return strings.Replace(granted, "until +31", fmt.Sprintf("until +%d", seconds), 1)
}

// TestKnownMessages: a message that came here is not opened by an announcement, nor the other way, and a
// refused announcement is final.
func TestKnownMessages(t *testing.T) {
	first := func(Claim) ClaimAnswer { return ClaimAnswer{First: true} }
	for name, f := range map[string]func(e *Engine, now time.Time, ev *parse.Event, a *Announcement) Decision{
		"announced, then it comes": func(e *Engine, now time.Time, ev *parse.Event, a *Announcement) Decision {
			e.DecideAnnounced(now, ev, a)
			return e.Decide(now, ev)
		},
		"it comes, then announced": func(e *Engine, now time.Time, ev *parse.Event, a *Announcement) Decision {
			e.Decide(now, ev)
			return e.DecideAnnounced(now, ev, a)
		},
		"refused, then right": func(e *Engine, now time.Time, ev *parse.Event, a *Announcement) Decision {
			wrong := *a
			wrong.Holder = "gw3"
			e.DecideAnnounced(now, ev, &wrong)
			return e.DecideAnnounced(now, ev, a)
		},
		"refused, then it comes": func(e *Engine, now time.Time, ev *parse.Event, a *Announcement) Decision {
			wrong := *a
			wrong.Holder = ""
			e.DecideAnnounced(now, ev, &wrong)
			return e.Decide(now, ev)
		},
	} {
		s := plain()
		s.opts.Claim = first
		ev, a := s.announce(t)
		if d := f(s.engine(t), s.now, ev, a); d.Reason != SPAReplay {
			t.Errorf("%s: %s", name, show(d))
		}
	}
}

// A message of a stanza that grants once is one use of the group: where it came, where it is announced,
// and at neither again. What is refused is no use.
func TestAnnouncedUses(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses = "visitor", schedule.Uses{Max: 1}
	s.opts.Claim = func(Claim) ClaimAnswer { return ClaimAnswer{First: true} }
	ev, a := s.announce(t)
	ported, announced := s.engine(t), s.engine(t)
	refused := *a
	refused.Holder = "gw3"
	other, b := s.announce(t)
	b.Holder = "gw3"
	if d := announced.DecideAnnounced(s.now, other, b); d.Reason != FleetHolder {
		t.Fatal(show(d))
	}
	if d := ported.Decide(s.now, ev); d.Verdict != Allow {
		t.Fatal(show(d))
	}
	if d := announced.DecideAnnounced(s.now, ev, a); d.Verdict != Allow {
		t.Fatal(show(d))
	}
	for _, e := range []*Engine{ported, announced} {
		if d := e.Decide(s.now, s.event(s.wire(t))); d.Reason != SPAUses {
			t.Errorf("a second message: %s", show(d))
		}
		late, a := s.announce(t)
		if d := e.DecideAnnounced(s.now, late, a); d.Reason != SPAUses {
			t.Errorf("a second message, announced: %s", show(d))
		}
	}
}

// A code that was used here is refused when it is announced, in another message too; wrong ones that are
// announced are no guesses for those that come here.
func TestAnnouncedCodes(t *testing.T) {
	s := plain()
	wantCode(s.one())
	s.code(0)
	e := s.engine(t)
	if got := s.answer(t, e); got != string(SPAGranted) {
		t.Fatal(got)
	}
	ev, a := s.announce(t)
	if d := e.DecideAnnounced(s.now, ev, a); d.Detail.Text != textCodeUsed {
		t.Errorf("used: %s %s", show(d), d.Detail.Text)
	}
	s.wrongCode()
	for range wrongCodes + 2 {
		ev, a := s.announce(t)
		e.DecideAnnounced(s.now, ev, a)
	}
	if !e.announcedCodes.exhausted(e.spa[0].codeSecret(), s.now) {
		t.Error("any number of announced guesses")
	}
	s.now = s.now.Add(time.Minute)
	s.msg.Time = s.now.Unix()
	if s.code(0); s.answer(t, e) != string(SPAGranted) {
		t.Error("announced guesses keep codes from being looked at")
	}
}

// Announcements that no stanza opens take nothing from the budget of packets that come here.
func TestAnnouncedBudget(t *testing.T) {
	s := plain()
	for i := range freeTrials {
		s.stanzas = append(s.stanzas, stanzaAt(i+2))
	}
	s.opts.TrialRate = 1
	e := s.engine(t)
	ev, a := s.announce(t)
	for i := range 1000 {
		junk := *ev
		junk.Payload = append([]byte(nil), ev.Payload...)
		junk.Payload[20+i%50] ^= 1
		if d := e.DecideAnnounced(s.now, &junk, a); d.Reason == SPARateLimited {
			t.Fatal("limited by the budget of others")
		}
	}
	s.key.Passphrase = []byte("nobody's")
	if d := e.Decide(s.now, s.event(s.wire(t))); d.Reason == SPARateLimited {
		t.Error("a packet that came here found no budget")
	}
}

// An announcement takes no part in a sequence.
func TestAnnouncedKnocks(t *testing.T) {
	s := knocker(sequence(1, 4001, 4002, 4003))
	e := s.engine(t)
	for i, port := range []uint16{4001, 4002, 4003} {
		ev := s.syn(i+1, port)
		if d := e.DecideAnnounced(ev.Time, ev, &Announcement{By: "gw1"}); d.Verdict != Ignore {
			t.Errorf("%s", show(d))
		}
	}
	if n := e.KnockCounts(); n.Granted != 0 {
		t.Error("a sequence was granted")
	}
	if all := s.knock(t, e, 4001, 4002, 4003); all[2].Verdict != Allow {
		t.Error("the same sequence grants nothing when it comes here")
	}
}
