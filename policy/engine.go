package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/index"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
	"fwknopd/policy/totp"
)

// Options are the configuration of an [Engine]. Server, Access and Store are required.
// The functions do the I/O.
type Options struct {
	Server *conf.Server
	Access *conf.Access
	Store  replay.Store
	// Signatures recognise operating systems; nil: stanzas with REQUIRE_OS refuse.
	Signatures *fingerprint.Matcher
	// Keyring returns the OpenPGP keys of a stanza; it is called once for each with
	// GPG keywords. A keyring returned with an error is used: it refuses every packet.
	// nil: GPG keywords are ignored.
	Keyring func(*conf.GPG) (*spa.Keyring, error)
	// GPGLimit limits public-key work; nil: there is no limit. It is asked for packets with
	// our HMAC, if there is one, and our key id.
	GPGLimit GPGLimit
	// TrialRate is on how many stanzas in a second packets are tried that none opens,
	// where one matches freeTrials stanzas or more; 0: any number.
	TrialRate int
	// ShadowHash returns the password hash of user in a shadow file, for
	// REQUIRE_AUTH_METHOD. nil: there are none.
	ShadowHash func(file, user string) (string, error)
	// Password, if not nil, is called in place of ShadowHash and reports whether the
	// file has this password for the user, which came from src. The hash then stays in the
	// process that may read the file.
	Password func(src netip.Addr, file, user, password string) (bool, error)
	// Resolve returns the addresses of a host name in a NAT request, where
	// ENABLE_NAT_DNS allows one. nil: names are refused.
	Resolve func(host string) ([]netip.Addr, error)
	// Claim claims a message from the fleet of gateways, and returns in a bounded time; nil: this
	// gateway is alone. It is not asked by what does not grant, as [Engine.Explain].
	Claim func(Claim) ClaimAnswer
	// Filter reports whether a captured packet may be SPA (PCAP_FILTER); nil: any may.
	// Log lines never are.
	Filter func(*parse.Event) bool
	// Uses are how often stanzas with ACCESS_USES have granted so far. The engine copies them.
	Uses schedule.Counts
	// All uses every stanza, whatever AUTH_MODE is: for offline use.
	All bool
	// Delivery names the current record for good where its source may deliver it again, as
	// after a crash, and is nil elsewhere: a shared sequence grants once for it, since it has nothing
	// else that tells it from an earlier one. nil: no source does.
	Delivery func() []byte
	// Record returns the number of the current record, for Explain; nil: there are no
	// numbers.
	Record func() int64
	// Ahead returns what an [Opener] of the engine made of the current packet; nil: nothing.
	// The Opened may not be used by others before the next packet.
	Ahead func() *Opened
	// DeferSync: the caller calls [Engine.Sync] before it acts on decisions, once for
	// many packets.
	DeferSync bool
}

// A GPGLimit limits the public-key work that packets cause, as *[spa.Limiter] does. Times are
// those at which packets were recorded.
type GPGLimit interface {
	// Allow reports whether a packet of src may cause work, and takes its share.
	Allow(src netip.Addr, at time.Time) bool
	// Left returns how often in a row Allow would say so.
	Left(src netip.Addr, at time.Time) int
}

// An Engine decides. It has one configuration, which does not change, and the state of
// the traffic. It is not safe for concurrent use.
//
// On a reload a new engine is made with the same Store, and takes over the other state
// by [Engine.Inherit].
type Engine struct {
	opts     Options
	server   *conf.Server
	spa      []stanza      // of ModeSPA, in reading order
	salts    []spa.SaltKey // of spa, in a row as all are tried; zero without KEY
	finder   *index.Finder // of spa
	cursor   index.Cursor  // room for what it finds
	carrier  spa.CarrierOptions
	minLen   uint16 // of the whole packet
	httpBuf  []byte // room for a packet that came over HTTP
	request  request
	scratch  Decision  // of the stanza that is being asked
	refused  []refused // by the stanzas that were asked
	failure  failure   // the last one to open a packet
	failures map[error]failure
	tracker  *knock.Tracker // nil without sequences
	results  []knock.Result // room for what one packet meant
	uses     schedule.Counts
	unsynced bool   // the store has records that were not synced
	examined uint64 // packets that were candidates for SPA
	copies   *copies
	codes    codeGuesses

	announcedCodes codeGuesses // of announced messages

	ahead     Opened // of the current packet, where no Opener has done it
	minTagged int    // from how many stanzas on a tag is looked for

	keys        keyKinds
	limiter     *limiter
	rateLimited uint64
}

