package ingest

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"fwknopd/ingest/filter"
)

// NarrowsUDP: the socket of a UDP server takes only datagrams that a [filter.Payload] is true of.
const NarrowsUDP = true

// narrow has the kernel drop what p is not true of, for good: the filter is locked.
func narrow(raw syscall.RawConn, p filter.Payload) error {
	program, err := p.Program()
	if err != nil || len(program) == 0 {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	ctl := raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("attach filter", unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
		if err == nil {
			err = os.NewSyscallError("lock filter", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1))
		}
	})
	if ctl != nil {
		return ctl
	}
	return err
}

// socketMemory is what SO_MEMINFO returns (linux/sock_diag.h): bytes that wait in the
// socket, how many may, and others; and at the end how many packets were dropped.
type socketMemory [9]uint32

const memoryUsed, memoryLimit, memoryDrops = 0, 1, 8

// memoryOf asks for it. A kernel before 4.12 has none.
func memoryOf(fd uintptr) (m socketMemory, ok bool) {
	size := uint32(unsafe.Sizeof(m))
	// Raw, since it does not wait; see newBatch.
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&size)), 0)
	return m, errno == 0 && uintptr(size) == unsafe.Sizeof(m)
}

// full reports whether datagrams may have been dropped for want of room since the last
// batch was taken out: no more room is left than it made.
func (m *socketMemory) full() bool {
	const ofBatch = batchSize * 4 << 10
	return uint64(m[memoryUsed])+ofBatch > uint64(m[memoryLimit])
}

// A dropCount separates what the filter of a socket dropped from what was lost as the queue was full:
// the kernel counts both in one. While the queue is full, all that is dropped counts as
// lost.
type dropCount struct {
	mu   sync.Mutex
	raw  syscall.RawConn // nil: the socket has no filter
	last uint32          // as counted by the kernel, which wraps around
}

// take adds what was dropped since the last call to the counters of c.
func (d *dropCount) take(fd uintptr, c *counters) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := memoryOf(fd)
	if !ok {
		return
	}
	n := uint64(m[memoryDrops] - d.last)
	switch d.last = m[memoryDrops]; {
	case n == 0:
	case m.full():
		c.lost.Add(n)
	default:
		c.notOurs.Add(n)
	}
}

// countFiltered has s count what the filter of its socket drops: as records that are not
// ours.
func (s *UDPServer) countFiltered(raw syscall.RawConn) {
	s.dropped.raw = raw
	s.batch.before = func(fd uintptr) { s.dropped.take(fd, &s.counters) }
	s.counted = func() Counts {
		// it fails if the socket is closed
		_ = raw.Control(func(fd uintptr) { s.dropped.take(fd, &s.counters) })
		return s.sum()
	}
}
