package ingest

// A Buffered is a Source that knows whether Next has a record without waiting and
// without a system call. A caller that batches records goes on while it reports true.
type Buffered interface {
	Pending() bool
}

// Pending implements [Buffered].
func (l *Live) Pending() bool { return l.reader != nil && l.reader.pending() }

// Pending implements [Buffered].
func (s *UDPServer) Pending() bool { return s.batch.pending() }

// Pending implements [Buffered].
func (n *NFLOG) Pending() bool { return len(n.rest) > 0 || n.batch.pending() }

// Pending implements [Buffered].
func (m *merged) Pending() bool {
	for _, r := range m.rings {
		tail := r.tail.Load()
		if r == m.taken { // not given back yet
			tail++
		}
		if tail != r.head.Load() {
			return true
		}
	}
	return false
}
