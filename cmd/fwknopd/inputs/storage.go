package inputs

import (
	"cmp"
	"errors"
	"io"
	"os"
	"runtime/debug"

	"fwknopd/cmd/fwknopd/sources"
)

// DefaultMemory is how many bytes the sources of all files together may take before some go to
// temporary files.
const DefaultMemory = 64 << 20

// Reading produces little garbage but starts with a small heap, which would be collected often as it
// grows. Collections are rarer until the heap reaches memoryGoal, or a half more than what sources may
// take.
const (
	gcPercent  = 400
	memoryGoal = 48 << 20
)

// SetCollection sets the collector of garbage for a process whose sources take so many bytes; 0 is
// DefaultMemory.
func SetCollection(memory int) {
	debug.SetGCPercent(gcPercent)
	limit := int64(cmp.Or(memory, DefaultMemory))
	debug.SetMemoryLimit(max(memoryGoal, limit+limit/2))
}

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
