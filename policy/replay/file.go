package replay

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A file is what a journal is written to.
type file interface {
	io.Writer // appends
	io.ReaderAt
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
	Datasync() error
	// Duplicate returns a descriptor of the same file for reading by offset.
	Duplicate() (*os.File, error)
	Close() error
}

// A diskFile is a file of the kernel.
type diskFile struct{ *os.File }

// Datasync implements file.
func (f diskFile) Datasync() error {
	for {
		err := fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// Duplicate implements file.
func (f diskFile) Duplicate() (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Close implements file. The lock ends although a duplicate may stay open.
func (f diskFile) Close() error {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	return f.File.Close()
}

// openLocked opens the file at path and locks it. A compaction of another process
// may replace the file between the two; then the new one is tried.
func openLocked(path string) (file, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, err
		}
		same, err := lock(f, path)
		if err == nil && same {
			return diskFile{f}, nil
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
	}
}

// lock locks f and reports whether path still names it.
func lock(f *os.File, path string) (bool, error) {
	if _, err := checkFile(f); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	if err != nil {
		return false, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	return names(path, f)
}

// names reports whether path names the file f.
func names(path string, f interface{ Stat() (fs.FileInfo, error) }) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

// checkFile returns the size of a regular file that no other user can have written: it
// belongs to root or to the user of this process, and only they may write to it.
func checkFile(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return 0, errors.New("not a regular file")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return 0, fmt.Errorf("belongs to user %d", st.Uid)
	case st.Mode&0o022 != 0:
		return 0, fmt.Errorf("others may write to it (mode %04o)", st.Mode&0o7777)
	}
	return st.Size, nil
}
