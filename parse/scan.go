package parse

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
)

// The log parser scans a line by index, left to right. Every step takes an index and
// returns the next one; a step that does not match returns failed, and a step that starts
// at failed returns failed. So a sequence of steps needs one check, at its end.

// failed is beyond every line, and far enough from overflow that adding the width
// of a field to it is harmless.
const failed = math.MaxInt/2 + 1

// A key is the text of up to eight bytes that a field begins with, made ready to be
// compared in one step.
type key struct {
	word, mask uint64 // as load returns it, and which bits of that count
	width      int
}

func newKey(text string) key {
	return key{
		word:  load([]byte(text), 0),
		mask:  1<<(8*len(text)) - 1,
		width: len(text),
	}
}

// after returns the index after the key at i. The line may have several blanks where the
// key has its one: the kernel writes one; relays may write more.
func (k *key) after(b []byte, i int) int {
	if k.isPrefixOf(load(b, i)) {
		return i + k.width
	}
	j := i
	for j < len(b) && b[j] == ' ' {
		j++
	}
	if j == i || load(b, j)&(k.mask>>8) != k.word>>8 {
		return failed
	}
	return j + k.width - 1
}

// field reads the decimal number, at most limit, of the field at i.
func (k *key) field(b []byte, i int, limit uint64) (uint64, int) {
	if !k.isPrefixOf(load(b, i)) {
		return number(b, k.after(b, i), limit)
	}
	i += k.width
	x := load(b, i) ^ 0x3030303030303030
	// The high bit of a byte is set if it is not a digit. A carry out of such a byte
	// affects only the bytes above it, and only the lowest is used.
	n := bits.TrailingZeros64((x+0x7676767676767676|x)&0x8080808080808080) / 8
	// Eight digits at once: move them to the top, so that zeros lead, then join
	// neighbours into numbers of two, four and eight digits.
	x <<= -8 * n & 63 // that is 64-8*n; without digits the value is undefined
	x = x*10 + x>>8
	v := (x&0x000000ff000000ff*(100+1000000<<32) + x>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
	if uint(n-1) >= 7 || v > limit {
		return number(b, i, limit)
	}
	return v, i + n
}

// isPrefixOf reports whether the word w, see load, begins with the key.
func (k *key) isPrefixOf(w uint64) bool { return w&k.mask == k.word }

// maxDigits bounds a number's length: the largest a record holds are 32-bit
// sequence numbers; microseconds since 1970 have sixteen.
const maxDigits = 18

// number reads the decimal number at i, at most limit.
func number(b []byte, i int, limit uint64) (uint64, int) {
	var v uint64
	start := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if i-start == maxDigits {
			return 0, failed
		}
		v = v*10 + uint64(b[i]-'0')
	}
	if i == start || v > limit {
		return 0, failed
	}
	return v, i
}

// twoDigits reads exactly two digits at i, at most limit.
func twoDigits(b []byte, i int, limit uint) (int, int) {
	if i+2 > len(b) {
		return 0, failed
	}
	hi, lo := uint(b[i]-'0'), uint(b[i+1]-'0')
	v := hi*10 + lo
	if hi > 9 || lo > 9 || v > limit {
		return 0, failed
	}
	return int(v), i + 2
}

// endOfWord returns i if a blank or the end of the line is there.
func endOfWord(b []byte, i int) int {
	if i == len(b) || i < len(b) && b[i] == ' ' {
		return i
	}
	return failed
}

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

