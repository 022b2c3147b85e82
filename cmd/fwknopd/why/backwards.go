package why

import (
	"bytes"
	"io"
)

const (
	block   = 64 << 10
	maxLine = 1 << 20 // a longer one is no event
)

// backwards calls use with each whole line of the first size bytes of r, from the last to the
// first, until use returns false. What stands behind the last newline is a line that is still
// being written, and left out.
func backwards(r io.ReaderAt, size int64, use func(line []byte) bool) error {
	var rest []byte // the beginning of the line that the last block ended in, nil before the first newline
	whole := false  // a newline was found behind rest
	for end := size; end > 0; {
		begin := max(0, end-block)
		b := make([]byte, end-begin, int(end-begin)+len(rest))
		if _, err := r.ReadAt(b, begin); err != nil && err != io.EOF {
			return err
		}
		b, end = append(b, rest...), begin
		for {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			if line := b[i+1:]; whole && len(line) > 0 && !use(line) {
				return nil
			}
			b, whole = b[:i], true
		}
		if rest = b; len(rest) > maxLine {
			rest, whole = nil, false
		}
	}
	if whole && len(rest) > 0 {
		use(rest)
	}
	return nil
}
