package replay

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"time"
)

// A Memory is a Store that lives as long as the process: for offline use, and for
// a daemon that was told not to persist digests.
type Memory struct{ set }

// NewMemory returns an empty store.
func NewMemory(opts Options) *Memory { return &Memory{set{opts: opts}} }

// Load adds the records of a cache of any known shape, our journals included; name
// is for notices. The input is only read.
func (m *Memory) Load(r io.Reader, name string) error {
	l := newLoader(&m.set)
	if err := l.load(r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if l.tail > 0 && !l.whole {
		l.skip(errShape)
	}
	l.notice(name)
	return nil
}

// Add implements [Store].
func (m *Memory) Add(p *Packet) (First, bool, error) {
	key := idOf(sha256.Sum256(p.Plaintext))
	first, seen, err := m.seen(key, p)
	if seen || err != nil {
		return first, false, err
	}
	m.table.insert(recordOf(key, p))
	if m.due() {
		m.dropBefore(m.opts.cutoff(p.Time))
	}
	return First{}, true, nil
}

// Sync implements [Store]; there is nothing to do.
func (m *Memory) Sync() error { return nil }

// A set is what both stores share: the table, the old shapes in it, and the
// horizon of what was dropped.
type set struct {
	opts    Options
	table   table
	shapes  shape
	horizon time.Time // messages sent before it may have been dropped
	floor   int       // records left by the last drop; the next comes at twice as many
}

// shape is how a digest in a cache was made other than as SHA-256 of the plaintext,
// which is our way and that of 1.9; a set of them says which lookups can succeed.
type shape uint8

const (
	ofBody     shape = 1 << iota // SHA-256 without the digest field: 1.9 through its C library
	sha1Digest                   // 1.9 with DIGEST_TYPE SHA1: of the plaintext, or without its digest field
	md5Digest                    // 1.9 with DIGEST_TYPE MD5, and md5sums; likewise
	ofWire                       // SHA-256 of the text as received: 2.6
)

// dropMin is how many records there must be before dropping is worth while.
const dropMin = 4096

// Len is the number of messages remembered.
func (s *set) Len() int { return s.table.len() }

// Seen implements [Store].
func (s *set) Seen(p *Packet) (First, bool, error) {
	return s.seen(idOf(sha256.Sum256(p.Plaintext)), p)
}

// seen is Seen of a message whose id is known.
func (s *set) seen(key id, p *Packet) (First, bool, error) {
	r, known := s.table.find(key)
	if !known && s.shapes != 0 {
		r, known = s.lookupOld(p)
	}
	if known {
		return r.first(), true, nil
	}
	if !p.Sent.IsZero() && p.Sent.Before(s.horizon) {
		return First{}, false, ErrForgotten
	}
	return First{}, false, nil
}

// lookupOld looks for the message under the digests of the older daemons.
func (s *set) lookupOld(p *Packet) (record, bool) {
	body := p.Plaintext
	if i := bytes.LastIndexByte(body, ':'); i >= 0 {
		body = body[:i]
	}
	for _, old := range [...]struct {
		shape
		id func() id
	}{
		{ofBody, func() id { return idOf(sha256.Sum256(body)) }},
		{sha1Digest, func() id { return idOf20(sha1.Sum(p.Plaintext)) }},
		{sha1Digest, func() id { return idOf20(sha1.Sum(body)) }},
		{md5Digest, func() id { return md5.Sum(p.Plaintext) }},
		{md5Digest, func() id { return md5.Sum(body) }},
	} {
		if s.shapes&old.shape == 0 {
			continue
		}
		if r, ok := s.table.find(old.id()); ok {
			return r, true
		}
	}
	if s.shapes&ofWire == 0 {
		return record{}, false
	}
	return s.lookupWire(p.Wire)
}

// lookupWire looks for the text as the 2.6 daemon hashed it. Clients send it in
// one spelling, without prefix, padding and spare bits; whoever replays it may
// have changed those.
func (s *set) lookupWire(wire []byte) (record, bool) {
	text := bytes.TrimRight(wire, "=")
	for _, prefix := range [...]string{"", "U2FsdGVkX1", "hQ"} {
		t, ok := bytes.CutPrefix(text, []byte(prefix))
		if !ok || len(t) == 0 {
			continue
		}
		for _, spare := range [...]byte{0, 3, 15} {
			clean, changed := clearSpare(t, spare)
			if spare != 0 && !changed {
				continue // looked up already
			}
			if r, ok := s.table.find(idOf(sha256.Sum256(clean))); ok {
				return r, true
			}
		}
	}
	if len(text) == len(wire) {
		return record{}, false
	}
	return s.table.find(idOf(sha256.Sum256(wire)))
}

// clearSpare returns text with the given bits of its last character's value zero, and
// whether they were not.
func clearSpare(text []byte, bits byte) ([]byte, bool) {
	last := bytes.IndexByte([]byte(alphabet), text[len(text)-1])
	if last < 0 || byte(last)&bits == 0 {
		return text, false
	}
	t := bytes.Clone(text)
	t[len(t)-1] = alphabet[byte(last)&^bits]
	return t, true
}

// alphabet is that of RFC 4648 section 4.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func idOf(sum [32]byte) id { return id(sum[:16]) }

func idOf20(sum [20]byte) id { return id(sum[:16]) }

// recordOf is the record of a fresh p. It stays for as long as the message can
// be young enough: the later of sighting and time stamp counts, as a message from
// the future is refused today and would be welcome then.
func recordOf(key id, p *Packet) record {
	r := record{id: key, seen: p.Time.UnixMicro(), keep: p.Time.Unix()}
	if p.Src.IsValid() {
		r.src = p.Src.Addr().As16()
	}
	if !p.Sent.IsZero() {
		r.keep = max(r.keep, p.Sent.Unix())
	}
	return r
}

// due reports that enough records gathered since the last drop.
func (s *set) due() bool {
	return s.opts.Aging && s.table.len() >= max(dropMin, 2*s.floor)
}

// dropBefore forgets the records older than cutoff.
func (s *set) dropBefore(cutoff time.Time) {
	s.table.drop(cutoff.Unix())
	s.floor = s.table.len()
	if cutoff.After(s.horizon) {
		s.horizon = cutoff
	}
}

func (s *set) notice(text string) {
	if s.opts.Notice != nil {
		s.opts.Notice(text)
	}
}
