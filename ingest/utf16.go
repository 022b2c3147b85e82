package ingest

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// byteOrder returns the byte order of a text in UTF-16, by the mark in front of it;
// nil if it is none.
func byteOrder(magic []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(magic, []byte{0xff, 0xfe}):
		return binary.LittleEndian
	case bytes.HasPrefix(magic, []byte{0xfe, 0xff}):
		return binary.BigEndian
	}
	return nil
}

// utf16Reader reads a text in UTF-16, as Windows programs write it, as UTF-8 and
// without its mark.
type utf16Reader struct {
	r     io.Reader
	order binary.ByteOrder
	in    []byte // read, and not converted yet
	out   []byte // converted, and not returned yet
	buf   [32 << 10]byte
	begun bool
	err   error
}

func (u *utf16Reader) Read(b []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := u.r.Read(u.buf[len(u.in):])
		u.in, u.err = u.buf[:len(u.in)+n], err
		u.convert()
	}
	n := copy(b, u.out)
	u.out = u.out[n:]
	return n, nil
}

// convert turns what was read into UTF-8, but for the half of a character at its
// end. What is no character becomes U+FFFD.
func (u *utf16Reader) convert() {
	u.out = u.out[:0]
	i := 0
	for i+2 <= len(u.in) {
		r := rune(u.order.Uint16(u.in[i:]))
		size := 2
		if utf16.IsSurrogate(r) {
			if i+4 > len(u.in) && u.err == nil {
				break
			}
			both := rune(utf8.RuneError)
			if i+4 <= len(u.in) {
				both = utf16.DecodeRune(r, rune(u.order.Uint16(u.in[i+2:])))
			}
			if both != utf8.RuneError {
				size = 4
			}
			r = both
		}
		i += size
		if r == '\ufeff' && !u.begun {
			r = -1
		}
		u.begun = true
		if r >= 0 {
			u.out = utf8.AppendRune(u.out, r)
		}
	}
	u.in = u.buf[:copy(u.buf[:], u.in[i:])]
}

// front converts the beginning of the text that is known already.
func (u *utf16Reader) front(b []byte) []byte {
	probe := utf16Reader{r: bytes.NewReader(b), order: u.order}
	text, _ := io.ReadAll(&probe)
	return text
}
