package monitor

import (
	"errors"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock_gettime: " + err.Error()) // cannot fail on any Linux since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// watchSteps returns a channel that signals when the clock is set. The timer never
// expires, but is cancelled then (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). The
// channel is closed with the file.
func watchSteps() (<-chan struct{}, *os.File, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("timerfd_create", err)
	}
	never := &unix.ItimerSpec{Value: unix.NsecToTimespec(math.MaxInt64)}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, never, nil); err != nil {
		unix.Close(fd)
		return nil, nil, os.NewSyscallError("timerfd_settime", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	steps := make(chan struct{}, 1)
	go func() {
		defer close(steps)
		for buf := make([]byte, 8); ; {
			if _, err := f.Read(buf); err != nil && !errors.Is(err, unix.ECANCELED) {
				return
			}
			signal(steps)
		}
	}()
	return steps, f, nil
}
