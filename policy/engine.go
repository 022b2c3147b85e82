package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// Options are what an [Engine] is made of. Server, Access and Store are required;
// whatever does I/O is a function of the caller's.
type Options struct {
	Server *conf.Server
	Access *conf.Access
	Store  replay.Store
	// Signatures name operating systems for REQUIRE_OS; nil refuses those stanzas.
	Signatures *fingerprint.Matcher
	// Keyring returns the OpenPGP keys of a stanza; called once for each that has a
	// GPG part. A keyring that comes with an error is used: it refuses every packet
	// and says why. nil: those parts are ignored.
	Keyring func(*conf.GPG) (*spa.Keyring, error)
	// GPGAllowed says whether a packet of src that was recorded at some time may cause
	// public-key work, as [spa.Limiter.Allow] does; nil: always. It is asked only for what
	// has our HMAC, if there is one, and names our key.
	GPGAllowed func(src netip.Addr, at time.Time) bool
	// ShadowHash returns the password hash of user in a shadow file, for
	// REQUIRE_AUTH_METHOD. nil: nobody has one.
	ShadowHash func(file, user string) (string, error)
	// Password, if not nil, is asked in place of ShadowHash: whether the file holds
	// this password for the user. The hash then stays with whoever may read it.
	Password func(file, user, password string) (bool, error)
	// Resolve returns the addresses of a host name in a NAT request, where
	// ENABLE_NAT_DNS allows one. nil: names are refused.
	Resolve func(host string) ([]netip.Addr, error)
	// Filter says which captured packets are candidates for SPA at all
	// (PCAP_FILTER); nil: every one. Log lines never are.
	Filter func(*parse.Event) bool
	// All lets every stanza take part, whatever AUTH_MODE says: offline use.
	All bool
	// Record is the number of the record that is decided, for Explain to name; nil:
	// there are none.
	Record func() int64
	// DeferSync leaves it to the caller to call [Engine.Sync] before it acts on
	// decisions: one flush for many packets.
	DeferSync bool
}

// An Opener turns the text of an SPA packet into a message. *[spa.Opener] is one.
type Opener interface {
	Open(text []byte, m *spa.Message) error
}

// An Engine decides. It holds one configuration, which never changes, and what it
// remembers of the traffic. It is for one goroutine.
//
// A reload makes a new engine with the same Store and lets it take over the rest
// with [Engine.Inherit].
type Engine struct {
	opts    Options
	server  *conf.Server
	spa     []stanza // of ModeSPA, in reading order
	carrier spa.CarrierOptions
	minLen  uint16 // of the whole packet
	html    []byte // room for a packet that came over HTTP
	request request
	scratch Decision       // of the stanza that is being asked
	refused []Refusal      // by the stanzas that were asked
	tracker *knock.Tracker // nil without sequences
	results []knock.Result // room for what one packet meant
	unsaved bool           // the store has records that were not synced
	looked  uint64         // packets that were candidates for SPA
	copies  *copies
}

// stanza is a stanza of access.conf ready for use.
type stanza struct {
	*conf.Stanza
	symmetric Opener         // nil without KEY
	gpg       *spa.GPGOpener // nil without GPG
	perl      bool           // of a file of 1.9
	external  *external
}

// NewEngine checks and prepares a configuration.
func NewEngine(opts Options) (*Engine, error) {
	if opts.Server == nil || opts.Access == nil || opts.Store == nil {
		return nil, errors.New("an engine needs a server, stanzas and a store")
	}
	e := &Engine{opts: opts, server: opts.Server, html: make([]byte, spa.MaxText), copies: new(copies)}
	e.carrier, e.minLen = carrierOptions(opts.Server)
	for i := range opts.Access.Stanzas {
		st := &opts.Access.Stanzas[i]
		if st.Mode != conf.ModeSPA || !e.takesPart(st) {
			continue
		}
		prepared, err := e.prepare(st)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", st.Pos.File, st.Pos.Line, err)
		}
		e.spa = append(e.spa, prepared)
	}
	e.tracker = e.newTracker()
	return e, nil
}

// takesPart reports that the stanza has packets to decide about.
func (e *Engine) takesPart(st *conf.Stanza) bool { return e.opts.All || e.server.Feeds(st.Mode) }

// Lengths of the two generations. The 2.6 daemon measures the payload, 1.9 the
// frame, of which the link header is taken to be that of Ethernet.
const (
	minPayload    = 140 // 2.6
	maxPayload    = 1500
	minPayload19  = 11 // 1.9
	ethernetBytes = 14
)

func carrierOptions(s *conf.Server) (spa.CarrierOptions, uint16) {
	c := spa.CarrierOptions{
		MinLen:        minPayload,
		MaxLen:        maxPayload,
		OverHTTP:      s.OverHTTP,
		AnyUserAgent:  s.AnyUserAgent,
		XForwardedFor: s.XForwardedFor,
		Perl19:        !s.CSyntax,
	}
	if s.CSyntax {
		return c, 0
	}
	c.MinLen = minPayload19
	if s.MaxSniffBytes > 0 {
		c.MaxLen = min(s.MaxSniffBytes-1, spa.MaxText)
	}
	return c, uint16(min(max(s.MinPacketLen-ethernetBytes, 0), 1<<16-1))
}

