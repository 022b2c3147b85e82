package spa

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// isBase64 reports whether p has characters of standard base64 only, with any number
// of "=" at its end.
func isBase64(p []byte) bool {
	p = bytes.TrimRight(p, "=")
	if len(p) == 0 {
		return false
	}
	for ; len(p) >= 8; p = p[8:] { // one branch for eight characters
		if (sextet[p[0]]|sextet[p[1]]|sextet[p[2]]|sextet[p[3]]|sextet[p[4]]|sextet[p[5]]|sextet[p[6]]|sextet[p[7]])&notSextet != 0 {
			return false
		}
	}
	for _, c := range p {
		if sextet[c] == invalid {
			return false
		}
	}
	return true
}

// decodeBase64 appends the bytes of src to dst. Padding may be absent; any other text
// that is not canonical is an error. Unlike encoding/base64 it accepts no line ends and
// allocates no error.
func decodeBase64(dst, src []byte) ([]byte, error) {
	if n := len(src); n > 0 && n%4 == 0 && src[n-1] == '=' {
		if src = src[:n-1]; src[n-2] == '=' {
			src = src[:n-2]
		}
	}
	dst, spare, err := decodeSextets(dst, src)
	if spare != 0 && err == nil {
		err = errBase64
	}
	return dst, err
}

// decodeWire is decodeBase64 for text from the network. Like all earlier servers it
// accepts any number of "=" and any spare bits in the last character. This allows no
// replay, since the replay key is made of the plaintext.
func decodeWire(dst, src []byte) ([]byte, error) {
	dst, _, err := decodeSextets(dst, bytes.TrimRight(src, "="))
	return dst, err
}

// decodeSextets appends the whole bytes of src, which has no padding, to dst. spare are
// the unused bits of the last character.
func decodeSextets(dst, src []byte) (_ []byte, spare uint8, err error) {
	off := len(dst)
	dst = slices.Grow(dst, len(src)*3/4)[:off+len(src)/4*3]
	var bad uint8
	out := dst[off:]
	for ; len(src) >= 8 && len(out) >= 8; src, out = src[8:], out[6:] { // six bytes, and two that are overwritten
		a, b, c, d := sextet[src[0]], sextet[src[1]], sextet[src[2]], sextet[src[3]]
		e, f, g, h := sextet[src[4]], sextet[src[5]], sextet[src[6]], sextet[src[7]]
		bad |= a | b | c | d | e | f | g | h
		binary.BigEndian.PutUint64(out, uint64(a)<<58|uint64(b)<<52|uint64(c)<<46|uint64(d)<<40|
			uint64(e)<<34|uint64(f)<<28|uint64(g)<<22|uint64(h)<<16)
	}
	for ; len(src) >= 4 && len(out) >= 3; src, out = src[4:], out[3:] {
		a, b, c, d := sextet[src[0]], sextet[src[1]], sextet[src[2]], sextet[src[3]]
		bad |= a | b | c | d
		out[0], out[1], out[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
	}
	switch len(src) {
	case 1:
		bad = invalid
	case 2:
		a, b := sextet[src[0]], sextet[src[1]]
		bad |= a | b
		spare = b & 0x0f
		dst = append(dst, a<<2|b>>4)
	case 3:
		a, b, c := sextet[src[0]], sextet[src[1]], sextet[src[2]]
		bad |= a | b | c
		spare = c & 0x03
		dst = append(dst, a<<2|b>>4, b<<4|c>>2)
	}
	if bad&notSextet != 0 {
		err = errBase64
	}
	return dst, spare, err
}

// sextet has the value of each character of standard base64 (RFC 4648 section 4).
var sextet = func() (t [256]uint8) {
	for i := range t {
		t[i] = invalid
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = uint8(i)
	}
	return t
}()

// invalid marks other characters.
const invalid = 0xff

// notSextet are the bits that are set in invalid only.
const notSextet = 0xc0
