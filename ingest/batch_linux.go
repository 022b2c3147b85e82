package ingest

import (
	"context"
	"encoding/binary"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is how many datagrams one system call may bring.
	batchSize = 64
	// controlSize holds the control messages of one datagram: its time, its
	// destination, its TTL, the count of lost ones.
	controlSize = 192

	// It is a flood when floodCount packets took less than floodSpan, 2000 a second.
	// Waking up for each would then cost more than the packet: the source naps for
	// napTime in front of each batch, until there are fewer again. A valid packet among
	// them is that much later, and never lost.
	floodCount = 64
	floodSpan  = floodCount * 500 * time.Microsecond
	napTime    = time.Millisecond
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32 // bytes received
}

// A batch receives datagrams from a socket, many with one system call.
type batch struct {
	conn syscall.RawConn

	messages [batchSize]mmsghdr
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrAny
	controls [batchSize][controlSize]byte
	buffers  []byte
	size     int // of one buffer

	at, n int
	errno unix.Errno
	call  func(fd uintptr) bool // recvmmsg, made once

	before func(fd uintptr) // called before each recvmmsg; may be nil

	readCanceler

	since time.Time // of the count
	count int
	flood bool
}

// newBatch receives datagrams of at most size bytes; longer ones are cut.
func newBatch(conn syscall.RawConn, size int, deadline func(time.Time) error) *batch {
	b := &batch{conn: conn, readCanceler: readCanceler{deadline: deadline}, size: size, buffers: make([]byte, batchSize*size)}
	for i := range b.messages {
		b.vectors[i].Base = &b.buffers[i*size]
		b.vectors[i].SetLen(size)
		m := &b.messages[i].Msghdr
		m.Iov = &b.vectors[i]
		m.SetIovlen(1)
	}
	b.call = func(fd uintptr) bool {
		if b.before != nil {
			b.before(fd)
		}
		// Raw, since it does not wait: what takes more than some 20 µs would be taken
		// for a call that waits, and its processor given to another thread.
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		b.n, b.errno = int(n), errno
		return errno != unix.EAGAIN && errno != unix.EINTR
	}
	return b
}

// next returns the next datagram. An error of the socket (interface down, packets
// refused) is a syscall.Errno; that of the context and os.ErrClosed are final.
func (b *batch) next(ctx context.Context) (datagram, error) {
	if b.at == b.n {
		if err := b.receive(ctx); err != nil {
			return datagram{}, err
		}
	}
	i := b.at
	b.at++
	m := &b.messages[i]
	return datagram{
		data:    b.buffers[i*b.size:][:min(int(m.n), b.size)],
		from:    &b.names[i],
		control: b.controls[i][:min(int(m.Controllen), controlSize)],
	}, nil
}

// stampControl is the control message with the time at which the kernel received a
// datagram (SO_TIMESTAMPNS). How long it then waited for us is no part of it.
var stampControl = [2]int32{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW}

// stampOf reads its data; where there is none, the packet is of now.
func stampOf(data []byte) time.Time {
	if len(data) < 16 {
		return time.Now()
	}
	return time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
}

// pending reports whether next has a datagram without a system call.
func (b *batch) pending() bool { return b.at < b.n }

func (b *batch) receive(ctx context.Context) error {
	if err := b.watch(ctx); err != nil {
		return err
	}
	if b.flood && b.n < batchSize { // a full batch was not the whole queue
		nap()
	}
	b.at, b.n = 0, 0
	for i := range b.messages {
		m := &b.messages[i].Msghdr
		m.Name, m.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), unix.SizeofSockaddrAny
		m.Control = &b.controls[i][0]
		m.SetControllen(controlSize)
	}
	if err := b.conn.Read(b.call); err != nil {
		b.n = 0
		return b.cause(ctx, err)
	}
	if b.errno != 0 {
		b.n = 0
		return os.NewSyscallError("recvmmsg", b.errno)
	}
	b.pace(time.Now())
	return nil
}

// nap sleeps in the kernel, thread and processor and all, and without the knowledge of the Go
// scheduler: that would hand the processor from thread to thread and watch over it every
// 20 µs, which costs more than the packets of a flood. Goroutines that are ready run on
// the other processors; with one, they wait as long.
func nap() {
	t := unix.NsecToTimespec(int64(napTime))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) // a signal ends it early, which is fine
}

// pace decides whether the last datagrams are a flood.
func (b *batch) pace(now time.Time) {
	b.count += b.n
	if b.count < floodCount && (!b.flood || b.n > 1) {
		return
	}
	b.flood = now.Sub(b.since) < floodSpan && b.count >= floodCount
	b.since, b.count = now, 0
}

// raiseBuffer asks for a receive buffer of n bytes, past the system's limit where
// we may.
func raiseBuffer(conn syscall.RawConn, n int) error {
	var err error
	if e := conn.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n); err != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, n)
		}
	}); e != nil {
		return e
	}
	return err
}
