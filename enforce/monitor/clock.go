package monitor

import "time"

// A Clock is where the monitor takes time from. Grants are timed by Elapsed, which
// nobody can set; Now is for what others say in wall-clock time.
type Clock struct {
	Now     func() time.Time
	Elapsed func() time.Duration // since some fixed moment, also while the system sleeps
	Steps   <-chan struct{}      // says that Now was set; may be nil
}
