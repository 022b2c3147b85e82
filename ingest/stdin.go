package ingest

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var errInterrupted = errors.New("interrupted")

// A cancelableFile reads a file that may let us wait for ever, a pipe or a terminal,
// in a way that the end of a context interrupts. Its descriptor is not ours to
// make non-blocking: other processes share it.
type cancelableFile struct {
	readCanceler
	f    *os.File
	wake [2]int // a pipe
}

func newCancelableFile(f *os.File) (*cancelableFile, error) {
	w := &cancelableFile{f: f}
	if err := unix.Pipe2(w.wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	w.deadline = func(t time.Time) error {
		if !t.IsZero() {
			w.interrupt()
		}
		return nil
	}
	return w, nil
}

// interrupt ends the Read that waits, and those to come.
func (w *cancelableFile) interrupt() {
	_, _ = unix.Write(w.wake[1], []byte{0}) // it can only be full already
}

// Read implements io.Reader.
func (w *cancelableFile) Read(b []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(fileFD(w.f)), Events: unix.POLLIN}, {Fd: int32(w.wake[0]), Events: unix.POLLIN}}
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
func (w *cancelableFile) Close() error {
	w.release()
	w.interrupt()
	return errors.Join(unix.Close(w.wake[0]), unix.Close(w.wake[1]))
}
