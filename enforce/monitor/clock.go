package monitor

import "time"

// A Clock is the monitor's source of time. Grants are timed by Elapsed, which cannot be
// set; Now is for times that come from outside, which are wall-clock times.
type Clock struct {
	Now     func() time.Time
	Elapsed func() time.Duration // since some fixed moment, also while the system sleeps
	Steps   <-chan struct{}      // signals that Now was set; may be nil
}

// systemClock is CLOCK_REALTIME and the clock that runs since boot, without Steps.
func systemClock() *Clock {
	return &Clock{Now: time.Now, Elapsed: elapsed}
}

// signal sends without blocking. ch has a buffer of one: a signal that is still unread
// is enough.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// stepTolerance is how far Now may drift from Elapsed, as an NTP client makes it,
// before it counts as set.
const stepTolerance = time.Second

// A clockReading is the time on both clocks at one moment.
type clockReading struct {
	wall    time.Time
	elapsed time.Duration
}

func (c *Clock) read() clockReading {
	return clockReading{c.Now().Round(0), c.Elapsed()}
}

// monotonic returns elapsed as a [time.Time], for rate limiters.
func (now clockReading) monotonic() time.Time { return time.Unix(0, 0).Add(now.elapsed) }

// stepSince returns by how much the wall clock was set since then, 0 if it was not.
func (now clockReading) stepSince(then clockReading) time.Duration {
	step := now.wall.Sub(then.wall) - (now.elapsed - then.elapsed)
	if step.Abs() < stepTolerance {
		return 0
	}
	return step
}

// maxLife keeps the arithmetic on ends far from overflow.
const maxLife = 100 * 365 * 24 * time.Hour

// deadline returns the elapsed time at which an end in wall-clock time is reached.
func (now clockReading) deadline(end time.Time) time.Duration {
	return now.elapsed + min(max(end.Sub(now.wall), -maxLife), maxLife)
}
