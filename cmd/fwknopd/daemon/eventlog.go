package daemon

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// An eventLog is a file of JSON objects, one per line: decisions in the format of
// replay, and monitor events.
type eventLog struct {
	mu     sync.Mutex
	path   string
	file   *os.File // nil: none
	failed bool     // the last write failed
	logf   func(sev severity, format string, args ...any)
}

// open opens path for appending, again if it is open: the file may have been renamed.
// An empty path closes the log.
func (e *eventLog) open(path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file != nil {
		e.file.Close()
		e.file = nil
	}
	e.path, e.failed = path, false
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		e.logf(warning, "no event log: %v", err)
		return
	}
	e.file = f
}

// write appends one object.
func (e *eventLog) write(object []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return
	}
	line := make([]byte, 0, len(object)+1)
	_, err := e.file.Write(append(append(line, object...), '\n'))
	if err != nil && !e.failed {
		e.logf(warning, "event log: %v", err)
	}
	e.failed = err != nil
}
