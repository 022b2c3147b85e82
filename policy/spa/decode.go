package spa

import (
	"bytes"
	"encoding/binary"
)

// Limits of the fields: characters as they stand in the plaintext.
const (
	randLen        = 16
	maxUserField   = 64
	maxTimeField   = 12
	maxVersion     = 8
	maxVersionPerl = 16 // under the rules of 1.9: "1.9.12-pre3"
	maxTypeField   = 2
	maxField       = 256  // message, nat, server_auth, timeout
	maxFieldPerl   = 1024 // message under the rules of 1.9
	maxTimeout     = 1 << 16
	maxTimeoutPerl = 1<<31 - 1
	maxFields      = 10
	minFields      = 7
)

// decode checks the digest of plain and then reads its fields into m. The arena is
// scratch space, handed back grown.
func decode(plain []byte, digests digestSet, rules *Rules, arena []byte, m *Message) ([]byte, error) {
	if !printable(plain) {
		return arena, errPrintable
	}
	cut := bytes.LastIndexByte(plain, ':')
	if cut < 0 {
		return arena, errPrintable
	}
	alg, err := digests.verify(plain[:cut], plain[cut+1:])
	if err != nil {
		if !startsWithRand(plain) {
			return arena, errPrintable
		}
		return arena, err
	}
	if len(plain) < minPlain || len(plain) >= maxPlain {
		return arena, errPlainLen
	}
	f := fields{rules: rules, arena: arena[:0]}
	if err := f.read(plain[:cut]); err != nil {
		return f.arena, err
	}
	ports := m.Ports[:0]
	*m = Message{Plaintext: append(m.Plaintext[:0], plain...), DigestType: alg.name}
	m.Ports = ports
	return f.arena, f.fill(m)
}

// printable reports that p is ASCII without control characters.
func printable(p []byte) bool {
	const (
		each  = 0x0101010101010101
		high  = 0x80 * each
		space = 0x20 * each
		del   = 0x7f * each
	)
	for ; len(p) >= 8; p = p[8:] { // a carry into the high bit says: below space, or DEL
		v := binary.LittleEndian.Uint64(p)
		if (v|(v-space)|((v^del)-each))&high != 0 {
			return false
		}
	}
	for _, c := range p {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

func startsWithRand(p []byte) bool {
	return len(p) > randLen && p[randLen] == ':' && digits(p[:randLen])
}

func digits(p []byte) bool {
	for _, c := range p {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(p) > 0
}

// number is the value of decimal digits; it stays at the largest once reached.
func number(p []byte) uint64 {
	const most = 1 << 60
	var n uint64
	for _, c := range p {
		if n = n*10 + uint64(c-'0'); n > most {
			return most
		}
	}
	return n
}
