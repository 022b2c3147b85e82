// Package wholefile writes files that hold keys.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes a file for its owner only (mode 0600), as a whole or not at all. Where path
// is a symbolic link, its target is replaced.
func Replace(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fwknop-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
