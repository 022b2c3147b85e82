package ingest

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var errInterrupted = errors.New("interrupted")

// A waitingFile reads a file that may let us wait for ever, a pipe or a terminal,
// in a way that the end of a context interrupts. Its descriptor is not ours to
// make non-blocking: other processes share it.
type waitingFile struct {
	ending
	f    *os.File
	wake int // an eventfd
}

func newWaitingFile(f *os.File) (*waitingFile, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	w := &waitingFile{f: f, wake: wake}
	w.deadline = func(t time.Time) error {
		if !t.IsZero() {
			w.interrupt()
		}
		return nil
	}
	return w, nil
}

// interrupt ends the Read that waits, and those to come.
func (w *waitingFile) interrupt() {
	_, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it can only be set already
}

// Read implements io.Reader.
func (w *waitingFile) Read(b []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(fileFD(w.f)), Events: unix.POLLIN}, {Fd: int32(w.wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("poll", err)
		case fds[1].Revents != 0:
			return 0, errInterrupted
		}
		return w.f.Read(b)
	}
}

// Close ends a Read. The file stays open: it is not ours.
func (w *waitingFile) Close() error {
	w.release()
	w.interrupt()
	return unix.Close(w.wake)
}
