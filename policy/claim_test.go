package policy

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// A claimant records what is claimed, and answers the same each time.
type claimant struct {
	claims []Claim
	answer ClaimAnswer
}

func (c *claimant) claim(what Claim) ClaimAnswer {
	c.claims = append(c.claims, what)
	return c.answer
}

// TestClaims: what is granted is claimed once, with what the fleet needs of it, and decided by the answer.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer ClaimAnswer
		set    func(*situation)
		want   string
		claims int
	}{
		{"first", ClaimAnswer{First: true}, nil, granted, 1},
		{"taken", ClaimAnswer{Taken: true, By: "gw2", At: t0}, nil, "spa.replay: claimed by the gateway gw2, seen +0", 1},
		{"taken by none that is known", ClaimAnswer{Taken: true}, nil, "spa.replay: claimed by another gateway of the fleet", 1},
		{"no quorum", ClaimAnswer{Why: "no quorum"}, nil, "spa.fleet: no quorum", 1},
		{"nothing is known", ClaimAnswer{}, nil, "spa.fleet", 1},
		{"no quorum, local", ClaimAnswer{Why: "no quorum"}, func(s *situation) { s.server.FleetOnPartition = conf.PartitionLocal }, granted + " degraded", 1},
		{"older than the claims", ClaimAnswer{Never: true, Why: "older"}, nil, "spa.fleet: older", 1},
		{"older than the claims, local", ClaimAnswer{Never: true, Why: "older"}, func(s *situation) { s.server.FleetOnPartition = conf.PartitionLocal }, "spa.fleet: older", 1},
		{"first, local", ClaimAnswer{First: true}, func(s *situation) { s.server.FleetOnPartition = conf.PartitionLocal }, granted, 1},
		{"taken, local", ClaimAnswer{Taken: true, By: "gw2"}, func(s *situation) { s.server.FleetOnPartition = conf.PartitionLocal }, "spa.replay: claimed by the gateway gw2", 1},
		{"without ageing", ClaimAnswer{First: true}, func(s *situation) { s.server.Aging = false }, "spa.fleet: " + textNoAging, 0},
		{"without ageing, local", ClaimAnswer{First: true}, func(s *situation) { s.server.Aging, s.server.FleetOnPartition = false, conf.PartitionLocal }, "spa.fleet: " + textNoAging, 0},
		{"a command", ClaimAnswer{Taken: true}, func(s *situation) { s.one().CmdExec = true; s.command("192.0.2.7,id") }, "spa.replay: claimed by another gateway of the fleet", 1},
		{"no other stanza helps", ClaimAnswer{Taken: true}, func(s *situation) { s.stanzas = append(s.stanzas, stanzaAt(2)) }, "spa.replay: claimed by another gateway of the fleet", 1},
		{"the second stanza grants", ClaimAnswer{First: true}, func(s *situation) { s.stanzas = append(s.stanzas, stanzaAt(2)); s.one().OpenPorts = nil }, granted + " @2", 1},
		{"a shadow stanza", ClaimAnswer{Taken: true}, func(s *situation) { s.one().Shadow = true }, granted + " shadow", 0},
		{"a code", ClaimAnswer{First: true}, func(s *situation) { wantCode(s.one()); s.code(0) }, granted, 1},

		{"too old", ClaimAnswer{First: true}, func(s *situation) { s.now = t0.Add(time.Hour) }, "spa.stale", 0},
		{"from later", ClaimAnswer{First: true}, func(s *situation) { s.now = t0.Add(-time.Hour) }, "spa.future", 0},
		{"of another user", ClaimAnswer{First: true}, func(s *situation) { s.one().Usernames = []string{"bob"} }, "spa.user", 0},
		{"of another port", ClaimAnswer{First: true}, func(s *situation) { s.one().OpenPorts = nil }, "spa.port: not in OPEN_PORTS", 0},
		{"without its password", ClaimAnswer{First: true}, func(s *situation) { s.one().AuthMethod = conf.AuthCrypt }, "spa.auth_method: " + TextNoPassword, 0},
		{"with a wrong code", ClaimAnswer{First: true}, func(s *situation) { wantCode(s.one()); s.wrongCode() }, wrongCode[:len("spa.auth_method")] + ": " + textCode, 0},
		{"after its time", ClaimAnswer{First: true}, func(s *situation) { s.one().Expires = t0 }, "spa.expired_stanza: since 2", 0},
		{"used up", ClaimAnswer{First: true}, func(s *situation) {
			s.one().Name, s.one().Uses = "a", schedule.Uses{Max: 1}
			s.opts.Uses.Add("a", s.one().Uses, s.now)
		}, "spa.uses: granted 1", 0},
		{"of another key", ClaimAnswer{First: true}, func(s *situation) { s.key.Passphrase = []byte("another") }, "spa.decrypt_failed", 0},
		{"that cannot be recorded", ClaimAnswer{First: true}, func(s *situation) {
			s.opts.Store = &brokenStore{Memory: replay.NewMemory(replay.Options{}), add: errors.New("broken")}
		}, "spa.store: broken", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plain()
			if c.set != nil {
				c.set(s)
			}
			fleet := &claimant{answer: c.answer}
			s.opts.Claim = fleet.claim
			e := s.engine(t)
			ev := s.event(s.wire(t))
			if trace := e.Explain(s.now, ev); len(fleet.claims) != 0 {
				t.Errorf("explaining claims: %v", trace.Decision.Reason)
			}
			got := showClaimed(e.Decide(s.now, ev))
			if !strings.HasPrefix(got, c.want) || c.want == granted && got != granted {
				t.Errorf("%s, want %s", got, c.want)
			}
			if len(fleet.claims) != c.claims {
				t.Fatalf("%d claims, want %d", len(fleet.claims), c.claims)
			}
			for _, claim := range fleet.claims {
				if m := e.Message(); claim.Digest != sha256.Sum256(m.Plaintext) || !claim.Sent.Equal(t0) || !claim.Until.Equal(t0.Add(s.server.MaxAge)) || !strings.HasPrefix(claim.Stanza, "stanza at line ") {
					t.Errorf("claimed %+v", claim)
				}
			}
			again := e.Decide(s.now.Add(5*time.Second), s.event(ev.Payload))
			if again.Verdict == Allow && !again.Shadow || len(fleet.claims) != c.claims {
				t.Errorf("sent again: %s, %d claims", showClaimed(again), len(fleet.claims))
			}
		})
	}
}

