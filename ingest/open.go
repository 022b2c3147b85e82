package ingest

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A socket is the part of a socket that a source uses. *os.File is one.
type socket interface {
	SyscallConn() (syscall.RawConn, error)
	SetReadDeadline(time.Time) error
	Close() error
}

// fileFD returns the descriptor of f without the side effect of f.Fd, which makes
// it block; -1 if f is closed.
func fileFD(f *os.File) int {
	n := -1
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { n = int(fd) })
	}
	return n
}

// errNotHere refuses a source that this system does not have.
var errNotHere = errors.New("not on " + runtime.GOOS)

// duplicate returns another descriptor of conn, which stays open when conn is
// closed; prepare is called with it.
func duplicate(conn socket, name string, prepare func(fd int) error) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var dup error
	err = raw.Control(func(old uintptr) { fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, os.NewSyscallError("dup", dup)); err != nil {
		return nil, err
	}
	if prepare != nil {
		if err := prepare(fd); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}
