// Package knock evaluates port-knock sequences: the shared ones, a list of ports
// that everybody who may listen can learn (SHARED_SEQUENCE), and the encrypted
// ones, a small message spelled in port numbers (ENCRYPT_SEQUENCE). It is pure but
// for its state: no I/O and no clock.
//
// Entry points: [New] with the stanzas, then [Tracker.Step] with each packet;
// [Tracker.CarryOver] when the configuration changes. A shared sequence can be
// sniffed and repeated by whoever sees it; Single Packet Authorization is what to
// use instead.
//
// # Which packets count
//
// TCP segments with at least one of FIN, SYN, RST, PSH, ACK, URG; UDP datagrams;
// echo requests and replies. Nothing else advances or ends a sequence: no ICMP
// error (and nothing that is quoted inside one), no other protocol. The
// destination address does not matter unless the stanza has DESTINATION.
//
// A log line counts only if the kernel wrote it. One that only reads like the
// kernel's ([parse.OriginUnknown]) is never evaluated; if its source and port
// would have concerned a stanza it is reported as [ForgedLine].
//
// # Time
//
// All gaps are taken between the packets' own stamps; now stands in for a stamp
// that is missing. If now is missing too, which is so when a record without a time
// is replayed, a sequence goes on, but what cannot be judged without a time refuses
// it at its end: KNOCK_INTERVAL, the time differences, the end of a grant or of the
// stanza, REQUIRE_OS. KNOCK_INTERVAL runs from the first packet to the last and may
// just be reached; MIN_TIME_DIFF must be exceeded, MAX_TIME_DIFF must not be
// reached. A stamp earlier than the source's last one ends its attempts.
//
// # Retransmissions
//
// A packet that is recorded a second time, by a second log rule or because the
// client's TCP sent its SYN again, is passed over: it neither advances nor ends a
// sequence. It has to agree with one of the last few packets that took part in the
// source's attempts in protocol, both ports (type and code of an echo) and flags;
// and
//
//   - a SYN in the IP identification, which may also be one of the next few: that
//     is how a sender numbers a SYN sent again;
//   - any other packet in the identification, which must not be zero. Where there
//     is none (IPv6, some datagrams) a look-alike is passed over only if the
//     sequence does not wait for just such a packet.
//
// This opens nothing: what is decided is what would be decided had the copy not
// been recorded, and whoever can send a packet twice can send it once. A new
// connection to the same port has another source port, and ends an attempt. TCP's
// sequence number is not consulted, since most log lines do not have it and a log
// and a capture of the same packets lead to the same decisions. That holds for
// everything here, as far as stamps of a second can tell a gap from its limit.
//
// # What is remembered
//
// Everything is bounded by constants, and the entry used longest ago goes first:
// attempts in progress ([Options].MaxSources), the uses counted against
// KNOCK_LIMIT, the cipher texts that were accepted ([Counts] tells how many of
// these went), and the operating systems of recent SYNs, which serve REQUIRE_OS
// for one KNOCK_INTERVAL. An attempt that its source does not go on with is
// forgotten without a word.
//
// Cipher texts carry no date, so age cannot retire them: they are remembered until
// more than a constant of newer ones, each made with a stanza's key, have come. A
// [Result] carries the cipher text for those who want to keep it beyond the life
// of the process.
package knock

