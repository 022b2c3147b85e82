package replay

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A Memory is a Store without a file, for offline use. A daemon that is configured not to
// keep digests has a [Journal] in memory.
type Memory struct{ set }

// NewMemory returns an empty store.
func NewMemory(opts Options) *Memory { return &Memory{set{opts: opts}} }

// Load adds the records of a journal or of a cache of 1.9 or 2.6; name is for notices.
func (m *Memory) Load(r io.Reader, name string) error {
	l := newLoader(&m.set)
	if err := l.load(context.Background(), r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if l.tail > 0 && !l.whole {
		l.skip(errFormat)
	}
	l.notice(name)
	return nil
}

// Add implements [Store].
func (m *Memory) Add(p *Packet) (First, bool, error) {
	key := sha256ID(p.Plaintext)
	first, seen, err := m.seen(key, p)
	if seen || err != nil {
		return first, false, err
	}
	m.insertFresh(key, p)
	return First{}, true, nil
}

// Sync implements [Store]; there is nothing to do.
func (m *Memory) Sync() error { return nil }

// A set is the part common to both stores: the table, the kinds of digests in it, and
// the horizon.
type set struct {
	opts     Options
	table    table
	oldKinds digestKind
	horizon  time.Time // records of messages sent before it may have been dropped
	begun    time.Time // the same for those sent by our time
	kept     int       // records left by the last drop; the next one is at twice as many
	newest   int64     // latest of [record.accepted], also of dropped ones
}

// digestKind is a set of ways in which digests in a cache were made, other than as
// SHA-256 of the plaintext (this daemon and 1.9). Only lookups of a kind that is in the
// cache are made.
type digestKind uint8

const (
	sha256Body digestKind = 1 << iota // SHA-256 without the digest field: 1.9 through its C library
	sha1Digest                        // 1.9 with DIGEST_TYPE SHA1: of the plaintext, or without its digest field
	md5Digest                         // 1.9 with DIGEST_TYPE MD5, and md5sums; likewise
	sha256Wire                        // SHA-256 of the text as received: 2.6
)

// dropMin is the least number of records from which on they are dropped.
const dropMin = 4096

// Len returns the number of records.
func (s *set) Len() int { return s.table.len() }

// Seen implements [Store].
func (s *set) Seen(p *Packet) (First, bool, error) {
	return s.seen(sha256ID(p.Plaintext), p)
}

// seen is Seen with the id of the message.
func (s *set) seen(key id, p *Packet) (First, bool, error) {
	r, known := s.table.find(key)
	if !known && s.oldKinds != 0 {
		r, known = s.lookupOld(p)
	}
	if known {
		return r.first(), true, nil
	}
	if !p.Sent.IsZero() && p.Sent.Before(s.horizon) || p.ByOurTime && p.Sent.Before(s.begun) {
		return First{}, false, ErrForgotten
	}
	return First{}, false, nil
}

// lookupOld looks the message up under the digests of 1.9 and 2.6.
func (s *set) lookupOld(p *Packet) (record, bool) {
	body := p.Plaintext
	if i := bytes.LastIndexByte(body, ':'); i >= 0 {
		body = body[:i]
	}
	for _, old := range [...]struct {
		digestKind
		id   func([]byte) id
		text []byte
	}{
		{sha256Body, sha256ID, body},
		{sha1Digest, sha1ID, p.Plaintext},
		{sha1Digest, sha1ID, body},
		{md5Digest, md5ID, p.Plaintext},
		{md5Digest, md5ID, body},
	} {
		if s.oldKinds&old.digestKind == 0 {
			continue
		}
		if r, ok := s.table.find(old.id(old.text)); ok {
			return r, true
		}
	}
	if s.oldKinds&sha256Wire == 0 {
		return record{}, false
	}
	return s.lookupWire(p.Wire)
}

// lookupWire looks the text up as the 2.6 daemon hashed it. Clients send it without
// prefix, padding and spare bits; a replayed packet may have them added.
func (s *set) lookupWire(wire []byte) (record, bool) {
	text := bytes.TrimRight(wire, "=")
	for _, prefix := range wirePrefixes {
		t, ok := bytes.CutPrefix(text, []byte(prefix))
		if !ok || len(t) == 0 {
			continue
		}
		for _, spare := range [...]byte{0, 3, 15} {
			clean, changed := clearSpare(t, spare)
			if spare != 0 && !changed {
				continue // looked up already
			}
			if r, ok := s.table.find(sha256ID(clean)); ok {
				return r, true
			}
		}
	}
	if len(text) == len(wire) {
		return record{}, false
	}
	return s.table.find(sha256ID(wire))
}

// wirePrefixes are what clients leave out in front of the text: the encoded beginnings of
// a Rijndael and of an OpenPGP message.
var wirePrefixes = [...]string{"", "U2FsdGVkX1", "hQ"}

// clearSpare returns text with the given bits of its last character's value cleared,
// and reports whether any was set.
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

// idOf returns the id of a digest.
func idOf(digest []byte) id { return id(binary.BigEndian.Uint64(digest)) }

func sha256ID(text []byte) id { sum := sha256.Sum256(text); return idOf(sum[:]) }
func sha1ID(text []byte) id   { sum := sha1.Sum(text); return idOf(sum[:]) }
func md5ID(text []byte) id    { sum := md5.Sum(text); return idOf(sum[:]) }

// newRecord returns the record of a fresh p. Its age counts from the later of now and
// the time stamp: a message from the future is refused now and would be accepted then.
func newRecord(key id, p *Packet) record {
	r := record{id: key, seen: p.Time.UnixMicro(), keep: p.Time.Unix()}
	if p.Src.IsValid() {
		r.src = p.Src.Addr().As16()
	}
	if !p.Sent.IsZero() {
		r.sent = p.Sent.Unix()
		r.keep = max(r.keep, r.sent)
	}
	return r
}

// insertFresh inserts p, and drops old records when they have doubled since the last drop.
func (s *set) insertFresh(key id, p *Packet) {
	r := newRecord(key, p)
	s.insert(&r)
	if s.opts.Aging && s.table.len() >= max(dropMin, 2*s.kept) {
		s.dropBefore(s.opts.cutoff(p.Time))
	}
}

func (s *set) insert(r *record) {
	s.table.insert(*r)
	s.newest = max(s.newest, r.accepted(s.opts.MaxAge))
}

// clampHorizon lowers a horizon that lies beyond what any message of now can have, after
// a time at which the clock was wrong, and reports whether it did.
func (s *set) clampHorizon(now time.Time) bool {
	if now.IsZero() {
		return false
	}
	began := s.begun
	if s.begun.Unix() > now.Unix()+1 {
		s.begun = beginning(now)
	}
	return s.clampMessages(now) || s.begun != began
}

// clampMessages is clampHorizon for that of all messages.
func (s *set) clampMessages(now time.Time) bool {
	if !s.horizon.After(s.opts.farthest(now)) {
		return false
	}
	to := horizonAt(now, s.newest)
	if !to.Before(s.horizon) {
		return false // it is the clock that is behind
	}
	s.notice(fmt.Sprintf("according to the journal, digests up to %s were dropped, which is in the future: messages sent before %s are refused instead",
		s.horizon.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)))
	s.horizon = to
	return true
}

// dropBefore drops the records older than cutoff and moves the horizon to it.
func (s *set) dropBefore(cutoff time.Time) {
	s.table.drop(cutoff.Unix())
	s.kept = s.table.len()
	if cutoff.After(s.horizon) {
		s.horizon = cutoff
	}
}

func (s *set) notice(text string) {
	if s.opts.Notice != nil {
		s.opts.Notice(text)
	}
}
