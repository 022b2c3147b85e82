package parse

import (
	"encoding/binary"
	"math/bits"
)

// The log parser walks a line by index, left to right. Every step takes an index
// and returns the next one; a step that does not find what it wants returns
// failed, and every step that starts at failed fails as well. So a run of steps
// needs one check, at its end.

// failed lies beyond every line, far enough from overflow that adding the width
// of a field to it is harmless.
const failed = 1 << 40

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

// A key is the text of up to eight bytes that a field begins with, first byte
// lowest, so that it is compared in one step.
type key uint64

func (k key) width() int { return (bits.Len64(uint64(k)) + 7) / 8 }

// opens reports whether the word w, see load, begins with the key.
func (k key) opens(w uint64) bool {
	return w<<(64-8*k.width()) == uint64(k)<<(64-8*k.width())
}

// after returns the index behind the key at i.
func (k key) after(b []byte, i int) int {
	if k.opens(load(b, i)) {
		return i + k.width()
	}
	return k.afterBlanks(b, i)
}

// afterBlanks is after for keys that open with a blank, where the line has some
// other run of blanks and tabs instead. The kernel writes one blank; relays and
// editors have been seen to write more.
func (k key) afterBlanks(b []byte, i int) int {
	j := i
	for j < len(b) && (b[j] == ' ' || b[j] == '\t') {
		j++
	}
	if k&0xff == ' ' && j > i && (k >> 8).opens(load(b, j)) {
		return j + k.width() - 1
	}
	return failed
}

// number reads the decimal number at i, at most limit.
func number(b []byte, i int, limit uint64) (uint64, int) {
	x := load(b, i) ^ 0x3030303030303030
	// The high bit of a byte says that it is no digit. A carry out of such a byte
	// spoils only the bytes above it, and only the lowest is looked at.
	stop := (x + 0x7676767676767676 | x) & 0x8080808080808080
	n := bits.TrailingZeros64(stop) / 8
	if n-1 >= 7 {
		return longNumber(b, i, limit)
	}
	if n == 0 {
		return 0, failed
	}
	// Eight digits at once: move them to the top, so that zeros lead, then join
	// neighbours into numbers of two, four and eight digits.
	x <<= 64 - 8*n
	x = x*10 + x>>8
	v := ((x&0x000000ff000000ff)*(100+1000000<<32) + (x>>16&0x000000ff000000ff)*(1+10000<<32)) >> 32
	if v > limit {
		return 0, failed
	}
	return v, i + n
}

// maxDigits bounds a number's length: the largest a record holds are 32-bit
// sequence numbers; microseconds since 1970 have sixteen.
const maxDigits = 18

func longNumber(b []byte, i int, limit uint64) (uint64, int) {
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

// endOfWord returns i if a blank or the end of the line stands there.
func endOfWord(b []byte, i int) int {
	if i == len(b) || i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		return i
	}
	return failed
}
