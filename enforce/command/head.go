package command

import "sync"

// A prefixBuffer stores the beginning of what is written to it and discards the rest without
// an error, so that the writer does not block.
type prefixBuffer struct {
	max int

	mu  sync.Mutex
	buf []byte
	cut bool
}

func newPrefixBuffer(limit int) *prefixBuffer {
	if limit <= 0 {
		limit = defaultOutput
	}
	return &prefixBuffer{max: limit}
}

// Write implements [io.Writer].
func (h *prefixBuffer) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(p), h.max-len(h.buf))
	h.buf = append(h.buf, p[:n]...)
	h.cut = h.cut || n < len(p)
	return len(p), nil
}

// String returns what is stored.
func (h *prefixBuffer) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.buf)
}
