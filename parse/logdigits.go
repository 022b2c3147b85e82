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

// opens reports whether the word w, see load, begins with the key.
func (k *key) opens(w uint64) bool { return w&k.mask == k.word }

// after returns the index behind the key at i.
func (k *key) after(b []byte, i int) int {
	if k.opens(load(b, i)) {
		return i + k.width
	}
	return k.afterBlanks(b, i)
}

// afterBlanks is after for a line that has several blanks where the key has its
// one. The kernel writes one; what lines pass through may not.
func (k *key) afterBlanks(b []byte, i int) int {
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
	if !k.opens(load(b, i)) {
		return number(b, k.afterBlanks(b, i), limit)
	}
	i += k.width
	v, n := digits(load(b, i))
	if uint(n-1) >= 7 || v > limit {
		return longNumber(b, i, limit)
	}
	return v, i + n
}

// number reads the decimal number at i, at most limit.
func number(b []byte, i int, limit uint64) (uint64, int) {
	v, n := digits(load(b, i))
	if uint(n-1) >= 7 || v > limit {
		return longNumber(b, i, limit)
	}
	return v, i + n
}

// digits returns the value of the n digits that the word w begins with, if n > 0.
func digits(w uint64) (v uint64, n int) {
	x := w ^ 0x3030303030303030
	// The high bit of a byte says that it is no digit. A carry out of such a byte
	// spoils only the bytes above it, and only the lowest is looked at.
	n = bits.TrailingZeros64((x+0x7676767676767676|x)&0x8080808080808080) / 8
	// Eight digits at once: move them to the top, so that zeros lead, then join
	// neighbours into numbers of two, four and eight digits.
	x <<= -8 * n & 63 // that is 64-8*n; without digits the value means nothing
	x = x*10 + x>>8
	v = (x&0x000000ff000000ff*(100+1000000<<32) + x>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
	return v, n
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
	if i == len(b) || i < len(b) && b[i] == ' ' {
		return i
	}
	return failed
}