// showClaimed is a decision in a line, with what a claim adds to it.
func showClaimed(d Decision) string {
	text := show(d)
	if d.Verdict == Deny && d.Detail.Text != "" {
		text += ": " + d.Detail.Text
	}
	if seen := d.Detail.FirstSeen; seen != nil {
		text += ", seen +" + seen.Sub(t0).String()[:1]
	}
	if d.Degraded {
		text += " degraded"
	}
	return text
}

// A message that is refused as it was taken is not granted later: the store has it, whatever the
// fleet says then.
func TestClaimIsFinal(t *testing.T) {
	for _, answer := range []ClaimAnswer{{Taken: true}, {Why: "no quorum"}} {
		s := plain()
		fleet := &claimant{answer: answer}
		s.opts.Claim = fleet.claim
		e, wire := s.engine(t), s.wire(t)
		if d := e.Decide(s.now, s.event(wire)); d.Verdict != Deny {
			t.Fatal(show(d))
		}
		fleet.answer = ClaimAnswer{First: true}
		s.now = s.now.Add(5 * time.Second)
		if d := e.Decide(s.now, s.event(wire)); d.Reason != SPAReplay || len(fleet.claims) != 1 {
			t.Errorf("%s, %d claims", show(d), len(fleet.claims))
		}
	}
}

// A shadow stanza sees what another one claims, and claims nothing itself.
func TestClaimBesideShadow(t *testing.T) {
	s := plain()
	fleet := &claimant{answer: ClaimAnswer{Taken: true}}
	s.opts.Claim = fleet.claim
	s.stanzas = append(s.stanzas, stanzaAt(2))
	s.one().Shadow = true
	d := s.decide(t)
	if d.Reason != SPAReplay || len(d.Others) != 1 || d.Others[0].Verdict != Allow || len(fleet.claims) != 1 {
		t.Errorf("%s, others %d, %d claims", show(d), len(d.Others), len(fleet.claims))
	}
}

// An encrypted sequence has no time, so that no claim on it would end: it is refused. A shared one can
// be repeated by design, and is not.
func TestClaimOfSequences(t *testing.T) {
	fleet := &claimant{answer: ClaimAnswer{First: true}}
	s := knocker(stanzaAt(1))
	s.one().Mode, s.one().PortOffset = conf.ModeEncrypted, 61000
	s.one().KnockInterval, s.one().KnockLimit, s.one().MinTimeDiff, s.one().MaxTimeDiff = time.Minute, -1, -1, -1
	ports := encryptedPorts(t, []byte{192, 0, 2, 9, 0, 22, 6})
	s.opts.Claim = fleet.claim
	for _, local := range []string{conf.PartitionRefuse, conf.PartitionLocal} {
		s.server.FleetOnPartition = local
		got := s.knock(t, s.engine(t), ports...)
		if d := got[len(got)-1]; d.Reason != KnockFleet || d.Detail.Text != textSequence {
			t.Errorf("%s: %s", local, showClaimed(d))
		}
	}
	s = knocker(sequence(1, 1000, 2000))
	s.opts.Claim = fleet.claim
	if got := s.knock(t, s.engine(t), 1000, 2000); got[1].Reason != KnockGranted || len(fleet.claims) != 0 {
		t.Errorf("%s, %d claims", shows(got), len(fleet.claims))
	}
}

// Packets that are no message cost no more for a fleet.
func TestClaimsCostNothing(t *testing.T) {
	s := plain()
	s.opts.Claim = func(Claim) ClaimAnswer { t.Error("junk is claimed"); return ClaimAnswer{} }
	s.key.Passphrase = []byte("another")
	junk := s.event(s.wire(t))
	with := s.engine(t)
	s.opts.Claim = nil
	without := s.engine(t)
	count := func(e *Engine) float64 { return testing.AllocsPerRun(100, func() { e.Decide(s.now, junk) }) }
	if a, b := count(with), count(without); a > b {
		t.Errorf("%v allocations, %v without a fleet", a, b)
	}
}
