// Package pidfile keeps a daemon from starting twice and lets other processes find it.
// A pid file is valid only while its owner holds the lock on it, as with the 2.6
// daemon; the number in an unlocked file is ignored.
//
// Entry points: [Create] for the daemon, [Owner] for other processes.
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

	"fwknopd/ingest/safepath"
)

// maxSize bounds how much of a pid file is read.
const maxSize = 32

// A RunningError means that another process has the pid file.
type RunningError struct {
	Path string
	PID  int // 0 if the owner is unknown
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("an instance of fwknopd is already running (pid=%d, pid file %s)", e.PID, e.Path)
}

// A File is a pid file that this process owns. The lock is a POSIX lock of the process:
// closing any other descriptor of the file in this process would release it.
type File struct {
	path string
	f    *os.File
}

// Create creates or takes over the pid file at path, locks it and writes the pid of
// this process. It returns a [*RunningError] if another process has locked it.
func Create(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		owner, _ := lockOwner(f)
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
	if err := safepath.CheckOwn(f); err != nil {
		return err
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

// Remove deletes the file and releases the lock.
func (p *File) Remove() error {
	return errors.Join(os.Remove(p.path), p.f.Close())
}

// Owner returns the pid of the process that has locked the pid file at path, 0 if none
// has. The error is [fs.ErrNotExist] if there is no file. Owner changes nothing.
func Owner(path string) (pid int, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return lockOwner(f)
}

// lockOwner returns the pid of the process that has the lock, 0 if there is none. For an
// owner in another pid namespace the kernel reports 0 or less; then the pid is read from
// the file.
func lockOwner(f *os.File) (int, error) {
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
	return readPID(f)
}

// readPID parses the number in a pid file, whether or not the file is locked.
func readPID(r io.Reader) (int, error) {
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
