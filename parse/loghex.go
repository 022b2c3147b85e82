package parse

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
	var bad uint8
	src = src[:2*len(dst)]
	for n := range dst {
		hi, lo := hexValue[src[2*n]], hexValue[src[2*n+1]]
		dst[n] = hi<<4 | lo
		bad |= hi | lo
	}
	return bad <= 0xf
}