import (
	"net/netip"
	"reflect"
	"time"

	"fwknopd/enforce"
	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// Options are what a Tracker works with. It changes none of it.
type Options struct {
	// Stanzas are all of access.conf; those in SPA mode are passed over.
	Stanzas []conf.Stanza
	// Server gives BLACKLIST and REQUIRE_SOURCE_ADDRESS; nil means neither.
	Server *conf.Server
	// Matcher names operating systems; without one REQUIRE_OS refuses everybody.
	Matcher *fingerprint.Matcher
	// MaxSources bounds the attempts that are remembered; a source in the midst of
	// several stanzas' sequences counts once for each. 0: DefaultMaxSources.
	MaxSources int
}

// Bounds of what is remembered.
const (
	// DefaultMaxSources is the bound on attempts in progress if Options has none;
	// they take 16 MiB then.
	DefaultMaxSources = 1 << 14
	maxCounted        = 1 << 16 // pairs of source and stanza with a KNOCK_LIMIT
	maxCipherTexts    = 1 << 16
)

// Counts are what a Tracker has seen.
type Counts struct {
	Forged  uint64 // records that concerned a stanza but were not the kernel's
	Repeats uint64 // packets passed over as recorded twice
	Evicted uint64 // sources, uses and cipher texts forgotten for want of room
	Granted uint64
	Refused uint64
}

// A Result is what a packet meant for one stanza: a sequence complete and granted,
// or an attempt that ended. Numbers that the reason does not need are zero.
type Result struct {
	Stanza  int // index into Options.Stanzas
	Reason  string
	Granted bool // Reason is Granted

	// What is to be opened, iff Granted. Allow is never unspecified; it may differ
	// from the packet's source (encrypted sequences name it). Ports are sorted and
	// without duplicates.
	Allow   netip.Addr
	Ports   []enforce.Port
	Timeout time.Duration // 0: no end

	// User is the client's name as an encrypted sequence gave it, not trusted: any
	// bytes but NUL. Known from the moment the sequence was deciphered.
	User string
	// Cipher are the first 32 bytes of the cipher text: salt and the block that
	// decides. Present iff the sequence was deciphered; the key for a replay memory
	// that outlives this one.
	Cipher []byte

	// Port is the packet's own knock.
	Port enforce.Port
	// Step is the place of the packet in the sequence, from 1, of Steps.
	Step, Steps int
	// Gap was measured and Bound configured (Timeout, TooFast, TooSlow). A Gap
	// below zero: the stamps ran backwards.
	Gap, Bound time.Duration
	// MaxUses is KNOCK_LIMIT (Limit).
	MaxUses int
	// Want and Got name what was asked for and what was there (User, OS).
	Want, Got string
	// FirstSeen and FirstSrc tell of the first time (Replay).
	FirstSeen time.Time
	FirstSrc  netip.Addr
	// Text is one short sentence where no number says it.
	Text string
}

// The reasons of a Result. They are the codes of package policy, which imports
// this one.
const (
	Granted       = "knock.granted"
	WrongPort     = "knock.wrong_port"
	Timeout       = "knock.timeout"
	TooFast       = "knock.too_fast"
	TooSlow       = "knock.too_slow"
	Limit         = "knock.limit"
	DecryptFailed = "knock.decrypt_failed"
	Checksum      = "knock.checksum"
	User          = "knock.user"
	OS            = "knock.os"
	Source        = "knock.source"
	Port          = "knock.port"
	Replay        = "knock.replay"
	ForgedLine    = "knock.forged_line"
)

// NoTime is the text of a refusal of what cannot be judged without a time.
const NoTime = "the record has no time that can be read"

// Progress is how far a source is in the sequence of a stanza.
type Progress struct {
	Stanza      int // index into Options.Stanzas
	Done, Steps int // knocks that fitted so far, and of how many
}

// A Tracker follows the sequences of all sources. It is for one goroutine.
type Tracker struct {
	opt     Options
	stanzas []stanza
	armed   *armed

	sources  *lru[netip.Addr, source]
	attempts int // in all sources
	limits   *lru[use, int]
	ciphers  *lru[cipherKey, sighting]
	systems  *systems // nil if no stanza asks
	packets  uint64   // evaluated: names the packet that completed a cipher text
	counts   Counts
}

// use is what KNOCK_LIMIT counts.
type use struct {
	src    netip.Addr
	stanza int32
}

// New returns a Tracker that has seen nothing.
func New(opt Options) *Tracker {
	if opt.Server == nil {
		opt.Server = &conf.Server{}
	}
	if opt.MaxSources <= 0 {
		opt.MaxSources = DefaultMaxSources
	}
	t := &Tracker{
		opt:     opt,
		stanzas: make([]stanza, len(opt.Stanzas)),
		sources: newLRU[netip.Addr, source](opt.MaxSources),
		limits:  newLRU[use, int](maxCounted),
		ciphers: newLRU[cipherKey, sighting](maxCipherTexts),
	}
	for i := range opt.Stanzas {
		s := &opt.Stanzas[i]
		t.stanzas[i] = stanza{Stanza: s, pass: passphrase(s)}
		if s.Mode != conf.ModeSPA && s.WantsSystem() && opt.Matcher != nil && t.systems == nil {
			t.systems = new(systems)
		}
	}
	t.armed = arm(t.stanzas)
	return t
}

// CarryOver takes over what old knows: attempts in progress and uses counted
// against KNOCK_LIMIT where a stanza is the same but for its place in the file,
// accepted cipher texts and totals in any case. It is called before the first
// Step; old must not be used afterwards.
func (t *Tracker) CarryOver(old *Tracker) {
	now := matchStanzas(old.opt.Stanzas, t.opt.Stanzas)
	old.sources.each(func(addr netip.Addr, s *source) {
		if t.opt.Server.Blacklist.Contains(addr) {
			return
		}
		src := t.admit(&knock{addr: addr, at: s.last})
		src.traces, src.n = s.traces, s.n
		for _, a := range s.attempts {
			if i, ok := now[a.stanza]; ok {
				place, _ := src.attempt(i)
				*place = a
				place.stanza = i
				t.attempts++
			}
		}
	})
	old.limits.each(func(u use, n *int) {
		if i, ok := now[u.stanza]; ok {
			*t.limits.add(use{u.src, i}) = *n
		}
	})
	t.ciphers, t.packets = old.ciphers, old.packets
	if old.opt.Matcher == t.opt.Matcher && t.systems != nil && old.systems != nil {
		t.systems = old.systems
	}
	t.counts = old.Counts()
	t.ciphers.evicted = 0 // now in counts
}

// matchStanzas maps the index of each old stanza to that of an equal new one;
// equal ones are paired in order.
func matchStanzas(old, now []conf.Stanza) map[int32]int32 {
	pairs := make(map[int32]int32)
	taken := make(map[int]bool)
	for i := range old {
		for j := range now {
			if !taken[j] && sameStanza(old[i], now[j]) {
				pairs[int32(i)], taken[j] = int32(j), true
				break
			}
		}
	}
	return pairs
}

// sameStanza compares all but the place in the file.
func sameStanza(a, b conf.Stanza) bool {
	a.Pos, a.Number, b.Pos, b.Number = conf.Pos{}, 0, conf.Pos{}, 0
	return reflect.DeepEqual(a, b)
}

// Counts returns the totals so far.
func (t *Tracker) Counts() Counts {
	c := t.counts
	c.Evicted += t.sources.evicted + t.limits.evicted + t.ciphers.evicted
	return c
}

// Evaluated is how many packets concerned a sequence: one begins with their port, or
// their source is in the midst of one.
func (t *Tracker) Evaluated() uint64 { return t.packets }

// Progress lists the attempts of src in progress, in reading order: for those who
// explain.
func (t *Tracker) Progress(src netip.Addr) []Progress {
	s := t.sources.find(src)
	if s == nil {
		return nil
	}
	var all []Progress
	for i := range s.attempts {
		a := &s.attempts[i]
		st := &t.stanzas[a.stanza]
		p := Progress{Stanza: int(a.stanza), Done: a.done, Steps: len(st.Sequence)}
		if len(st.Sequence) == 0 {
			p.Steps = max(a.done, minText)
		}
		if a.done > 0 {
			all = append(all, p)
		}
	}
	return all
}

// Step evaluates one packet and appends what came of it to out: nothing for most
// packets, otherwise one Result for each stanza that the packet granted or
// refused, in reading order. now is the wall clock, or the packet's own time when
// a record is replayed, zero if it has none. Step does not allocate for a packet that concerns no
// stanza.
func (t *Tracker) Step(now time.Time, ev *parse.Event, out []Result) []Result {
	port, ok := knockOf(ev)
	addr := ev.Src.Addr()
	if !ok || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return out
	}
	if ev.Origin == parse.OriginUnknown {
		return t.forged(port, ev, out)
	}
	k := knock{ev: ev, addr: addr, port: port, now: now, at: ev.Time}
	if k.at.IsZero() {
		k.at = now
	}
	if t.systems != nil {
		t.systems.note(t.opt.Matcher, &k)
	}
	src := t.sources.find(addr)
	if (src == nil || len(src.attempts) == 0) && !t.armed.start.has(port) {
		return out
	}
	return t.evaluate(&k, src, out)
}

