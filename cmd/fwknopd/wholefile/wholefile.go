// Package wholefile writes files as a whole or not at all.
package wholefile

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Replace writes a file for its owner only (mode 0600), as a whole or not at all: one that holds
// keys. Where path is a symbolic link, its target is replaced.
func Replace(path string, text []byte) error { return replace(path, text, 0o600, nil) }

// Update writes a file as [Replace] does, but leaves one that is there its owner, its group and of
// its mode what most has.
func Update(path string, text []byte, most os.FileMode) error {
	was, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return Replace(path, text)
	}
	if err != nil {
		return err
	}
	return replace(path, text, 0o600, func(f *os.File) error {
		return cmp.Or(giveTo(f, was), f.Chmod(was.Mode().Perm()&most))
	})
}

// Publish writes a file for all whom the umask lets read it, as [Replace] does. What is no regular
// file, as /dev/null, is written to.
func Publish(path string, text []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	}
	return replace(path, text, 0o666, nil)
}

// replace calls prepare, if it is not nil, before the file is put in place.
func replace(path string, text []byte, mode os.FileMode, prepare func(*os.File) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f, err := create(filepath.Dir(path), mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if prepare != nil {
		err = errors.Join(err, prepare(f))
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// create creates a file of a new name. Unlike [os.CreateTemp] it has the mode, less the umask.
func create(dir string, mode os.FileMode) (*os.File, error) {
	for {
		name := filepath.Join(dir, fmt.Sprintf(".fwknop-%08x", rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}
