// Package knock evaluates port-knock sequences: shared ones, which are a list of ports
// (SHARED_SEQUENCE), and encrypted ones, which are a short message encoded in port
// numbers (ENCRYPT_SEQUENCE). It does no I/O and reads no clock.
//
// Entry points: [New] with the stanzas, then [Tracker.Step] with each packet;
// [Tracker.CarryOver] when the configuration changes. A shared sequence can be sniffed
// and replayed; use Single Packet Authorization instead.
//
// # Which packets count
//
// TCP segments with at least one of FIN, SYN, RST, PSH, ACK, URG; UDP datagrams;
// echo requests and replies. Nothing else advances or ends a sequence: no ICMP
// error (nor the packet quoted in one), no other protocol. The destination address
// does not matter unless the stanza has DESTINATION.
//
// A log line counts only if the kernel wrote it. One that only looks like the
// kernel's ([parse.OriginUnknown]) is never evaluated; if its source and port match a
// stanza it is reported as [ForgedLine].
//
// # Time
//
// Gaps are measured between the packets' time stamps; now replaces a missing stamp.
// If now is missing too (a replayed record without a time), the sequence goes on, but
// is refused at its end if the stanza has a rule that needs the time: KNOCK_INTERVAL,
// the time differences, the end of a grant or of the stanza, REQUIRE_OS.
// KNOCK_INTERVAL is from the first packet to the last, inclusive; MIN_TIME_DIFF and
// MAX_TIME_DIFF are exclusive. A stamp earlier than the source's last one ends its
// attempts.
//
// # Retransmissions
//
// A packet recorded twice, by a second log rule or because the client's TCP
// retransmitted its SYN, is ignored: it neither advances nor ends a sequence. Such a
// packet has the protocol, both ports (type and code of an echo) and flags of one of
// the last packets that took part in the source's attempts; and
//
//   - a SYN has its IP identification or one of the next few, as senders number
//     retransmitted SYNs;
//   - any other packet has its identification, not zero. Without one (IPv6, some
//     datagrams) a similar packet is ignored only if it is not the next knock of the
//     sequence.
//
// Ignoring a packet grants nothing: the decision is as if it had not been recorded. A
// new connection to the same port has another source port, and ends an attempt. TCP's
// sequence number is not compared, since most log lines do not have it and a log and a
// capture of the same packets must lead to the same decisions (as far as stamps of
// whole seconds allow).
//
// # State
//
// All state is bounded by constants, and the least recently used entry is evicted
// first: attempts in progress ([Options].MaxSources), the uses counted against
// KNOCK_LIMIT, the cipher texts that were accepted ([Counts] has how many entries of
// these were evicted), and the operating systems of recent SYNs, which are valid for
// REQUIRE_OS for one KNOCK_INTERVAL. An attempt that is not continued is evicted
// without a Result.
//
// Cipher texts have no date and so cannot expire: they are evicted by newer ones only,
// each made with a stanza's key. A [Result] has the cipher text, so that the caller can
// store it beyond the life of the process.
package knock

import (
	"net/netip"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/index"
)

// Options are the configuration of a Tracker, which does not change it.
type Options struct {
	// Stanzas are all of access.conf; those in SPA mode are skipped.
	Stanzas []conf.Stanza
	// Server gives BLACKLIST and REQUIRE_SOURCE_ADDRESS; nil means neither.
	Server *conf.Server
	// Matcher recognises operating systems; nil: REQUIRE_OS refuses every client.
	Matcher *fingerprint.Matcher
	// MaxSources bounds the attempts in progress, of which a source has one for each
	// stanza. 0: defaultMaxSources.
	MaxSources int
	// Spent reports whether the ACCESS_USES of a stanza are used up, and why; nil: they are
	// not. The caller counts them.
	Spent func(s *conf.Stanza, now time.Time) (why string, spent bool)
}

// Bounds of the state.
const (
	// defaultMaxSources is the bound on attempts in progress if Options has none;
	// they take 16 MiB then.
	defaultMaxSources = 1 << 14
	maxCounted        = 1 << 16 // pairs of source and stanza with a KNOCK_LIMIT
	maxCipherTexts    = 1 << 16
)

