package spa

import (
	"encoding/binary"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// envelope is the part of a message that is not encrypted.
type envelope struct {
	ids       [maxRecipients]uint64 // key ids of the session keys; 0: hidden
	n         int                   // number of session keys, perhaps more than ids has
	protected bool
}

// readEnvelope parses raw, which must consist of session keys and encrypted data.
func readEnvelope(raw []byte) (e envelope, ok bool) {
	for {
		tag, body, rest, ok := splitPacket(raw)
		switch {
		case !ok:
			return e, false
		case tag == tagEncrypted, tag == tagProtected, tag == tagAEAD:
			e.protected = tag != tagEncrypted
			return e, e.n > 0 && len(rest) == 0
		case tag != tagSessionKey:
			return e, false
		}
		id, algo, ok := sessionKeyFor(body)
		if !ok || !hasRightLength(algo, body[sessionKeyHead:]) {
			return e, false
		}
		if e.n < len(e.ids) {
			e.ids[e.n] = id
		}
		e.n++
		raw = rest
	}
}

// Packet types of an encrypted message (RFC 9580 section 5).
const (
	tagSessionKey = 1  // for a public key
	tagEncrypted  = 9  // without integrity protection
	tagProtected  = 18 // with
	tagAEAD       = 20 // GnuPG's own, with
)

// splitPacket cuts the first packet off raw. Of a packet in several parts, which only
// encrypted data may have, body is the first.
func splitPacket(raw []byte) (tag uint8, body, rest []byte, ok bool) {
	switch {
	case len(raw) < 2 || raw[0]&0x80 == 0:
		return 0, nil, nil, false
	case raw[0]&0x40 == 0:
		return splitOld(raw)
	}
	tag = raw[0] & 0x3f
	rest = raw[1:]
	for more := true; more; {
		var part []byte
		if part, rest, more, ok = splitPart(rest); !ok {
			return 0, nil, nil, false
		}
		if body == nil {
			body = part
		}
	}
	return tag, body, rest, true
}

// splitOld parses the old header format: four bits of type and two of length type.
func splitOld(raw []byte) (tag uint8, body, rest []byte, ok bool) {
	const toTheEnd = 3
	tag = raw[0] >> 2 & 0xf
	kind := raw[0] & 3
	raw = raw[1:]
	if kind == toTheEnd {
		return tag, raw, nil, true
	}
	width := 1 << kind
	if len(raw) < width {
		return 0, nil, nil, false
	}
	var n uint64
	for _, b := range raw[:width] {
		n = n<<8 | uint64(b)
	}
	if raw = raw[width:]; n > uint64(len(raw)) {
		return 0, nil, nil, false
	}
	return tag, raw[:n], raw[n:], true
}

// splitPart parses a length of the new header format and returns the bytes that it
// counts. more: another length follows.
func splitPart(raw []byte) (part, rest []byte, more, ok bool) {
	if len(raw) == 0 {
		return nil, nil, false, false
	}
	n, width := uint64(raw[0]), 1
	switch {
	case n == 255 && len(raw) >= 5:
		n, width = uint64(binary.BigEndian.Uint32(raw[1:])), 5
	case n == 255:
		return nil, nil, false, false
	case n >= 224:
		n, more = 1<<(n&0x1f), true
	case n >= 192 && len(raw) >= 2:
		n, width = (n-192)<<8+uint64(raw[1])+192, 2
	case n >= 192:
		return nil, nil, false, false
	}
	if raw = raw[width:]; n > uint64(len(raw)) {
		return nil, nil, false, false
	}
	return raw[:n], raw[n:], more, true
}

// sessionKeyHead is version, key id and algorithm of a session key packet, bytes.
const sessionKeyHead = 1 + 8 + 1

// sessionKeyFor parses the head of a session key packet of version 3, the only one that
// clients send, for an encryption algorithm.
func sessionKeyFor(body []byte) (id uint64, algo packet.PublicKeyAlgorithm, ok bool) {
	const version = 3
	if len(body) < sessionKeyHead || body[0] != version {
		return 0, 0, false
	}
	algo = packet.PublicKeyAlgorithm(body[sessionKeyHead-1])
	switch algo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoElGamal, packet.PubKeyAlgoECDH,
		packet.PubKeyAlgoX25519, packet.PubKeyAlgoX448:
		return binary.BigEndian.Uint64(body[1:]), algo, true
	}
	return 0, 0, false
}

// hasRightLength reports whether the length of p, the part after the head, is that of
// its contents (RFC 9580 section 5.1). This shows which prefix was cut off: each gives
// the packet another length.
func hasRightLength(algo packet.PublicKeyAlgorithm, p []byte) bool {
	const x25519, x448 = 32, 56 // bytes of a point
	ok := true
	switch algo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly:
		p, ok = skipNumber(p)
		return ok && len(p) == 0
	case packet.PubKeyAlgoElGamal:
		if p, ok = skipNumber(p); ok {
			p, ok = skipNumber(p)
		}
		return ok && len(p) == 0
	case packet.PubKeyAlgoX25519:
		p = p[min(x25519, len(p)):]
	case packet.PubKeyAlgoX448:
		p = p[min(x448, len(p)):]
	default:
		p, ok = skipNumber(p)
	}
	return ok && len(p) > 0 && len(p) == 1+int(p[0])
}

// skipNumber skips a multiprecision integer: its length in bits, then its bytes.
func skipNumber(p []byte) ([]byte, bool) {
	if len(p) < 2 {
		return nil, false
	}
	n := (int(p[0])<<8 + int(p[1]) + 7) / 8
	if p = p[2:]; n > len(p) {
		return nil, false
	}
	return p[n:], true
}
