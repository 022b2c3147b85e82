package replay

import (
	"encoding/hex"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile returns a file whose name is removed: golang.org/x/sys has no memfd_create
// for FreeBSD.
func memoryFile() (file, error) {
	f, err := os.CreateTemp("", "fwknopd-digests-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return appendFile{diskFile{f}}, nil
}

// An appendFile writes at the end, which [os.CreateTemp] does not ask for.
type appendFile struct{ diskFile }

// Write implements io.Writer.
func (f appendFile) Write(p []byte) (int, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, st.Size())
}

// fdatasync is fsync(2): golang.org/x/sys does not have the other one for FreeBSD.
func fdatasync(fd int) error { return unix.Fsync(fd) }

// bootID returns a text that differs after each boot of the machine, "" if it is unknown.
func bootID() string {
	id, err := unix.SysctlRaw("kern.boot_id")
	if err != nil {
		return ""
	}
	return hex.EncodeToString(id)
}
