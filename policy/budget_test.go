package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fwknopd/fixtures/short"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// trialRate is the default of the daemon.
const trialRate = 1_000_000

// A flood is junk at 50,000 packets a second, well formed and made with keys of no stanza
// unless it is random, and a valid packet of a user 20 times a second. The time is that of the packets; work is
// counted.
type flood struct {
	*situation
	e *Engine

	junk   func(i int) netip.Addr // source of a packet
	valid  func(i int) netip.Addr
	random bool
	tag    bool // of valid packets

	first          int // number of the first valid packet
	honoured, sent int
	tried, limited int // junk
	other          int // that was decided by its form
}

const (
	junkRate    = 50_000
	validRate   = 20
	floodLength = 1 // second
)

func newFlood(t testing.TB, stanzas int) *flood {
	f := &flood{situation: users(stanzas), junk: oneSource, valid: newClient}
	f.opts.TrialRate = trialRate
	f.opts.Store = replay.NewMemory(replay.Options{})
	f.e = f.engine(t)
	return f
}

func oneSource(int) netip.Addr { return netip.MustParseAddr("203.0.113.9") }

// sources returns one of n addresses in turn.
func sources(n int) func(int) netip.Addr {
	return func(i int) netip.Addr { return ofInt(11, i*7919%n) }
}

// newClient returns another address for each packet.
func newClient(i int) netip.Addr { return ofInt(12, i) }

func ofInt(first byte, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{first, byte(i >> 16), byte(i >> 8), byte(i)})
}

// run sends the packets.
func (f *flood) run(t testing.TB) {
	start, junk, rnd := f.now, f.ofNoStanza(t), rand.New(rand.NewPCG(1, 2))
	for i := range junkRate * floodLength {
		f.now = start.Add(time.Duration(i) * time.Second / junkRate)
		f.src = f.junk(i)
		if f.random {
			randomText(rnd, junk)
		}
		switch d := f.e.Decide(f.now, f.event(junk)); {
		case d.Reason == SPARateLimited:
			f.limited++
		case d.Verdict == Ignore || f.random && !f.e.request.keyed.Fits(f.e.keys.symmetric):
			f.other++
		case d.Reason == SPAHMACMismatch:
			f.tried++
		default:
			t.Fatalf("junk: %s", show(d))
		}
		const each = junkRate / validRate
		if i%each == i/each*977%each {
			f.send(t)
		}
	}
}

// randomText sets text to random characters of base64.
func randomText(rnd *rand.Rand, text []byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range text {
		text[i] = alphabet[rnd.IntN(64)]
	}
}

// send sends a valid packet of one of eight users.
func (f *flood) send(t testing.TB) {
	f.src = f.valid(f.first + f.sent)
	f.is(f.sent % 8 * len(f.stanzas) / 8)
	f.msg.Text = f.src.String() + ",tcp/22"
	f.sent++
	text := f.wire(t)
	if f.tag {
		text = f.tagged(t)
	}
	if d := f.e.Decide(f.now, f.event(text)); d.Verdict == Allow {
		f.honoured++
	} else if d.Reason != SPARateLimited {
		t.Fatalf("valid: %s", show(d))
	}
}

// TestFloodAgainstManyKeys is what is promised under 50,000 packets of junk a second. The
// work for junk stays within TRIAL_RATE in each case.
func TestFloodAgainstManyKeys(t *testing.T) {
	short.Skip(t)
	for _, c := range []struct {
		name    string
		stanzas int
		junk    func(int) netip.Addr
		valid   func(int) netip.Addr
		random  bool
		tag     bool
		percent int // of valid packets, at least
	}{
		{"one source", 1000, oneSource, newClient, false, false, 100},
		{"ten sources", 1000, sources(10), newClient, false, false, 100},
		{"60 sources", 1000, sources(60), newClient, false, false, 100},
		{"one source, 10,000 keys", 10000, oneSource, newClient, false, false, 95},
		{"one source, random characters", 1000, oneSource, newClient, true, false, 100},
		{"a million forged sources, random characters", 1000, sources(1e6), newClient, true, false, 95},
		{"a million forged sources, clients that were seen before", 1000, sources(1e6), sources(8), false, false, 100},
		{"forged addresses of clients that were seen before", 1000, sources(8), sources(8), false, false, 100},
		{"a million forged sources, clients that never were seen", 1000, sources(1e6), newClient, false, false, 0},
		{"a million forged sources, new clients with tags", 1000, sources(1e6), newClient, false, true, 100},
		{"ten sources, 10,000 keys, new clients with tags", 10000, sources(10), newClient, false, true, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlood(t, c.stanzas)
			f.junk, f.valid, f.random, f.tag = c.junk, c.valid, c.random, c.tag
			for range 8 { // before the flood
				f.send(t)
			}
			f.honoured, f.sent, f.first = 0, 0, 1000
			f.run(t)
			if f.honoured*100 < f.sent*c.percent {
				t.Errorf("%d of %d valid packets were honoured, want %d %%", f.honoured, f.sent, c.percent)
			}
			most := trialRate * (floodLength + 1) * (knownShare + 1) / knownShare
			if work := f.tried * c.stanzas; work > most {
				t.Errorf("junk was tried on %d stanzas in %d s, want at most %d", work, floodLength, most)
			}
			t.Logf("%d of %d valid packets honoured; of %d junk packets %d were tried", f.honoured, f.sent, f.tried+f.limited+f.other, f.tried)
			if n := f.e.RateLimited(); n != uint64(f.limited+f.sent-f.honoured) {
				t.Errorf("counted %d", n)
			}
		})
	}
}

