package replay

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// OpenFile is Open of a journal that somebody else opened, for reading and
// appending, and made with Open before. It locks the file and reads it, but never
// replaces it: [Journal.Due] says when that would be worth while. old, if not nil,
// is what lies beside it as md5sums.
//
// It takes over file.
func OpenFile(file *os.File, old io.Reader, opts Options) (*Journal, error) {
	j := &Journal{set: set{opts: opts}, path: file.Name(), file: file, handed: true}
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%s: %w", file.Name(), ErrLocked)
	}
	if err == nil {
		err = j.readHanded(old)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

func (j *Journal) readHanded(old io.Reader) error {
	l := newLoader(&j.set)
	if err := l.load(j.file); err != nil {
		return err
	}
	j.size = l.offset
	if err := j.mend(l); err != nil {
		return err
	}
	if old != nil {
		if err := newLoader(&j.set).load(old); err != nil {
			return err
		}
	}
	j.floor = j.table.n
	return nil
}

// Due reports that a good part of the records may be past the age limit. After
// Close, another Open drops them.
func (j *Journal) Due() bool { return j.due() }
