package knock

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/schedule"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// advance tries k as the next packet of the attempt.
func (t *Tracker) advance(a *attempt, s *stanza, k *knock, out []Result) []Result {
	a.untimed = a.untimed || k.untimed()
	if gap := k.at.Sub(a.first); a.done > 0 && !a.untimed && s.KnockInterval > 0 && gap > s.KnockInterval {
		out = append(out, s.endAttempt(a, k, Result{Reason: Timeout, Gap: gap, Bound: s.KnockInterval}))
	}
	if s.Mode == conf.ModeShared {
		return t.shared(a, s, k, out)
	}
	return t.encrypted(a, s, k, out)
}

// shared tries k as the next knock of a SHARED_SEQUENCE. One that does not fit
// ends the attempt, and is not tried as the first of the next one.
func (t *Tracker) shared(a *attempt, s *stanza, k *knock, out []Result) []Result {
	if s.Sequence[a.done] != k.port {
		if a.done == 0 || k.similar {
			return out
		}
		return append(out, s.endAttempt(a, k, Result{Reason: WrongPort}))
	}
	if a.done == 0 {
		a.first = k.at
	} else if r, ok := s.checkGap(a, k); !ok {
		return append(out, s.endAttempt(a, k, r))
	}
	if a.done+1 == len(s.Sequence) {
		return append(out, s.endAttempt(a, k, t.complete(a, s, k)))
	}
	a.prev = k.at
	a.done++
	return out
}

// checkGap checks the time since the previous knock. Both comparisons are strict, so
// MAX_TIME_DIFF 0 cannot be met.
func (s *stanza) checkGap(a *attempt, k *knock) (Result, bool) {
	gap := k.at.Sub(a.prev)
	switch {
	case a.untimed: // see checkTimed
	case s.MinTimeDiff >= 0 && gap <= s.MinTimeDiff:
		return Result{Reason: TooFast, Gap: gap, Bound: s.MinTimeDiff}, false
	case s.MaxTimeDiff >= 0 && gap >= s.MaxTimeDiff:
		return Result{Reason: TooSlow, Gap: gap, Bound: s.MaxTimeDiff}, false
	}
	return Result{}, true
}

// complete checks the rules for a complete shared sequence.
func (t *Tracker) complete(a *attempt, s *stanza, k *knock) Result {
	if r, ok := s.checkTimed(a); !ok {
		return r
	}
	if got, ok := t.checkSystem(s, k); !ok {
		return Result{Reason: OS, Want: requirement(s), Got: got}
	}
	if r, ok := t.checkTimes(s, k); !ok {
		return r
	}
	if !t.countUse(a, s, k) {
		return Result{Reason: Limit, MaxUses: s.KnockLimit}
	}
	return s.grant(k.addr, s.OpenPorts...)
}

// encrypted appends k to the text of an ENCRYPT_SEQUENCE and verifies the text when it
// may be complete. Ports outside the window are not passed to it; one inside it that is
// not of the sequence makes the attempt fail.
//
// The length of the text is not transmitted. It may be complete at 32 ports and every 16
// after that, and is if its padding is right. If the padding is wrong but the first
// block is valid, the user name continues in the next block, up to maxText.
func (t *Tracker) encrypted(a *attempt, s *stanza, k *knock, out []Result) []Result {
	if a.done == 0 {
		a.first = k.at
	}
	a.text[a.done] = byte(int(k.port.Number) - int(s.PortOffset))
	text := a.text[:a.done+1]
	if len(text) < minText || len(text)%blockSize != 0 {
		a.done++
		return out
	}
	m, whole := decrypt(s.pass, text)
	if !whole && m.valid() && len(text) < maxText {
		a.done++
		return out
	}
	return append(out, s.endAttempt(a, k, t.verify(a, s, k, &m, whole)))
}

// verify checks that the text is authentic, then that it is new, then the rules of the
// stanza.
func (t *Tracker) verify(a *attempt, s *stanza, k *knock, m *message, whole bool) Result {
	if !whole || !m.valid() {
		return m.rejection()
	}
	key := cipherKey(a.text[:minText])
	var r Result
	if first := t.recordCipher(key, k); first.packet != t.packets {
		r = Result{Reason: Replay, FirstSeen: first.at, FirstSrc: first.src}
	} else {
		r = t.authorise(a, s, k, m)
	}
	r.User, r.Cipher = m.user, key[:]
	return r
}

// cipherKey identifies a cipher text by its first 32 bytes. The rest is the rest of a
// user name, which can be altered without the key.
type cipherKey [minText]byte

// firstUse records when a cipher text was first accepted.
type firstUse struct {
	at     time.Time
	src    netip.Addr
	packet uint64 // by number: several stanzas may accept a text at the same packet
}

// recordCipher returns the first use of key, which is k if there was none.
func (t *Tracker) recordCipher(key cipherKey, k *knock) firstUse {
	if seen := t.ciphers.find(key); seen != nil {
		return *seen
	}
	seen := t.ciphers.add(key)
	*seen = firstUse{at: k.at, src: k.addr, packet: t.packets}
	return *seen
}