// forged reports a line that would have concerned a stanza, had the kernel
// written it.
func (t *Tracker) forged(port conf.Port, ev *parse.Event, out []Result) []Result {
	if !t.armed.any.has(port) {
		return out
	}
	k := knock{ev: ev, addr: ev.Src.Addr(), port: port}
	for _, i := range t.armed.stanza[port] {
		if t.matches(&t.stanzas[i], &k) {
			t.counts.Forged++
			return append(out, Result{Stanza: int(i), Reason: ForgedLine, Port: enforce.Port(port)})
		}
	}
	return out
}

// matches reports whether the packet's addresses are the stanza's business.
func (t *Tracker) matches(s *stanza, k *knock) bool {
	return s.Source.Contains(k.addr) && s.atUs(k) && !t.opt.Server.Blacklist.Contains(k.addr)
}

// evaluate takes a packet through every stanza it concerns. src is nil if nothing
// is remembered of its source.
func (t *Tracker) evaluate(k *knock, src *source, out []Result) []Result {
	if src != nil {
		out = t.rewind(src, k, out)
		l := src.seen(k)
		if l == copied {
			src.last = k.at
			t.counts.Repeats++
			return out
		}
		k.alike = l == alike
	}
	if src = t.begin(k, src); src == nil {
		return out
	}
	t.packets++
	first, concerned := len(out), false
	for i := range src.attempts {
		a := &src.attempts[i]
		if s := &t.stanzas[a.stanza]; s.concerns(k) {
			concerned = true
			out = t.advance(a, s, k, out)
		}
	}
	t.settle(src)
	if concerned {
		src.record(k)
		t.sources.touch(k.addr)
	}
	t.trim()
	out = out[:first+reportOnce(out[first:])]
	t.count(out[first:])
	return out
}

