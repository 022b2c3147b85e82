package daemon

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"fwknopd/cmd/fwknopd/config"
)

// exitFinished is the exit code of a worker that has done all there was to do: -C
// packets have come, or an input that is read once has ended. A worker has no other
// way to end well. With any other code the reason is what it wrote to its standard
// error, which also holds what the Go runtime says of a crash.
const exitFinished = 3

// errFinished is the same as an error.
var errFinished = errors.New("the worker has finished")

// maxLastWords is how much of what a dying worker writes is kept.
const maxStderr = 8 << 10

// A head keeps the beginning of what is written to it.
type headBuffer struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (h *headBuffer) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, p[:min(len(p), maxStderr-len(h.text))]...)
	return len(p), nil
}

func (h *headBuffer) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(string(h.text))
}

// A death is why a worker process ended.
type workerExit struct {
	status error  // how the process ended; nil: with exit code 0
	reason string // first line of its last words
	rest   string // the others
}

// endOf makes one error of the exit status of a worker and its last words.
func newWorkerExit(status error, words string) error {
	var exit *exec.ExitError
	if errors.As(status, &exit) && exit.ExitCode() == exitFinished {
		return errFinished
	}
	e := &workerExit{status: status}
	e.reason, e.rest, _ = strings.Cut(words, "\n")
	return e
}

// Error is one line: the reason, behind the exit status where that is not the one of
// an ordinary error.
func (e *workerExit) Error() string {
	var exit *exec.ExitError
	ordinary := errors.As(e.status, &exit) && exit.ExitCode() == exitError
	status := "it ended without a reason"
	if e.status != nil {
		status = e.status.Error()
	}
	switch {
	case e.reason == "":
		return status
	case ordinary:
		return e.reason
	}
	return status + ": " + e.reason
}

// Unwrap returns the exit status.
func (e *workerExit) Unwrap() error { return e.status }

// A startError is that the first worker never got to work: there is no use in trying
// again what somebody is waiting for.
type startError struct{ cause error }

// Error implements error.
func (e *startError) Error() string { return e.cause.Error() }

// Unwrap returns why.
func (e *startError) Unwrap() error { return e.cause }

// workerEnded decides what follows from the end of a worker: the end of the daemon if
// the worker has done what it was there for or never began, otherwise another worker.
func (d *daemon) workerEnded(err error) error {
	d.setWaiting(nil)
	switch {
	case errors.Is(err, errFinished) && d.canFinish():
		return errDone
	case !d.ready.Load():
		return &startError{err}
	}
	return nil
}

// canFinish reports a configuration under which a worker comes to an end of its own.
func (d *daemon) canFinish() bool {
	s := d.conf()
	return s.workerConfig.Limit > 0 || readsOnce(s.Loaded)
}

// linger is what remains to be done when the worker has finished. Behind the end of a
// capture (--pcap-file) the daemon stays, as that of 2.6 does, until all that it opened is
// closed. With -C it ends: rules end in the kernel by themselves, and the next start
// removes what is left of them; only commands, and rules of ipfw, have to be ended at their
// time.
func (d *daemon) waitForExpiry(ctx context.Context) {
	switch {
	case d.o.Test:
	case d.conf().workerConfig.Limit > 0 && (d.fw == nil || d.fw.EndsByItself()):
		_ = d.mon.WaitExternal(ctx)
	default:
		_ = d.mon.Wait(ctx)
	}
}

// readsOnce reports that some input is read to its end.
func readsOnce(l *config.Loaded) bool {
	return slices.ContainsFunc(sourceSpecs(l), func(f sourceSpec) bool { return f.Once })
}

// workerDied says so.
func (d *daemon) workerDied(cause error) {
	d.alertf(warning, "the worker died: %v", cause)
	d.saveStderr(cause)
}

// keepWords puts what of a worker's last words does not fit into a line where the last
// words of daemons go.
func (d *daemon) saveStderr(cause error) {
	var exit *workerExit
	if errors.As(cause, &exit) && exit.rest != "" {
		d.logger.mu.Lock()
		defer d.logger.mu.Unlock()
		d.appendErrFile("fwknopd.die", sanitizeLines(exit.rest))
	}
}
