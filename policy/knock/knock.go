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
	"time"

	"fwknopd/enforce"
	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// Bounds of what is remembered.
const (
	// DefaultMaxSources is the bound on attempts in progress if Options has none;
	// they take 16 MiB then.
	DefaultMaxSources = 1 << 14
	maxCounted        = 1 << 16 // pairs of source and stanza with a KNOCK_LIMIT
	maxCipherTexts    = 1 << 16
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

// Counts are what a Tracker has seen.
type Counts struct {
	Forged  uint64 // records that concerned a stanza but were not the kernel's
	Repeats uint64 // packets passed over as recorded twice
	Evicted uint64 // sources, uses and cipher texts forgotten for want of room
	Granted uint64
	Refused uint64
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

// stanza is a conf.Stanza made ready.
type stanza struct {
	*conf.Stanza
	pass []byte // KEY, filled up where the file asks for it
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

// Counts returns the totals so far.
func (t *Tracker) Counts() Counts {
	c := t.counts
	c.Evicted += t.sources.evicted + t.limits.evicted + t.ciphers.evicted
	return c
}

// Evaluated is how many packets concerned a sequence: one begins with their port, or
// their source is in the midst of one.
func (t *Tracker) Evaluated() uint64 { return t.packets }

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

// atUs reports whether the packet went to an address of the stanza and, as far as
// the record says, came in where RESTRICT_INTF wants it.
func (s *stanza) atUs(k *knock) bool {
	in := s.Interface == "" || k.ev.In == nil || string(k.ev.In) == s.Interface
	return in && (s.Destination.IsZero() || s.Destination.Contains(k.ev.Dst.Addr()))
}
