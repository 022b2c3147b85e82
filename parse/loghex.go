package parse

import "encoding/binary"

// notHex marks the bytes of hexValue that are no hexadecimal digits.
const notHex = 0xff

// hexValue is the value of each hexadecimal digit, of either case.
var hexValue = func() (t [256]uint8) {
	for c := range t {
		switch {
		case '0' <= c && c <= '9':
			t[c] = uint8(c - '0')
		case 'A' <= c && c <= 'F':
			t[c] = uint8(c - 'A' + 10)
		case 'a' <= c && c <= 'f':
			t[c] = uint8(c - 'a' + 10)
		default:
			t[c] = notHex
		}
	}
	return t
}()

// hexByte reads exactly two hexadecimal digits at i.
func hexByte(b []byte, i int) (uint8, int) {
	if i+2 > len(b) {
		return 0, failed
	}
	hi, lo := hexValue[b[i]], hexValue[b[i+1]]
	if hi|lo == notHex {
		return 0, failed
	}
	return hi<<4 | lo, i + 2
}

// decodeHex fills dst from the 2*len(dst) hexadecimal digits of src and reports
// whether all of them were such.
func decodeHex(dst, src []byte) bool {
	src = src[:2*len(dst)]
	for len(src) >= 8 {
		v, ok := hexWord(binary.LittleEndian.Uint64(src))
		if !ok {
			return false
		}
		binary.LittleEndian.PutUint32(dst, v)
		dst, src = dst[4:], src[8:]
	}
	for n := range dst {
		v, j := hexByte(src, 2*n)
		if j == failed {
			return false
		}
		dst[n] = v
	}
	return true
}

// hexWord decodes eight hexadecimal digits, the first in the lowest byte, into
// four bytes, the first lowest.
func hexWord(w uint64) (v uint32, ok bool) {
	const each = 0x0101010101010101
	if w&(0x80*each) != 0 {
		return 0, false
	}
	// For bytes below 0x80, adding 0x80-c sets the high bit of those from c on.
	// Letters are looked at in lower case, which makes no letter of a digit.
	low := w | 0x20*each
	digit := (w + (0x80-'0')*each) &^ (w + (0x80-'9'-1)*each)
	letter := (low + (0x80-'a')*each) &^ (low + (0x80-'f'-1)*each)
	if (digit|letter)&(0x80*each) != 0x80*each {
		return 0, false
	}
	nibbles := w&(0x0f*each) + w>>6&each*9
	pairs := nibbles<<4 | nibbles>>8
	pairs &= 0x00ff00ff00ff00ff
	pairs = (pairs | pairs>>8) & 0x0000ffff0000ffff
	return uint32(pairs | pairs>>16), true
}
