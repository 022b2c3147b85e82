package spa

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"

	"fwknopd/policy/openssl"
)

// A Packet is the text of one SPA packet with what every key needs of it, which is
// computed once for all keys. The zero value is ready for [Packet.Set]. It keeps its
// buffers, and is not safe for concurrent use.
type Packet struct {
	wire     []byte // text with its prefix
	invalid  error  // it is no packet for any key
	prefixed bool   // the prefix was left on the wire

	tags    [len(algorithms)]tag
	room    macRoom
	raw     []byte // wire decoded, if isRaw
	isRaw   bool
	rawErr  error
	body    []byte // the container in front of an HMAC
	plain   []byte
	arena   []byte // decoded fields
	derived openssl.Key
}

// Set sets the text, which is standard base64 as returned by [Carrier]. The packet does
// not alias it.
func (p *Packet) Set(text []byte) {
	p.invalid, p.prefixed, p.isRaw = nil, false, false
	for i := range p.tags {
		p.tags[i].prepared = false
	}
	if len(text) < minText || len(text) > MaxText {
		p.invalid = errLength
		return
	}
	switch text[0] {
	case '8', '9', '+', '/':
		p.wire = append(append(p.wire[:0], saltedPrefix...), text...)
		return
	case 'U':
		if bytes.HasPrefix(text, []byte(saltedPrefix)) {
			p.prefixed = true
			p.wire = append(p.wire[:0], text...)
			return
		}
	}
	p.invalid = errFirstChar
}

// Kinds are kinds of keys: a bit for each algorithm of HMACs, and one for none.
type Kinds uint8

const withoutHMAC Kinds = 1 << len(algorithms)

// Mixed reports whether there are keys with and without HMAC.
func (k Kinds) Mixed() bool { return k&withoutHMAC != 0 && k != withoutHMAC }

// Kind returns the kind of the key.
func (o *Opener) Kind() Kinds {
	if o.mac.isZero() {
		return withoutHMAC
	}
	return 1 << o.mac.alg
}

// Valid reports whether the text can be a packet for any [Key]. Perl19 is whether there
// are keys under the rules of 1.9.
func (p *Packet) Valid(perl19 bool) bool { return p.invalid == nil && (perl19 || !p.prefixed) }

// Fits reports whether a valid packet has the form of one for a key of these kinds. Most
// junk has not, which is found out without a key.
func (p *Packet) Fits(kinds Kinds) bool {
	for i := range algorithms {
		if kinds>>i&1 != 0 && p.tag(i).possible {
			return true
		}
	}
	if kinds&withoutHMAC == 0 {
		return false
	}
	_, err := p.container()
	return err == nil
}

// A tag is the end of a packet read as the HMAC of one algorithm.
type tag struct {
	prepared bool
	possible bool     // the packet has the form of one with such an HMAC
	mismatch *failure // what it means that no key fits
	sum      [maxDigest + 2]byte
}

// tag returns the tag of an algorithm.
func (p *Packet) tag(alg int) *tag {
	t := &p.tags[alg]
	if !t.prepared {
		t.prepare(p.wire, &algorithms[alg])
	}
	return t
}

// prepare decodes the end of wire. Most junk has no possible tag: an HMAC is canonical
// base64 behind a container.
func (t *tag) prepare(wire []byte, a *algorithm) {
	cut := len(wire) - a.b64
	with, without := isContainer(cut), isContainer(len(wire))
	t.prepared, t.possible, t.mismatch = true, false, errMAC
	switch {
	case with && without:
		t.mismatch = errAnyMAC
	case without:
		t.mismatch = errNoMAC
	}
	if !with || cut < minText {
		return
	}
	sum, err := decodeBase64(t.sum[:0], wire[cut:])
	t.possible = err == nil && len(sum) == a.size()
}

// container returns wire, in which there is no HMAC, decoded.
func (p *Packet) container() ([]byte, error) {
	if !p.isRaw {
		p.isRaw = true
		p.raw, p.rawErr = decodeContainer(p.raw[:0], p.wire)
	}
	return p.raw, p.rawErr
}

// decodeContainer appends the container in text to dst.
func decodeContainer(dst, text []byte) ([]byte, error) {
	raw, err := decodeWire(dst, text)
	switch {
	case err != nil:
		return raw, err
	case len(raw) < len(openssl.Magic)+openssl.SaltSize+aes.BlockSize:
		return raw, errBlocks
	case string(raw[:len(openssl.Magic)]) != openssl.Magic:
		return raw, errFirstChar
	case (len(raw)-len(openssl.Magic)-openssl.SaltSize)%aes.BlockSize != 0:
		return raw, errBlocks
	}
	return raw, nil
}

// isContainer reports whether n characters of base64 can be a salted container: a
// header and whole blocks. This distinguishes most packets without an HMAC from those with an
// HMAC of another key.
func isContainer(n int) bool {
	size := base64.RawStdEncoding.DecodedLen(n) - len(openssl.Magic) - openssl.SaltSize
	return size >= aes.BlockSize && size%aes.BlockSize == 0 && base64.RawStdEncoding.EncodedLen(size+len(openssl.Magic)+openssl.SaltSize) == n
}