// Counts are the totals of a Tracker.
type Counts struct {
	Forged  uint64 // records that match a stanza but were not written by the kernel
	Repeats uint64 // packets ignored as recorded twice
	Evicted uint64 // sources, uses and cipher texts evicted
	Granted uint64
	Refused uint64
}

// Progress is how far a source is in the sequence of a stanza.
type Progress struct {
	Stanza      int // index into Options.Stanzas
	Done, Steps int // knocks that matched so far, and the length of the sequence
}

// A Tracker tracks the sequences of all sources. It is not safe for concurrent use.
type Tracker struct {
	opt     Options
	stanzas []stanza
	ports   *portIndex
	finder  *index.Finder
	cursor  index.Cursor
	found   []int32 // room for what it finds

	sources  *lru[netip.Addr, source]
	attempts int // in all sources
	uses     *lru[use, int]
	ciphers  *lru[cipherKey, firstUse]
	systems  *systems // nil if no stanza asks
	packets  uint64   // evaluated; the number of the current packet
	counts   Counts
}

// use is the key of the uses that KNOCK_LIMIT bounds.
type use struct {
	src    netip.Addr
	stanza int32
}

// New returns a Tracker without any state.
func New(opt Options) *Tracker {
	if opt.Server == nil {
		opt.Server = &conf.Server{}
	}
	if opt.MaxSources <= 0 {
		opt.MaxSources = defaultMaxSources
	}
	t := &Tracker{
		opt:     opt,
		stanzas: make([]stanza, len(opt.Stanzas)),
		sources: newLRU[netip.Addr, source](opt.MaxSources),
		uses:    newLRU[use, int](maxCounted),
		ciphers: newLRU[cipherKey, firstUse](maxCipherTexts),
	}
	for i := range opt.Stanzas {
		s := &opt.Stanzas[i]
		t.stanzas[i] = stanza{Stanza: s, pass: passphrase(s)}
		if s.Mode != conf.ModeSPA && s.WantsSystem() && opt.Matcher != nil && t.systems == nil {
			t.systems = new(systems)
		}
	}
	t.ports, t.finder = newPortIndex(t.stanzas), newFinder(t.stanzas)
	return t
}

// Counts returns the totals so far.
func (t *Tracker) Counts() Counts {
	c := t.counts
	c.Evicted += t.sources.evicted + t.uses.evicted + t.ciphers.evicted
	return c
}

// Evaluated returns the number of packets that may start a sequence or whose source has
// an attempt in progress.
func (t *Tracker) Evaluated() uint64 { return t.packets }

// Progress returns the attempts of src in progress, in reading order.
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

// Step evaluates one packet and appends to out one Result for each stanza that grants
// or refuses, in reading order; most packets have none. now is the wall clock, or the
// packet's time when a record is replayed, zero if it has none. Step does not allocate
// for packets that match no stanza.
func (t *Tracker) Step(now time.Time, ev *parse.Event, out []Result) []Result {
	port, ok := knockOf(ev)
	if !ok {
		return out
	}
	addr := ev.Src.Addr()
	if ev.Origin == parse.OriginUnknown {
		return t.forged(port, ev, out)
	}
	k := knock{ev: ev, addr: addr, port: port, now: now, at: ev.Time}
	if k.at.IsZero() {
		k.at = now
	}
	if t.systems != nil {
		t.systems.record(t.opt.Matcher, &k)
	}
	src := t.sources.find(addr)
	if (src == nil || len(src.attempts) == 0) && !t.ports.start.has(port) {
		return out
	}
	return t.evaluate(&k, src, out)
}

// forged returns a refusal if the packet of a line that the kernel did not write
// matches a stanza.
func (t *Tracker) forged(port conf.Port, ev *parse.Event, out []Result) []Result {
	if !t.ports.any.has(port) {
		return out
	}
	k := knock{ev: ev, addr: ev.Src.Addr(), port: port}
	for _, i := range t.near(&k) {
		if s := &t.stanzas[i]; s.hasKnock(port) && t.matches(s, &k) {
			t.counts.Forged++
			return append(out, Result{Stanza: int(i), Reason: ForgedLine, Port: port})
		}
	}
	return out
}