// TestFewStanzasHaveNoBudget: below freeTrials stanzas every packet is tried.
func TestFewStanzasHaveNoBudget(t *testing.T) {
	short.Skip(t)
	f := newFlood(t, freeTrials-1)
	f.run(t)
	if f.limited > 0 || f.honoured != f.sent {
		t.Errorf("%d packets limited, %d of %d honoured", f.limited, f.honoured, f.sent)
	}
}

// TestUnlimited: TrialRate 0 is no limit.
func TestUnlimited(t *testing.T) {
	s := users(100)
	e, junk := s.engine(t), s.ofNoStanza(t)
	for range 3000 {
		if d := e.Decide(s.now, s.event(junk)); d.Reason != SPAHMACMismatch {
			t.Fatal(show(d))
		}
	}
}

// TestReplayedPacketsAreLimited: a recorded packet that is sent again from its own source
// is work like junk.
func TestReplayedPacketsAreLimited(t *testing.T) {
	f := newFlood(t, 1000)
	f.is(999)
	ev := f.event(f.wire(t))
	if d := f.e.Decide(f.now, ev); d.Verdict != Allow {
		t.Fatal(show(d))
	}
	count := make(map[Reason]int)
	for range 5000 {
		count[f.e.Decide(f.now, ev).Reason]++
	}
	if n := count[SPAReplay]; n == 0 || n*1000 > trialRate/4 || n+count[SPARateLimited] != 5000 {
		t.Errorf("%v", count)
	}
	if d := f.e.Decide(f.now, f.event(f.wire(t))); d.Verdict != Allow {
		t.Errorf("a fresh packet of the same source: %s", show(d))
	}
}

// TestReplayedTagsAreLimited: a recorded packet with a tag that is sent again, from its own source
// or others, is work for as many trials as it may cause, and there is a limit to looking for tags.
func TestReplayedTagsAreLimited(t *testing.T) {
	short.Skip(t)
	f := newFlood(t, 1000)
	f.is(999)
	text := f.tagged(t)
	if d := f.e.Decide(f.now, f.event(text)); d.Verdict != Allow {
		t.Fatal(show(d))
	}
	const sent = 50_000
	count := make(map[Reason]int)
	for i := range sent {
		f.src = newClient(i)
		count[f.e.Decide(f.now, f.event(text)).Reason]++
	}
	if n := count[SPAReplay]; n == 0 || n > trialRate/4/maxRefused+1 || n+count[SPARateLimited] != sent {
		t.Errorf("%v", count)
	}
	if used, most := f.e.limiter.tags.used, f.e.limiter.tags.perSlot+1000; used > most {
		t.Errorf("%d tags in a slot, want at most %d", used, most)
	}
	f.now = f.now.Add(time.Second)
	if d := f.e.Decide(f.now, f.event(f.tagged(t))); d.Verdict != Allow {
		t.Errorf("a fresh packet: %s", show(d))
	}
}

// exhaust uses up what a source may cause.
func (f *flood) exhaust(t testing.TB, src netip.Addr) {
	t.Helper()
	f.src = src
	junk := f.event(f.ofNoStanza(t))
	for range 10000 {
		if f.e.Decide(f.now, junk).Reason == SPARateLimited {
			return
		}
	}
	t.Fatal("never limited")
}

// TestReloadKeepsSources: what is known of sources and used of the budget outlives a
// reload, also one that moves the stanzas.
func TestReloadKeepsSources(t *testing.T) {
	f := newFlood(t, 1000)
	f.is(500)
	if d := f.e.Decide(f.now, f.event(f.wire(t))); d.Verdict != Allow {
		t.Fatal(show(d))
	}
	f.exhaust(t, f.src)
	f.stanzas = append([]conf.Stanza{stanzaAt(5000)}, f.stanzas...)
	e := f.engine(t)
	e.Inherit(f.e)
	f.e = e
	if d := e.Decide(f.now, f.event(f.ofNoStanza(t))); d.Reason != SPARateLimited {
		t.Errorf("junk after a reload: %s", show(d))
	}
	if d := e.Decide(f.now, f.event(f.wire(t))); d.Verdict != Allow || d.Stanza != 501 {
		t.Errorf("after a reload: %s", show(d))
	}
	if e.RateLimited() != 2 {
		t.Errorf("%d counted", e.RateLimited())
	}
}

