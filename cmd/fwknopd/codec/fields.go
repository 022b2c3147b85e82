package codec

import "encoding/binary"

// Fields are what has not been read yet of fields that stand one after the other. After one that is
// missing or out of range they are empty and Failed, and each further one is zero.
type Fields struct {
	rest   []byte
	failed bool
}

// NewFields returns the fields in b, to which those of bytes refer.
func NewFields(b []byte) Fields { return Fields{rest: b} }

// Failed reports whether a field was missing or out of range.
func (f *Fields) Failed() bool { return f.failed }

// Require has the fields end here unless ok.
func (f *Fields) Require(ok bool) {
	if !ok {
		f.rest, f.failed = nil, true
	}
}

// Rest returns what has not been read.
func (f *Fields) Rest() []byte { return f.rest }

// Whole reports whether all was read, and nothing was missing.
func (f *Fields) Whole() bool { return !f.failed && len(f.rest) == 0 }

// Number reads an unsigned varint of at most limit.
func (f *Fields) Number(limit uint64) uint64 {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 || n > limit {
		f.Require(false)
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

// Signed reads a signed varint.
func (f *Fields) Signed() int64 {
	n, size := binary.Varint(f.rest)
	if size <= 0 {
		f.Require(false)
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

// Bytes reads n bytes.
func (f *Fields) Bytes(n uint64) []byte {
	if n > uint64(len(f.rest)) {
		f.Require(false)
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

// Text reads a length of at most limit, and as many bytes.
func (f *Fields) Text(limit uint64) []byte { return f.Bytes(f.Number(limit)) }