// authorise checks the rules of the stanza for an authentic message.
func (t *Tracker) authorise(a *attempt, s *stanza, k *knock, m *message) Result {
	if r, ok := s.checkTimed(a); !ok {
		return r
	}
	allow, r := t.client(s, k, m)
	if r.Reason != "" {
		return r
	}
	if slices.Contains(s.RestrictPorts, m.port) || m.port.Number == 0 && m.port.Proto != parse.ICMP {
		return Result{Reason: Port, Text: "the port asked for may not be opened"}
	}
	if got, ok := t.checkSystem(s, k); !ok {
		return Result{Reason: OS, Want: requirement(s), Got: got}
	}
	if len(s.Usernames) > 0 && !slices.Contains(s.Usernames, m.user) {
		return Result{Reason: User, Want: join(s.Usernames), Got: m.user}
	}
	if r, ok := t.checkTimes(s, k); !ok {
		return r
	}
	if !t.countUse(a, s, k) {
		return Result{Reason: Limit, MaxUses: s.KnockLimit}
	}
	r = s.grant(allow, append([]conf.Port{m.port}, s.OpenPorts...)...)
	if !s.PermitClientPorts && !slices.Contains(s.OpenPorts, m.port) {
		r.Text = "opens a port that the client asked for, without PERMIT_CLIENT_PORTS"
	}
	return r
}

// client returns the address that a message is for, or the refusal of it.
func (t *Tracker) client(s *stanza, k *knock, m *message) (allow netip.Addr, r Result) {
	if allow = m.addr; allow.IsUnspecified() {
		if t.opt.Server.RequireSourceAddress || !s.SourceAddress.Contains(k.addr) {
			return allow, Result{Reason: Source, Text: "the sequence leaves the address open"}
		}
		allow = k.addr
	}
	if t.opt.Server.Blacklist.Contains(allow) {
		return allow, Result{Reason: Source, Text: "the address inside is on the BLACKLIST"}
	}
	return allow, Result{}
}

// checkTimed refuses a complete sequence without times if a rule needs them.
func (s *stanza) checkTimed(a *attempt) (Result, bool) {
	if a.untimed && s.needsTime() {
		return Result{Reason: Timeout, Text: NoTime}, false
	}
	return Result{}, true
}

// needsTime reports whether a rule of the stanza needs the times of the packets.
func (s *stanza) needsTime() bool {
	gaps := s.Mode == conf.ModeShared && (s.MinTimeDiff >= 0 || s.MaxTimeDiff >= 0)
	return gaps || s.KnockInterval > 0 || s.AccessTimeout > 0 || !s.Expires.IsZero() || s.WantsSystem() || len(s.Windows) > 0 || s.Uses.Daily
}

// checkTimes refuses a complete sequence outside of ACCESS_WINDOW, or when ACCESS_USES are
// used up.
func (t *Tracker) checkTimes(s *stanza, k *knock) (Result, bool) {
	if !s.Windows.Contain(k.now) {
		return Result{Reason: Window, Text: Closed(s.Windows, k.now)}, false
	}
	if t.opt.Spent != nil {
		if text, spent := t.opt.Spent(s.Stanza, k.now); spent {
			return Result{Reason: Uses, MaxUses: s.Uses.Max, Text: text}, false
		}
	}
	return Result{}, true
}

// Closed is the text of the refusal outside of ACCESS_WINDOW.
func Closed(ws schedule.Windows, now time.Time) string {
	return "it is " + ws.Clock(now) + ", and open " + ws.String()
}

// countUse counts a use of the stanza by k's source; it returns false if KNOCK_LIMIT is
// reached.
func (t *Tracker) countUse(a *attempt, s *stanza, k *knock) bool {
	if s.KnockLimit < 0 {
		return true
	}
	key := use{k.addr, a.stanza}
	n := t.uses.find(key)
	if n == nil {
		if s.KnockLimit == 0 {
			return false
		}
		n = t.uses.add(key)
		*n = 0
	}
	if *n >= s.KnockLimit {
		return false
	}
	*n++
	t.uses.touch(key)
	return true
}

// grant returns the result that opens ports for addr.
func (s *stanza) grant(addr netip.Addr, ports ...conf.Port) Result {
	g := enforce.Grant{Src: addr, Ports: ports}
	return Result{Reason: Granted, Granted: true, Allow: addr, Ports: g.Normal().Ports, Timeout: s.AccessTimeout}
}

// endAttempt resets the attempt and completes its result r.
func (s *stanza) endAttempt(a *attempt, k *knock, r Result) Result {
	r.Stanza = int(a.stanza)
	r.Port = k.port
	r.Step, r.Steps = a.done+1, len(s.Sequence)
	if s.Mode == conf.ModeEncrypted {
		r.Steps = max(r.Step, minText)
	}
	a.reset()
	return r
}