// stanza is a stanza of access.conf prepared for use.
type stanza struct {
	*conf.Stanza
	symmetric *spa.Opener    // nil without KEY
	gpg       *spa.GPGOpener // nil without GPG
	external  *external
	totp      *totp.Key // nil without REQUIRE_AUTH_METHOD totp
	// everyPacket: the stanza matches whatever the addresses and the interface are.
	everyPacket bool
}

// NewEngine checks and prepares a configuration.
func NewEngine(opts Options) (*Engine, error) {
	if opts.Server == nil || opts.Access == nil || opts.Store == nil {
		return nil, errors.New("an engine needs a server, stanzas and a store")
	}
	e := &Engine{opts: opts, server: opts.Server, httpBuf: make([]byte, spa.MaxText), copies: new(copies), failures: make(map[error]failure),
		limiter: newLimiter(opts.TrialRate), uses: opts.Uses.Clone(), minTagged: minTagged}
	e.carrier, e.minLen = carrierOptions(opts.Server)
	for i := range opts.Access.Stanzas {
		st := &opts.Access.Stanzas[i]
		if st.Mode != conf.ModeSPA || !e.takesPart(st) {
			continue
		}
		if err := e.add(st); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", st.Pos.File, st.Pos.Line, err)
		}
	}
	e.finder = newFinder(e.spa)
	e.tracker = e.newTracker()
	return e, nil
}

// takesPart reports whether the stanza is used.
func (e *Engine) takesPart(st *conf.Stanza) bool { return e.opts.All || e.server.Feeds(st.Mode) }

func carrierOptions(s *conf.Server) (spa.CarrierOptions, uint16) {
	c := spa.CarrierOptions{
		MinLen:        minPayload,
		MaxLen:        spa.DefaultMaxPayload,
		OverHTTP:      s.OverHTTP,
		AnyUserAgent:  s.AnyUserAgent,
		XForwardedFor: s.XForwardedFor,
		Perl19:        s.Dialect != conf.C26,
	}
	if s.Dialect == conf.C26 {
		return c, 0
	}
	c.MinLen = minPayload19
	if s.MaxSniffBytes > 0 {
		c.MaxLen = min(s.MaxSniffBytes-1, spa.MaxText)
	}
	return c, uint16(min(max(s.MinPacketLen-ethernetBytes, 0), 1<<16-1))
}

// Bounds of the packet length. The 2.6 daemon measures the payload, 1.9 the frame, whose
// link header is assumed to be that of Ethernet.
const (
	minPayload    = 140 // 2.6
	minPayload19  = 11  // 1.9
	ethernetBytes = 14
)

// add prepares a stanza: it makes its openers.
func (e *Engine) add(st *conf.Stanza) error {
	s := stanza{Stanza: st, everyPacket: st.Source.IsAny() && st.Destination.IsZero() && st.Interface == ""}
	rules := spa.Rules{Digests: e.server.DigestTypes, AllowHosts: true, Perl19: st.Dialect == conf.Perl19}
	if st.AuthMethod == conf.AuthTOTP {
		s.totp = totp.New(st.TOTPSecret.Bytes())
	}
	var salt spa.SaltKey
	var err error
	if !st.Key.IsZero() {
		if s.symmetric, salt, err = symmetricOpener(st, rules); err != nil {
			return err
		}
	}
	if st.GPG != nil && e.opts.Keyring != nil {
		if s.gpg, err = e.gpgOpener(st, rules); err != nil {
			return err
		}
	}
	if s.external, err = newExternal(st, e.server); err != nil {
		return err
	}
	e.spa, e.salts = append(e.spa, s), append(e.salts, salt)
	e.keys.add(&s)
	return nil
}

// symmetricOpener returns the opener of a stanza with a KEY, and the key of its tags.
func symmetricOpener(st *conf.Stanza, rules spa.Rules) (*spa.Opener, spa.SaltKey, error) {
	k := spa.Key{
		Passphrase: st.Key.Bytes(),
		LegacyPad:  st.Dialect == conf.Perl19,
		Mode:       st.EncryptionMode,
		HMACKey:    st.HMACKey.Bytes(),
		HMACType:   st.HMACType,
		Rules:      rules,
	}
	o, err := spa.NewOpener(k)
	if err != nil {
		return nil, spa.SaltKey{}, err
	}
	salt, err := k.SaltKey()
	return o, salt, err
}

func (e *Engine) gpgOpener(st *conf.Stanza, rules spa.Rules) (*spa.GPGOpener, error) {
	ring, err := e.opts.Keyring(st.GPG)
	if ring == nil {
		return nil, err
	}
	return spa.NewGPGOpener(spa.GPGKey{
		Keyring:      ring,
		Prefix:       st.GPG.Prefix,
		RemoteIDs:    st.GPG.RemoteIDs,
		Fingerprints: st.GPG.Fingerprints,
		DisableSig:   st.GPG.DisableSig,
		IgnoreSigErr: st.GPG.IgnoreSigErr,
		AllowNoMDC:   st.GPG.AllowNoMDC,
		AllowWeak:    st.GPG.AllowWeak,
		HMACKey:      st.HMACKey.Bytes(),
		HMACType:     st.HMACType,
		Rules:        rules,
	})
}

