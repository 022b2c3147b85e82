package knock

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// advance tries k as the next packet of the attempt.
func (t *Tracker) advance(a *attempt, s *stanza, k *knock, out []Result) []Result {
	a.untimed = a.untimed || k.untimed()
	if gap := k.at.Sub(a.first); a.done > 0 && !a.untimed && s.KnockInterval > 0 && gap > s.KnockInterval {
		out = append(out, s.ended(a, k, Result{Reason: Timeout, Gap: gap, Bound: s.KnockInterval}))
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
		if a.done == 0 || k.alike {
			return out
		}
		return append(out, s.ended(a, k, Result{Reason: WrongPort}))
	}
	if a.done == 0 {
		a.first = k.at
	} else if r, ok := s.pace(a, k); !ok {
		return append(out, s.ended(a, k, r))
	}
	if a.done+1 == len(s.Sequence) {
		return append(out, s.ended(a, k, t.complete(a, s, k)))
	}
	a.prev = k.at
	a.done++
	return out
}

// pace checks the time since the knock before. Both comparisons are strict, so
// MAX_TIME_DIFF 0 cannot be met.
func (s *stanza) pace(a *attempt, k *knock) (Result, bool) {
	gap := k.at.Sub(a.prev)
	switch {
	case a.untimed: // timed has the last word
	case s.MinTimeDiff >= 0 && gap <= s.MinTimeDiff:
		return Result{Reason: TooFast, Gap: gap, Bound: s.MinTimeDiff}, false
	case s.MaxTimeDiff >= 0 && gap >= s.MaxTimeDiff:
		return Result{Reason: TooSlow, Gap: gap, Bound: s.MaxTimeDiff}, false
	}
	return Result{}, true
}

// complete judges a whole shared sequence.
func (t *Tracker) complete(a *attempt, s *stanza, k *knock) Result {
	if r, ok := s.timed(a); !ok {
		return r
	}
	if got, ok := t.system(s, k); !ok {
		return Result{Reason: OS, Want: wanted(s), Got: got}
	}
	if !t.honour(a, s, k) {
		return Result{Reason: Limit, MaxUses: s.KnockLimit}
	}
	return s.grant(k.addr, s.OpenPorts...)
}

// encrypted adds k to the text of an ENCRYPT_SEQUENCE and judges it when it may
// be whole. Ports outside the window do not come here and do no harm; a foreign
// one inside it shifts the text and spoils the attempt.
//
// The text says nothing of its length. It may be whole at 32 ports and every 16
// after that; it is when its padding is right. If the padding is wrong but address
// and checksum are right, the user name goes on in the next block, up to maxText.
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
	m, whole := decipher(s.pass, text)
	if !whole && m.sound() && len(text) < maxText {
		a.done++
		return out
	}
	return append(out, s.ended(a, k, t.judge(a, s, k, &m, whole)))
}

// judge asks whether the text is authentic, then whether it is new, and only then
// the stanza's rules.
func (t *Tracker) judge(a *attempt, s *stanza, k *knock, m *message, whole bool) Result {
	if !whole || !m.sound() {
		return m.flaw()
	}
	key := cipherKey(a.text[:minText])
	var r Result
	if first := t.sight(key, k); first.packet != t.packets {
		r = Result{Reason: Replay, FirstSeen: first.at, FirstSrc: first.src}
	} else {
		r = t.authorise(a, s, k, m)
	}
	r.User, r.Cipher = m.user, key[:]
	return r
}

// cipherKey names a cipher text by the 32 bytes that decide. What follows them is
// the rest of a user name, and could be altered without a key.
type cipherKey [minText]byte

// sighting is when a cipher text was first accepted.
type sighting struct {
	at     time.Time
	src    netip.Addr
	packet uint64 // several stanzas may open one text, if they do it at one packet
}

