// Package pidfile keeps one daemon from starting twice and lets others find it. A
// pid file counts as long as its owner holds the lock on it, as the 2.6 daemon has
// it; a number that somebody left behind means nothing.
//
// Entry points: [Create] for the daemon, [Owner] for everybody else, who only
// reads.
package pidfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSize is the most that is read of a pid file.
const maxSize = 32

// A RunningError is the refusal of a second start.
type RunningError struct {
	Path string
	PID  int // 0 if the owner cannot be seen from here
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("an instance of fwknopd is already running (pid=%d, pid file %s)", e.PID, e.Path)
}

// A File is a pid file that this process owns. The lock is the process's: no other
// descriptor of the file may be opened and closed in it.
type File struct {
	path string
	f    *os.File
}

// Create makes or takes over the pid file at path, locks it and writes the number
// of this process. It returns a [*RunningError] if another process has it.
func Create(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		owner, _ := holder(f)
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, &RunningError{path, owner}
		}
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	if err := write(f); err != nil {
		f.Close()
		return nil, err
	}
	return &File{path, f}, nil
}

func lock(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &l)
}

func write(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// Remove deletes the file and lets go of the lock.
func (p *File) Remove() error {
	return errors.Join(os.Remove(p.path), p.f.Close())
}

// Owner returns who holds the pid file at path, 0 if nobody does. A file that is
// not there is an error, [fs.ErrNotExist]. Owner only reads.
func Owner(path string) (pid int, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return holder(f)
}

// holder asks the kernel who has the lock. From outside the owner's pid namespace
// it says 0 or less for a lock that is held; then the text of the file counts.
func holder(f *os.File) (int, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l); err != nil {
		return 0, err
	}
	switch {
	case l.Type == unix.F_UNLCK:
		return 0, nil
	case l.Pid > 0:
		return int(l.Pid), nil
	}
	return Number(f)
}

// Number reads the number in a pid file, whoever wrote it.
func Number(r io.Reader) (int, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("no process number in %q", text)
	}
	return pid, nil
}