// rewind ends the attempts of a source whose stamps run backwards: no gap can be
// trusted any more.
func (t *Tracker) rewind(src *source, k *knock, out []Result) []Result {
	if k.untimed() || !k.at.Before(src.last) {
		return out
	}
	for i := range src.attempts {
		a := &src.attempts[i]
		out = append(out, t.stanzas[a.stanza].ended(a, k, Result{
			Reason: Timeout, Gap: k.at.Sub(src.last), Text: "time stamps run backwards"}))
	}
	t.attempts -= len(src.attempts)
	t.counts.Refused += uint64(len(src.attempts))
	src.clear()
	src.last = k.at
	return out
}

// begin makes an attempt, still at rest, for each stanza whose sequence may start
// with k, and a place for the source if it has none.
func (t *Tracker) begin(k *knock, src *source) *source {
	if !t.armed.start.has(k.port) {
		return src
	}
	for _, i := range t.armed.stanza[k.port] {
		s := &t.stanzas[i]
		if !s.startsWith(k.port) || !t.matches(s, k) || s.expired(k.now) {
			continue
		}
		if src == nil {
			src = t.admit(k)
		}
		if _, made := src.attempt(i); made {
			t.attempts++
		}
	}
	return src
}

// admit makes a place for the source of k.
func (t *Tracker) admit(k *knock) *source {
	if t.sources.len() >= t.opt.MaxSources {
		t.evict()
	}
	src := t.sources.add(k.addr)
	src.clear()
	src.last = k.at
	return src
}

// trim forgets sources, the oldest first, until the attempts are few enough. One
// source may have more than that: as many as there are stanzas.
func (t *Tracker) trim() {
	for t.attempts > t.opt.MaxSources && t.sources.len() > 1 {
		t.evict()
	}
}

func (t *Tracker) evict() {
	t.attempts -= len(t.sources.oldest().attempts)
	t.sources.evict()
}

// settle drops the attempts at rest.
func (t *Tracker) settle(src *source) {
	busy := src.attempts[:0]
	for i := range src.attempts {
		if src.attempts[i].done > 0 {
			busy = append(busy, src.attempts[i])
		}
	}
	t.attempts -= len(src.attempts) - len(busy)
	src.attempts = busy
}

// reportOnce keeps one complaint of a cipher text that no stanza's key opens, and
// none if one does. It returns how many results are left, in place.
func reportOnce(rs []Result) int {
	opened := false
	for i := range rs {
		opened = opened || rs[i].Cipher != nil
	}
	n := 0
	for i := range rs {
		if unopened := rs[i].Reason == DecryptFailed || rs[i].Reason == Checksum; unopened {
			if opened {
				continue
			}
			opened = true
		}
		rs[n] = rs[i]
		n++
	}
	return n
}

func (t *Tracker) count(rs []Result) {
	for i := range rs {
		if rs[i].Granted {
			t.counts.Granted++
		} else {
			t.counts.Refused++
		}
	}
}
