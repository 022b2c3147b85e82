package monitor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("clock_gettime: " + err.Error()) // cannot fail: the clock always exists
	}
	return time.Duration(ts.Nano())
}

// watchSteps watches nothing: FreeBSD does not tell that the clock was set. It is seen
// the next time the monitor reads it, and no rule of ipfw depends on it.
func watchSteps() (<-chan struct{}, *os.File, error) { return nil, nil, nil }