// evaluate evaluates a packet in every stanza that it concerns. src is nil if its
// source has no state.
func (t *Tracker) evaluate(k *knock, src *source, out []Result) []Result {
	if src != nil {
		out = t.checkClock(src, k, out)
		l := src.compare(k)
		if l == duplicate {
			src.last = k.at
			t.counts.Repeats++
			return out
		}
		k.similar = l == similar
	}
	if src = t.startAttempts(k, src); src == nil {
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
	t.dropIdle(src)
	if concerned {
		src.record(k)
		t.sources.touch(k.addr)
	}
	t.evictExcess()
	out = out[:first+reportOnce(out[first:])]
	t.count(out[first:])
	return out
}

// checkClock ends the attempts of a source whose time stamps go backwards, since no gap
// can be measured.
func (t *Tracker) checkClock(src *source, k *knock, out []Result) []Result {
	if k.untimed() || !k.at.Before(src.last) {
		return out
	}
	for i := range src.attempts {
		a := &src.attempts[i]
		out = append(out, t.stanzas[a.stanza].endAttempt(a, k, Result{
			Reason: Timeout, Gap: k.at.Sub(src.last), Text: "time stamps run backwards"}))
	}
	t.attempts -= len(src.attempts)
	t.counts.Refused += uint64(len(src.attempts))
	src.clear()
	src.last = k.at
	return out
}

// startAttempts adds an attempt, without progress, for each stanza whose sequence may
// start with k, and the source if it is new.
func (t *Tracker) startAttempts(k *knock, src *source) *source {
	if !t.ports.start.has(k.port) {
		return src
	}
	for _, i := range t.near(k) {
		s := &t.stanzas[i]
		if !s.startsWith(k.port) || !t.matches(s, k) || s.expired(k.now) {
			continue
		}
		if src == nil {
			src = t.addSource(k)
		}
		if _, made := src.attempt(i); made {
			t.attempts++
		}
	}
	return src
}

// near returns stanzas with a sequence, in reading order, among them all that the packet
// is part of and whose addresses match: those of its port, or fewer. The result is valid
// until the next call.
func (t *Tracker) near(k *knock) []int32 {
	byPort := t.ports.stanza[k.port]
	if len(byPort) <= index.Few {
		return byPort
	}
	byAddress := t.finder.Find(k.addr, k.ev.Dst.Addr())
	if byAddress.Size() >= len(byPort) {
		return byPort
	}
	t.found = t.found[:0]
	t.cursor.Start(byAddress)
	for i, ok := t.cursor.Next(); ok; i, ok = t.cursor.Next() {
		t.found = append(t.found, int32(i))
	}
	return t.found
}

// matches reports whether the stanza applies to the packet's addresses.
func (t *Tracker) matches(s *stanza, k *knock) bool {
	return s.Source.Contains(k.addr) && s.destinationMatches(k) && !t.opt.Server.Blacklist.Contains(k.addr)
}

// addSource adds the source of k, evicting another if there are too many.
func (t *Tracker) addSource(k *knock) *source {
	if t.sources.len() >= t.opt.MaxSources {
		t.evict()
	}
	src := t.sources.add(k.addr)
	src.clear()
	src.last = k.at
	return src
}

// evictExcess evicts sources, the least recently used first, until at most MaxSources
// attempts are left. A single source may have more: one for each stanza.
func (t *Tracker) evictExcess() {
	for t.attempts > t.opt.MaxSources && t.sources.len() > 1 {
		t.evict()
	}
}

func (t *Tracker) evict() {
	t.attempts -= len(t.sources.oldest().attempts)
	t.sources.evict()
}

// dropIdle drops the attempts without progress.
func (t *Tracker) dropIdle(src *source) {
	busy := src.attempts[:0]
	for i := range src.attempts {
		if src.attempts[i].done > 0 {
			busy = append(busy, src.attempts[i])
		}
	}
	t.attempts -= len(src.attempts) - len(busy)
	src.attempts = busy
}

// reportOnce keeps one refusal of a cipher text that no stanza's key decrypts, and none
// if one does. It works in place and returns the number of results left.
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