// hexWord decodes eight hexadecimal digits, the first in the lowest byte, into
// four bytes, the first lowest.
func hexWord(w uint64) (v uint32, ok bool) {
	const each = 0x0101010101010101
	if w&(0x80*each) != 0 {
		return 0, false
	}
	// For bytes below 0x80, adding 0x80-c sets the high bit of those from c on.
	// Letters are compared in lower case, which turns no digit into a letter.
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

// address reads the address at i: IPv4 in dotted decimal, or IPv6 as the kernel
// (eight full groups) or inet_ntop(3) (RFC 5952) writes it.
func address(b []byte, i int) (netip.Addr, int) {
	if v, j := ipv4(b, i); j != failed {
		return v, j
	}
	return ipv6(b, i)
}

// ipv6 reads an IPv6 address. IPv4-mapped ones are refused: on the wire no packet may
// carry them (RFC 4942 section 2.2), and read as the IPv4 address they would be
// attributed to another host.
func ipv6(b []byte, i int) (netip.Addr, int) {
	a, j := ipv6Groups(b, i)
	if j == failed {
		return netip.Addr{}, failed
	}
	addr := netip.AddrFrom16(a)
	if addr.Is4In6() {
		return netip.Addr{}, failed
	}
	return addr, j
}

func ipv6Groups(b []byte, i int) (a [16]byte, next int) {
	const none = -1
	n, gap := 0, none // bytes filled, and the position of "::" among them
	if i+1 < len(b) && b[i] == ':' && b[i+1] == ':' {
		gap, i = 0, i+2
	}
	for n < len(a) {
		v, j := hexGroup(b, i)
		if j == failed {
			break
		}
		if j < len(b) && b[j] == '.' {
			return ipv6Dotted(b, i, a, n, gap)
		}
		a[n], a[n+1] = uint8(v>>8), uint8(v)
		n, i = n+2, j
		if i+1 >= len(b) || b[i] != ':' || n == len(a) {
			break
		}
		i++
		if b[i] == ':' {
			if gap != none {
				return a, failed
			}
			gap, i = n, i+1
		} else if hexValue[b[i]] == notHex {
			return a, failed
		}
	}
	return ipv6Spread(a, n, gap, i)
}

// ipv6Dotted ends an address whose last four bytes are written as IPv4.
func ipv6Dotted(b []byte, i int, a [16]byte, n, gap int) ([16]byte, int) {
	v4, j := ipv4(b, i)
	if j == failed || n > len(a)-4 {
		return a, failed
	}
	tail := v4.As4()
	copy(a[n:], tail[:])
	return ipv6Spread(a, n+4, gap, j)
}

// ipv4 reads four decimal numbers of at most 255, without leading zeros: some programs
// read those as octal, so the text is ambiguous and refused. The number of digits in an
// address is unpredictable, so nothing branches on it.
func ipv4(b []byte, i int) (netip.Addr, int) {
	var stops uint32 // bit n: byte n is no digit, and ends a number; not sure behind bytes beyond ASCII
	for half := range 2 {
		x := load(b, i+8*half) ^ 0x3030303030303030
		high := (x + 0x7676767676767676 | x) & 0x8080808080808080
		stops |= uint32(high*0x0002040810204081>>56) << (8 * half)
	}
	var a uint32
	for k := range 4 {
		w, n := load(b, i), bits.TrailingZeros32(stops)
		x := uint32(w) ^ 0x30303030
		d := x << (-8 * n & 31) // the last digit in the highest byte
		v := d>>24 + d>>16&0xff*10 + d>>8&0xff*100
		if uint(n-1) > 2 || v > 255 || x&0xff == 0 && n > 1 || k < 3 && uint8(w>>(8*n&63)) != '.' {
			return netip.Addr{}, failed
		}
		a = a<<8 | v
		stops >>= (n + 1) & 31
		i += n + 1
	}
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], a)
	return netip.AddrFrom4(addr), i - 1
}

// load returns the eight bytes at i, first byte lowest, and zeros for those beyond
// the end of the line. No key and no digit is a zero byte.
func load(b []byte, i int) uint64 {
	if i+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[i:])
	}
	return loadTail(b, i)
}

func loadTail(b []byte, i int) uint64 {
	var w uint64
	for j := len(b) - 1; j >= i; j-- {
		w = w<<8 | uint64(b[j])
	}
	return w
}

// ipv6Spread moves what follows the gap to the end. A gap stands for at least one
// group, and without one all eight must be there.
func ipv6Spread(a [16]byte, n, gap, next int) ([16]byte, int) {
	if gap < 0 {
		if n != len(a) {
			return a, failed
		}
		return a, next
	}
	if n >= len(a) {
		return a, failed
	}
	var out [16]byte
	copy(out[:], a[:gap])
	copy(out[len(out)-(n-gap):], a[gap:n])
	return out, next
}

// hexGroup reads one to four hexadecimal digits.
func hexGroup(b []byte, i int) (v uint16, next int) {
	start := i
	for ; i < len(b) && i < start+4 && hexValue[b[i]] != notHex; i++ {
		v = v<<4 | uint16(hexValue[b[i]])
	}
	if i == start {
		return 0, failed
	}
	return v, i
}

// wordEnd returns the index of the first blank at or after i, or the line's end.
func wordEnd(b []byte, i int) int {
	if n := bytes.IndexByte(b[i:], ' '); n >= 0 {
		return i + n
	}
	return len(b)
}

// skipBlank passes over one blank, if there is one.
func skipBlank(b []byte, i int) int {
	if i < len(b) && b[i] == ' ' {
		return i + 1
	}
	return i
}

// blanks passes over one blank or more.
func blanks(b []byte, i int) int {
	j := after(b, i, " ")
	if j == failed {
		return failed
	}
	return skipBlanks(b, j)
}

func skipBlanks(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}

func skipComma(b []byte, i int) int {
	if j := after(b, i, ","); j != failed {
		return j
	}
	return i
}

// after returns the index after the text k at i.
func after(b []byte, i int, k string) int {
	if j := i + len(k); j <= len(b) && string(b[i:j]) == k {
		return j
	}
	return failed
}
