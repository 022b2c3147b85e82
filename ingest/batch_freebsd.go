package ingest

import (
	"context"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize holds the control messages of one datagram: its destination, its TTL.
const controlSize = 128

// A batch receives datagrams from a socket. There is no system call for many here.
type batch struct {
	conn    syscall.RawConn
	message unix.Msghdr
	vector  unix.Iovec
	name    unix.RawSockaddrAny
	control [controlSize]byte
	buffer  []byte
	n       int
	errno   unix.Errno
	call    func(fd uintptr) bool // recvmsg, made once

	readCanceler
}

// newBatch receives datagrams of at most size bytes; longer ones are cut.
func newBatch(conn syscall.RawConn, size int, deadline func(time.Time) error) *batch {
	b := &batch{conn: conn, readCanceler: readCanceler{deadline: deadline}, buffer: make([]byte, size)}
	b.vector.Base = &b.buffer[0]
	b.vector.SetLen(size)
	b.message.Iov = &b.vector
	b.message.SetIovlen(1)
	b.call = func(fd uintptr) bool {
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&b.message)), unix.MSG_DONTWAIT)
		b.n, b.errno = int(n), errno
		return errno != unix.EAGAIN && errno != unix.EINTR
	}
	return b
}

// next returns the next datagram. An error of the socket is a syscall.Errno; that of the
// context and os.ErrClosed are final.
func (b *batch) next(ctx context.Context) (datagram, error) {
	if err := b.watch(ctx); err != nil {
		return datagram{}, err
	}
	b.message.Name, b.message.Namelen = (*byte)(unsafe.Pointer(&b.name)), unix.SizeofSockaddrAny
	b.message.Control = &b.control[0]
	b.message.SetControllen(controlSize)
	if err := b.conn.Read(b.call); err != nil {
		return datagram{}, b.cause(ctx, err)
	}
	if b.errno != 0 {
		return datagram{}, os.NewSyscallError("recvmsg", b.errno)
	}
	return datagram{data: b.buffer[:b.n], from: &b.name, control: b.control[:min(int(b.message.Controllen), controlSize)]}, nil
}

// pending reports whether next has a datagram without a system call.
func (b *batch) pending() bool { return false }

// leastBuffer is what any system grants.
const leastBuffer = 64 << 10

// raiseBuffer asks for a receive buffer of n bytes, or as much of it as the system's limit
// (kern.ipc.maxsockbuf) allows.
func raiseBuffer(conn syscall.RawConn, n int) error {
	var err error
	if e := conn.Control(func(fd uintptr) {
		for ; n >= leastBuffer; n /= 2 {
			if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, n); err != unix.ENOBUFS {
				return
			}
		}
	}); e != nil {
		return e
	}
	return err
}
