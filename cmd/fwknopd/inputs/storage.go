package inputs

import (
	"errors"
	"io"
	"os"

	"fwknopd/cmd/fwknopd/sources"
)

// DefaultMemory is how many bytes the sources of all files together may take before some go to
// temporary files.
const DefaultMemory = 64 << 20

// Storage returns the storage of one of several counters that share so many bytes; 0 is
// DefaultMemory.
func Storage(memory, counters int) sources.Storage {
	if memory == 0 {
		memory = DefaultMemory
	}
	return sources.Storage{Create: tempFile, Memory: memory / counters}
}

// tempFile makes a file without a name, which is gone when it is closed, in the folder for
// temporary files.
func tempFile() (sources.File, error) {
	f, err := os.CreateTemp("", "fwknopd-sources-")
	if err != nil {
		return nil, explained(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, explained(err)
	}
	return temp{f}, nil
}

// A temp is a temporary file whose errors say what it is for.
type temp struct{ f *os.File }

func (t temp) Write(b []byte) (int, error) {
	n, err := t.f.Write(b)
	return n, explained(err)
}

func (t temp) ReadAt(b []byte, at int64) (int, error) {
	n, err := t.f.ReadAt(b, at)
	return n, explained(err)
}

func (t temp) Close() error { return t.f.Close() }

func explained(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return tempError{err}
}

// A tempError is that of a temporary file.
type tempError struct{ err error }

func (e tempError) Error() string {
	return "sources that do not fit into --memory: " + e.err.Error() + " (TMPDIR names the folder)"
}

func (e tempError) Unwrap() error { return e.err }