// sight returns when key was first accepted; if never, it is now.
func (t *Tracker) sight(key cipherKey, k *knock) sighting {
	if seen := t.ciphers.find(key); seen != nil {
		return *seen
	}
	seen := t.ciphers.add(key)
	*seen = sighting{at: k.at, src: k.addr, packet: t.packets}
	return *seen
}

// authorise judges an authentic message.
func (t *Tracker) authorise(a *attempt, s *stanza, k *knock, m *message) Result {
	if r, ok := s.timed(a); !ok {
		return r
	}
	allow := m.addr
	if allow.IsUnspecified() {
		if t.opt.Server.RequireSourceAddress || !s.SourceAddress.Contains(k.addr) {
			return Result{Reason: Source, Text: "the sequence leaves the address open"}
		}
		allow = k.addr
	}
	if t.opt.Server.Blacklist.Contains(allow) {
		return Result{Reason: Source, Text: "the address inside is on the BLACKLIST"}
	}
	if slices.Contains(s.RestrictPorts, m.port) || m.port.Number == 0 && m.port.Proto != uint8(parse.ICMP) {
		return Result{Reason: Port, Text: "the port asked for may not be opened"}
	}
	if got, ok := t.system(s, k); !ok {
		return Result{Reason: OS, Want: wanted(s), Got: got}
	}
	if len(s.Usernames) > 0 && !slices.Contains(s.Usernames, m.user) {
		return Result{Reason: User, Want: join(s.Usernames), Got: m.user}
	}
	if !t.honour(a, s, k) {
		return Result{Reason: Limit, MaxUses: s.KnockLimit}
	}
	r := s.grant(allow, append([]conf.Port{m.port}, s.OpenPorts...)...)
	if !s.PermitClientPorts && !slices.Contains(s.OpenPorts, m.port) {
		r.Text = "opens a port that the client asked for, without PERMIT_CLIENT_PORTS"
	}
	return r
}

// timed checks that a whole sequence has what needsTime asks for.
func (s *stanza) timed(a *attempt) (Result, bool) {
	if a.untimed && s.needsTime() {
		return Result{Reason: Timeout, Text: NoTime}, false
	}
	return Result{}, true
}

// needsTime reports that a rule of the stanza cannot be judged without the times of
// the packets.
func (s *stanza) needsTime() bool {
	gaps := s.Mode == conf.ModeShared && (s.MinTimeDiff >= 0 || s.MaxTimeDiff >= 0)
	return gaps || s.KnockInterval > 0 || s.AccessTimeout > 0 || !s.Expires.IsZero() || s.WantsSystem()
}

// honour judges what both kinds of sequence have in common: the number of uses.
// It reports false if the limit is reached, else counts one.
func (t *Tracker) honour(a *attempt, s *stanza, k *knock) bool {
	if s.KnockLimit < 0 {
		return true
	}
	key := use{k.addr, a.stanza}
	n := t.limits.find(key)
	if n == nil {
		if s.KnockLimit == 0 {
			return false
		}
		n = t.limits.add(key)
		*n = 0
	}
	if *n >= s.KnockLimit {
		return false
	}
	*n++
	t.limits.touch(key)
	return true
}

// grant opens ports for addr, as long as the stanza says.
func (s *stanza) grant(addr netip.Addr, ports ...conf.Port) Result {
	g := enforce.Grant{Src: addr}
	for _, p := range ports {
		g.Ports = append(g.Ports, enforce.Port(p))
	}
	return Result{Reason: Granted, Granted: true, Allow: addr, Ports: g.Normal().Ports, Timeout: s.AccessTimeout}
}

// ended puts the attempt to rest and completes r, which says why.
func (s *stanza) ended(a *attempt, k *knock, r Result) Result {
	r.Stanza = int(a.stanza)
	r.Port = enforce.Port(k.port)
	r.Step, r.Steps = a.done+1, len(s.Sequence)
	if s.Mode == conf.ModeEncrypted {
		r.Steps = max(r.Step, minText)
	}
	a.reset()
	return r
}
