package knock

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// inWindow reports whether p spells a byte of an encrypted sequence. TCP and UDP
// count alike: clients may alternate.
func (s *stanza) inWindow(p conf.Port) bool {
	n := int(p.Number) - int(s.PortOffset)
	return n >= 0 && n < window && p.Proto != uint8(parse.ICMP)
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

// cipherKey names a cipher text by the 32 bytes that decide. What follows them is
// the rest of a user name, and could be altered without a key.
type cipherKey [minText]byte

// sighting is when a cipher text was first accepted.
type sighting struct {
	at     time.Time
	src    netip.Addr
	packet uint64 // several stanzas may open one text, if they do it at one packet
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

// flaw says what is wrong with a text that is not authentic.
func (m *message) flaw() Result {
	switch {
	case !m.salted:
		return Result{Reason: DecryptFailed, Text: "no salt in front"}
	case !m.knownProto():
		return Result{Reason: DecryptFailed, Text: "no protocol to open"}
	case !m.checked:
		return Result{Reason: Checksum}
	}
	return Result{Reason: DecryptFailed, Text: "wrong key or damaged"}
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