// TestExplainSaysRateLimited: explain says what Decide does, and takes nothing from the
// budget.
func TestExplainSaysRateLimited(t *testing.T) {
	short.Skip(t)
	f := newFlood(t, 1000)
	for range 1000 {
		if tr := f.e.Explain(f.now, f.event(f.ofNoStanza(t))); tr.Decision.Reason != SPAHMACMismatch || len(tr.Stanzas) != 1000 {
			t.Fatal(show(tr.Decision))
		}
	}
	f.exhaust(t, f.src)
	tr := f.e.Explain(f.now, f.event(f.wire(t)))
	last := tr.Packet[len(tr.Packet)-1]
	if tr.Decision.Reason != SPARateLimited || last.Reason != SPARateLimited || last.Detail.Text == "" || len(tr.Stanzas) != 0 {
		t.Errorf("%+v, last check %+v", tr.Decision, last)
	}
}

// TestUnopenableTextIsNoWork: text that cannot be for any key does not use the budget.
func TestUnopenableTextIsNoWork(t *testing.T) {
	f := newFlood(t, 1000)
	junk := f.ofNoStanza(t)
	junk[0] = 'A'
	for range 10000 {
		if d := f.e.Decide(f.now, f.event(junk)); d.Verdict != Ignore {
			t.Fatal(show(d))
		}
	}
	junk[0], junk[len(junk)-1] = '8', 'B' // two bits too many for an HMAC
	for range 10000 {
		if d := f.e.Decide(f.now, f.event(junk)); d.Reason != SPAHMACMismatch || d.Stanza != 1 {
			t.Fatal(show(d))
		}
	}
}

// TestBudget: whatever is asked for, a slot gives no more than its share and one packet,
// sources among few always get their first packet, and none takes more than half.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const perSlot = 1000
		b := newBudget(perSlot * int(time.Second/slotLength))
		at, few := t0, rapid.Bool().Draw(t, "few")
		n, most := 60, 300
		if few {
			n, most = 5, perSlot/4/5
		}
		slot, inSlot, own := int64(0), 0, make(map[netip.Addr]int)
		for range rapid.IntRange(1, 400).Draw(t, "packets") {
			at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 20, 300, 3000}).Draw(t, "ms")) * time.Millisecond)
			if s := at.UnixNano() / int64(slotLength); s != slot {
				slot, inSlot = s, 0
				clear(own)
			}
			src, work := ofInt(10, rapid.IntRange(0, n-1).Draw(t, "source")), rapid.IntRange(1, most).Draw(t, "work")
			ok := b.allows(src, work, at)
			if few && own[src] == 0 && !ok {
				t.Fatal("the first packet of a source among few is refused")
			}
			if !ok {
				continue
			}
			b.take(src, work)
			inSlot, own[src] = inSlot+work, own[src]+work
			if inSlot > perSlot+most || own[src] > max(perSlot/2, most) {
				t.Fatalf("%d in the slot, %d for one source", inSlot, own[src])
			}
		}
	})
}

// TestBudgetClock: a slot that was overdrawn is paid by those after it; times that run
// back a little change nothing, and a clock that was set back begins anew.
func TestBudgetClock(t *testing.T) {
	b := newBudget(4000) // 1000 a slot
	a, other := ofInt(10, 1), ofInt(10, 2)
	b.allows(a, 3500, t0)
	b.take(a, 3500)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, false}, {-time.Second, false}, {slotLength, false}, {0, false}, {2 * slotLength, false}, {3 * slotLength, true},
	} {
		if got := b.allows(other, 1, t0.Add(c.after)); got != c.want {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
	b.take(other, 2000)
	if b.allows(a, 1, time.Time{}) {
		t.Error("a packet without a time begins a slot")
	}
	if !b.allows(a, 1, t0.Add(-time.Hour)) {
		t.Error("the clock was set back, and the budget waits for the old time")
	}
}

// TestKnownSourcesAreBounded: the ones that go first had nothing opened for the longest
// time, roughly.
func TestKnownSourcesAreBounded(t *testing.T) {
	k := newKnownSources()
	for i := range 3 * maxKnown {
		k.remember(ofInt(10, i), i)
		if i%100 == 0 {
			k.remember(ofInt(10, 7), 7) // opens again and again
		}
	}
	if len(k.of) != maxKnown || len(k.ring) != maxKnown {
		t.Errorf("%d sources, %d in the ring", len(k.of), len(k.ring))
	}
	if k.of[ofInt(10, 7)] == nil || k.of[ofInt(10, 8)] != nil {
		t.Error("the wrong one was forgotten")
	}
	for i := range 3 * maxOpenedBy {
		k.remember(ofInt(10, 7), i)
	}
	if got := fmt.Sprint(k.of[ofInt(10, 7)].openedBy); got != "[16 17 18 19 20 21 22 23]" {
		t.Errorf("opened by %s", got)
	}
}
