package spa

import "slices"

// invalid marks what is not a character of standard base64.
const invalid = 0xff

// sextet is the value of each character of standard base64 (RFC 4648 section 4).
var sextet = func() (t [256]uint8) {
	for i := range t {
		t[i] = invalid
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = uint8(i)
	}
	return t
}()

// isBase64 reports that p has characters of standard base64 only, with at most two
// "=" at its end.
func isBase64(p []byte) bool {
	for range 2 {
		if n := len(p); n > 0 && p[n-1] == '=' {
			p = p[:n-1]
		}
	}
	for _, c := range p {
		if sextet[c] == invalid {
			return false
		}
	}
	return len(p) > 0
}

// decodeBase64 appends the bytes of src to dst. Padding may be absent or right; all
// else that is not canonical is an error: one spelling for one cipher text. Unlike
// encoding/base64 it knows no line ends and allocates no error.
func decodeBase64(dst, src []byte) ([]byte, error) {
	if n := len(src); n > 0 && n%4 == 0 && src[n-1] == '=' {
		if src = src[:n-1]; src[n-2] == '=' {
			src = src[:n-2]
		}
	}
	off := len(dst)
	dst = slices.Grow(dst, len(src)*3/4)[:off+len(src)/4*3]
	var bad uint8
	for out := dst[off:]; len(src) >= 4 && len(out) >= 3; src, out = src[4:], out[3:] {
		a, b, c, d := sextet[src[0]], sextet[src[1]], sextet[src[2]], sextet[src[3]]
		bad |= a | b | c | d
		out[0], out[1], out[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
	}
	// Valid sextets have the two high bits clear. In what is left over, so are the
	// bits that belong to no byte.
	switch len(src) {
	case 1:
		bad = invalid
	case 2:
		a, b := sextet[src[0]], sextet[src[1]]
		bad |= a | b | b<<4 | b<<6
		dst = append(dst, a<<2|b>>4)
	case 3:
		a, b, c := sextet[src[0]], sextet[src[1]], sextet[src[2]]
		bad |= a | b | c | c<<6
		dst = append(dst, a<<2|b>>4, b<<4|c>>2)
	}
	if bad&0xc0 != 0 {
		return dst, errBase64
	}
	return dst, nil
}
