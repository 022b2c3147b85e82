package crypt

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"io"
	"strconv"
	"strings"
)

const (
	shaSalt       = 16 // most characters
	defaultRounds = 5000
	minRounds     = 1000
	// maxRounds is about a second. The format itself goes to 999,999,999.
	maxRounds = 1_000_000
)

// shaCrypt is one of the two hashes of "Unix crypt using SHA-256 and SHA-512"
// (Drepper, version 0.6).
type shaCrypt struct {
	new       func() hash.Hash
	digestLen int // characters
	encode    func(sum []byte) []byte
}

var (
	sha256Crypt = shaCrypt{sha256.New, 43, encode256}
	sha512Crypt = shaCrypt{sha512.New, 86, encode512}
)

// verify reads [rounds=N$]salt$digest.
func (c *shaCrypt) verify(s, password string) (bool, error) {
	rounds := defaultRounds
	if rest, ok := strings.CutPrefix(s, "rounds="); ok {
		num, after, _ := strings.Cut(rest, "$")
		n, err := strconv.ParseUint(num, 10, 32)
		if err != nil || n < minRounds || n > maxRounds || num[0] == '0' {
			return false, ErrMalformed
		}
		rounds, s = int(n), after
	}
	salt, digest, err := splitSalt(s, shaSalt, c.digestLen)
	if err != nil {
		return false, err
	}
	return equal(c.encode(c.digest([]byte(password), []byte(salt), rounds)), digest), nil
}

func (c *shaCrypt) digest(password, salt []byte, rounds int) []byte {
	h := c.new()
	h.Write(password)
	h.Write(salt)
	h.Write(password)
	alt := h.Sum(nil)

	h.Reset()
	h.Write(password)
	h.Write(salt)
	h.Write(repeat(alt, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(alt)
		} else {
			h.Write(password)
		}
	}
	sum := h.Sum(nil)

	p := c.sequence(password, len(password))
	s := c.sequence(salt, 16+int(sum[0]))
	for i := range rounds {
		h.Reset()
		stir(h, i, p, sum, s)
		sum = h.Sum(sum[:0])
	}
	return sum
}

// sequence is the digest of text written n times, stretched to the text's length.
func (c *shaCrypt) sequence(text []byte, n int) []byte {
	h := c.new()
	for range n {
		h.Write(text)
	}
	return repeat(h.Sum(nil), len(text))
}

// repeat returns n bytes made of copies of block.
func repeat(block []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, block[:min(n-len(out), len(block))]...)
	}
	return out
}

// stir is what all of these hashes write in round i.
func stir(w io.Writer, i int, password, sum, salt []byte) {
	first, last := sum, password
	if i&1 != 0 {
		first, last = password, sum
	}
	w.Write(first)
	if i%3 != 0 {
		w.Write(salt)
	}
	if i%7 != 0 {
		w.Write(password)
	}
	w.Write(last)
}

// encode256 and encode512 put the bytes in the order of the specification: each
// group takes one byte of every third, and the group turns by one every time.
func encode256(sum []byte) (out []byte) {
	for i := range 10 {
		a, b, c := rotate(i, 10, 2)
		out = append24(out, sum[a], sum[b], sum[c], 4)
	}
	return append24(out, 0, sum[31], sum[30], 3)
}

func encode512(sum []byte) (out []byte) {
	for i := range 21 {
		a, b, c := rotate(i, 21, 1)
		out = append24(out, sum[a], sum[b], sum[c], 4)
	}
	return append24(out, 0, 0, sum[63], 2)
}

// rotate returns i, i+third and i+2·third, turned left by i·step.
func rotate(i, third, step int) (a, b, c int) {
	idx := [3]int{i, i + third, i + 2*third}
	k := i * step % 3
	return idx[k], idx[(k+1)%3], idx[(k+2)%3]
}