// Inherit takes over the state of old, for a reload. The Store is shared through
// Options; old must not be used afterwards.
func (e *Engine) Inherit(old *Engine) {
	e.unsynced = e.unsynced || old.unsynced
	e.copies, e.rateLimited = old.copies, old.rateLimited
	e.inheritLimiter(old)
	e.inheritCodes(old)
	e.inheritUses(old)
	if e.tracker != nil && old.tracker != nil {
		e.tracker.CarryOver(old.tracker)
	}
}

// Decide decides one event. Freshness and expiry are checked against now; if it is zero,
// as for a replayed record without a time, every rule that needs the time refuses. The
// decision does not alias ev. Copies of a packet are ignored, see [Engine.Copies].
//
// A packet that is both an SPA message and a knock is decided as the message, unless
// only the knock grants; if both grant, the grant of the knock is in Others.
func (e *Engine) Decide(now time.Time, ev *parse.Event) (d Decision) {
	e.decideMessage(now, ev, &d)
	if e.trackKnock(now, ev) {
		d = combine(d, e.decideKnock(now, ev, false))
	}
	e.syncFor(&d)
	return d
}

// decideMessage decides a packet as a message and records it.
func (e *Engine) decideMessage(now time.Time, ev *parse.Event, d *Decision) {
	e.request.opened, e.refused = false, e.refused[:0]
	if !e.admit(now, ev, nil, false) {
		return
	}
	e.request.formless = false
	e.decideSPA(d)
	if !e.request.formless {
		e.examined++
	}
	e.recordPacket()
	if d.Reason == SPARateLimited {
		e.rateLimited++
	}
}

// syncFor makes the record of an Allow durable, unless the caller does, and refuses where it
// cannot. Most decisions ignore a packet: by value each would be copied.
func (e *Engine) syncFor(d *Decision) {
	if d.Verdict == Allow && !e.opts.DeferSync {
		if err := e.Sync(); err != nil {
			*d = d.Unrecorded(err)
		}
	}
}

// combine combines the decisions on one packet as a message and as a knock.
func combine(message, knock Decision) Decision {
	switch {
	case knock.Verdict == Ignore:
		return message
	case message.Verdict == Ignore || message.Verdict == Deny && knock.Verdict == Allow:
		knock.Others = append(knock.Others, message.Others...)
		return knock
	}
	others := knock.Others
	if knock.Verdict == Allow {
		knock.Others = nil
		others = append([]Decision{knock}, others...)
	}
	message.Others = append(message.Others, others...)
	return message
}

// Sync makes the records durable that Decide added since the last call. With DeferSync
// an Allow must not be executed before Sync has returned nil.
func (e *Engine) Sync() error {
	if !e.unsynced {
		return nil
	}
	if err := e.opts.Store.Sync(); err != nil {
		return err
	}
	e.unsynced = false
	return nil
}

// Message returns the SPA message of the last Decide, nil if none was opened. It is valid
// until the next Decide.
func (e *Engine) Message() *spa.Message {
	if !e.request.opened {
		return nil
	}
	return &e.request.msg
}

// Refusals returns the refusals of stanzas, but shadow stanzas, that the last Decide
// evaluated for a message and that did not grant, in file order: of each stanza that
// opened it, and of the first maxRefused others.
func (e *Engine) Refusals() []Refusal {
	all := make([]Refusal, len(e.refused))
	for i, f := range e.refused {
		all[i].Stanza = e.spa[f.stanza].Pos.Line
		if f.refusal != nil {
			all[i].Reason, all[i].Detail = f.reason, f.detail
		}
	}
	return all
}

// Refused returns the number of [Engine.Refusals].
func (e *Engine) Refused() int { return len(e.refused) }

// Examined returns the number of packets that looked like SPA packets or took part in a
// knock sequence.
func (e *Engine) Examined() uint64 {
	if e.tracker == nil {
		return e.examined
	}
	return e.examined + e.tracker.Evaluated()
}

// RateLimited returns the number of packets refused as SPARateLimited.
func (e *Engine) RateLimited() uint64 { return e.rateLimited }

// KnockCounts returns the totals of the sequence tracker.
func (e *Engine) KnockCounts() knock.Counts {
	if e.tracker == nil {
		return knock.Counts{}
	}
	return e.tracker.Counts()
}