// prepare makes the keys of a stanza ready.
func (e *Engine) prepare(st *conf.Stanza) (stanza, error) {
	s := stanza{Stanza: st, perl: st.KeyLegacyPad || st.ForwardAccessNeeded}
	rules := spa.Rules{Digests: e.server.DigestTypes, AllowHosts: true, Perl19: s.perl}
	if !st.Key.IsZero() {
		o, err := spa.NewOpener(spa.Key{
			Passphrase: st.Key.Bytes(),
			LegacyPad:  st.KeyLegacyPad,
			Mode:       st.EncryptionMode,
			HMACKey:    st.HMACKey.Bytes(),
			HMACType:   st.HMACType,
			Rules:      rules,
		})
		if err != nil {
			return s, err
		}
		s.symmetric = o
	}
	var err error
	if st.GPG != nil && e.opts.Keyring != nil {
		if s.gpg, err = e.gpgOpener(st, rules); err != nil {
			return s, err
		}
	}
	s.external, err = newExternal(st, e.server)
	return s, err
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

// Inherit takes over what old remembers of the traffic, for a reload. The Store is
// shared through Options; old must not be used any more.
func (e *Engine) Inherit(old *Engine) {
	e.unsaved = e.unsaved || old.unsaved
	e.copies = old.copies
	if e.tracker != nil && old.tracker != nil {
		e.tracker.CarryOver(old.tracker)
	}
}

// Message returns the SPA message that the last Decide opened, nil if it opened
// none. It is valid until the next Decide.
func (e *Engine) Message() *spa.Message {
	if !e.request.opened {
		return nil
	}
	return &e.request.msg
}

// Refusals are those of every stanza that the last Decide asked about a message and
// that did not grant, in file order: of its decision they are the one that counts, or
// what came before the grant. Shadow stanzas are not among them. They are valid until
// the next Decide.
func (e *Engine) Refusals() []Refusal { return e.refused }

// Examined grows with every packet that is a candidate: it has the form of an SPA
// packet, or takes part in a knock sequence.
func (e *Engine) Examined() uint64 {
	if e.tracker == nil {
		return e.looked
	}
	return e.looked + e.tracker.Evaluated()
}

// KnockCounts are the totals of the sequence tracker.
func (e *Engine) KnockCounts() knock.Counts {
	if e.tracker == nil {
		return knock.Counts{}
	}
	return e.tracker.Counts()
}

// Sync makes every record durable that Decide added since the last call. With
// DeferSync nothing that Decide allowed may be done before Sync returned nil.
func (e *Engine) Sync() error {
	if !e.unsaved {
		return nil
	}
	if err := e.opts.Store.Sync(); err != nil {
		return err
	}
	e.unsaved = false
	return nil
}

// Decide answers one event: now is the time that freshness and expiry are judged
// by; if it is zero, as for a replayed record without a time, every rule that needs
// one refuses. The decision refers to nothing of ev. A packet that was recorded more than
// once is ignored but for the first time, see [Engine.Copies].
//
// A packet that is both an SPA message and a knock is decided as the message,
// unless only the knock grants; a grant of the other kind then stands in Also.
func (e *Engine) Decide(now time.Time, ev *parse.Event) (d Decision) {
	e.request.opened, e.refused = false, e.refused[:0]
	if e.admit(now, ev, nil) {
		e.looked++
		e.decideSPA(&d)
		e.judged()
	}
	if e.step(now, ev) {
		d = combine(d, e.decideKnock(now, ev, false))
	}
	if d.Verdict == Allow && !e.opts.DeferSync {
		if err := e.Sync(); err != nil {
			return e.unrecorded(d, err)
		}
	}
	return d
}

// combine makes one decision of two.
func combine(message, knock Decision) Decision {
	switch {
	case knock.Verdict == Ignore:
		return message
	case message.Verdict == Ignore || message.Verdict == Deny && knock.Verdict == Allow:
		knock.Also = append(knock.Also, message.Also...)
		return knock
	}
	also := knock.Also
	if knock.Verdict == Allow {
		knock.Also = nil
		also = append([]Decision{knock}, also...)
	}
	message.Also = append(message.Also, also...)
	return message
}

// unrecorded turns d into a refusal: what is not on disk could be replayed.
func (e *Engine) unrecorded(d Decision, err error) Decision {
	reason := SPAStore
	if d.Mode == ModeKnock {
		reason = KnockStore
	}
	return Decision{Verdict: Deny, Reason: reason, Detail: Detail{Text: err.Error()},
		Mode: d.Mode, Src: d.Src, Stanza: d.Stanza, User: d.User}
}
