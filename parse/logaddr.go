package parse

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// address reads the address at i: IPv4 in dotted decimal, or IPv6 as the kernel
// (eight full groups) or inet_ntop(3) (RFC 5952) writes it.
func address(b []byte, i int) (netip.Addr, int) {
	if v, j := ipv4(b, i); j != failed {
		return v, j
	}
	return ipv6(b, i)
}

// ipv4 reads four decimal numbers of at most 255, without leading zeros: some
// programs read those as octal, and what has two readings is refused.
func ipv4(b []byte, i int) (netip.Addr, int) {
	stops := notDigits(load(b, i)) | notDigits(load(b, i+8))<<8 // bit n: byte n ends a number
	var a uint32
	for k := range 4 {
		w, n := load(b, i), bits.TrailingZeros32(stops)
		v, ok := octet(w, n)
		if !ok || k < 3 && uint8(w>>(8*n&63)) != '.' {
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

// notDigits sets bit n for each byte n of w that is no digit, and possibly for
// bytes above a byte beyond ASCII.
func notDigits(w uint64) uint32 {
	x := w ^ 0x3030303030303030
	high := (x + 0x7676767676767676 | x) & 0x8080808080808080
	return uint32(high * 0x0002040810204081 >> 56)
}

// octet reads the n digits that the word w begins with. The widths of the numbers of
// an address cannot be foreseen, so it does not branch on them.
func octet(w uint64, n int) (v uint32, ok bool) {
	x := uint32(w) ^ 0x30303030
	d := x << (-8 * n & 31) // the last digit in the highest byte
	v = d>>24 + d>>16&0xff*10 + d>>8&0xff*100
	return v, uint(n-1) <= 2 && v <= 255 && (x&0xff != 0 || n == 1)
}

// ipv6 reads an IPv6 address. IPv4-mapped ones are refused: on the wire no packet
// may carry them (RFC 4942 section 2.2), and taken for the IPv4 address they would
// speak for somebody else.
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
	n, gap := 0, none // bytes filled, and where "::" stands among them
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
