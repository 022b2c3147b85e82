// Package state reads and writes the files in the state directory (FWKNOP_LIB_DIR) that the
// daemon alone writes, and that a replay may begin with.
package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fwknopd/enforce/journal"
	"fwknopd/ingest/safepath"
)

// Digests in the state directory records how the journal of digests was left.
const Digests = "digest.state"

// maxSize bounds a file that is read.
const maxSize = 16 << 20

// Read reads a file that the daemon made. Others may be able to write to its folder: what
// they put in its place is an error.
func Read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := safepath.CheckOwn(f); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxSize))
}

// Replace writes a file of the daemon's own anew, and returns when that is on disk. After
// an error the file is as it was.
func Replace(path string, text []byte) error {
	next := path + ".new"
	// Not os.Remove, which removes folders too: what the daemon left is a file.
	if err := unix.Unlink(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "unlink", Path: next, Err: err}
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		os.Remove(next)
		return err
	}
	return journal.SyncDir(filepath.Dir(path))
}
