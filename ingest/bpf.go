package ingest

import (
	"encoding/binary"
	"time"
)

// What a read of /dev/bpf returns: frames, each behind a struct bpf_hdr of net/bpf.h and
// padded to a whole number of words. On 64-bit systems the header is a struct timeval of
// two 64-bit numbers, the captured and the real length of the frame, of 32 bits each, and
// its own length with padding, of 16 bits.
const (
	bpfCapturedAt = 16
	bpfLengthAt   = 20
	bpfHeaderAt   = 24
	bpfHeader     = 26
	bpfWord       = 8
)

// bpfFrame takes the first frame from what was read: what there is of it, its size and
// when it came. ok is false at the end, or if the rest cannot be a frame.
func bpfFrame(b []byte) (frame []byte, size int, at time.Time, rest []byte, ok bool) {
	if len(b) < bpfHeader {
		return nil, 0, time.Time{}, nil, false
	}
	head := int(binary.NativeEndian.Uint16(b[bpfHeaderAt:]))
	captured := uint64(binary.NativeEndian.Uint32(b[bpfCapturedAt:]))
	if head < bpfHeader || uint64(head)+captured > uint64(len(b)) {
		return nil, 0, time.Time{}, nil, false
	}
	end := head + int(captured)
	at = time.Unix(int64(binary.NativeEndian.Uint64(b)), int64(binary.NativeEndian.Uint64(b[8:]))*1000)
	next := min((end+bpfWord-1)&^(bpfWord-1), len(b)) // the last one is not padded
	return b[head:end], int(binary.NativeEndian.Uint32(b[bpfLengthAt:])), at, b[next:], true
}
