package monitor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// elapsed does not count the time while the system sleeps, as no clock of FreeBSD does:
// after it the wall clock appears to have been set, and grants end later by that time.
func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("clock_gettime: " + err.Error()) // cannot fail: the clock always exists
	}
	return time.Duration(ts.Nano())
}

// watchSteps returns nil: FreeBSD has no notification that the clock was set. A step is
// noticed when the monitor next reads the clock, and no rule of ipfw depends on it.
func watchSteps() (<-chan struct{}, *os.File, error) { return nil, nil, nil }
