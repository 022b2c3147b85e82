package daemon

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// maxStderr is how much of a worker's standard error is kept.
const maxStderr = 8 << 10

// A headBuffer keeps the first maxStderr bytes that are written to it.
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

// A workerExit is why a worker process ended.
type workerExit struct {
	status error  // of the process; nil: exit code 0
	reason string // first line of standard error
	rest   string // the other lines
}

// newWorkerExit returns the error for a worker's exit status and standard error.
func newWorkerExit(status error, stderr string) error {
	var exit *exec.ExitError
	if errors.As(status, &exit) {
		switch exit.ExitCode() {
		case privsep.ExitFinished:
			return privsep.ErrFinished
		case privsep.ExitRestart:
			return privsep.ErrRestart
		}
	}
	e := &workerExit{status: status}
	e.reason, e.rest, _ = strings.Cut(stderr, "\n")
	return e
}

// newEmbeddedExit returns the error for the end of a worker that is a goroutine of this
// process.
func newEmbeddedExit(err error) error {
	if err == nil {
		return &workerExit{}
	}
	return err
}

// Error returns one line: the reason, after the exit status unless that is the one of
// an ordinary error.
func (e *workerExit) Error() string {
	var exit *exec.ExitError
	ordinary := errors.As(e.status, &exit) && exit.ExitCode() == privsep.ExitError
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

// workerEnded decides what follows from the end of a worker. It returns an error to end
// the daemon: if no worker has been ready, or if the worker reports that it has finished and
// the configuration has it finish. Any other end, of whatever status, is followed by
// another worker.
func (d *daemon) workerEnded(err error) error {
	d.setWaiting(nil)
	d.health.ended(err)
	if errors.Is(err, privsep.ErrRestart) {
		d.workerReplaced()
	}
	switch {
	case errors.Is(err, privsep.ErrFinished) && d.canFinish() && d.ready.Load():
		return errDone
	case !d.ready.Load():
		return err // the caller of the daemon waits for the result of the start
	}
	return nil
}

// workerReplaced notes that the configuration in force takes another worker, and logs what state that
// one lacks.
func (d *daemon) workerReplaced() {
	s := d.conf()
	d.reported.noteReplaced(s.workerConfig.Generation)
	if p := forgotten(s.Access); p != nil {
		d.logf(warning, "%s", p.Text)
	}
}

// forgotten returns the warning that another worker has no state of knock sequences; nil if no
// stanza has one.
func forgotten(access *conf.Access) *conf.Problem {
	if !slices.ContainsFunc(access.Stanzas, func(s conf.Stanza) bool { return s.Mode != conf.ModeSPA }) {
		return nil
	}
	return &conf.Problem{Severity: conf.Warning, Text: "the sources are in directories that the worker may not read, so another one begins: " +
		"every knock sequence in progress begins anew, and so do the counts of KNOCK_LIMIT"}
}

// canFinish reports whether a worker with this configuration finishes by itself.
func (d *daemon) canFinish() bool {
	s := d.conf()
	return s.workerConfig.Limit > 0 || privsep.ReadsOnce(s.Loaded)
}

// waitForExpiry waits for what the daemon still has to close after the worker has
// finished. After the end of a capture (--pcap-file) the daemon stays until all grants
// have ended, as 2.6 does. With -C it waits only for commands and for backends whose
// rules do not expire in the kernel (ipfw): the others do, and the next start removes
// what is left.
func (d *daemon) waitForExpiry(ctx context.Context) {
	switch {
	case d.o.Test:
	case d.conf().workerConfig.Limit > 0 && (d.fw == nil || d.fw.KernelExpires()):
		_ = d.mon.WaitExternal(ctx)
	default:
		_ = d.mon.Wait(ctx)
	}
}

// saveStderr appends the lines of a worker's standard error that did not fit into the
// log message to fwknopd.die.
func (d *daemon) saveStderr(cause error) {
	var exit *workerExit
	if errors.As(cause, &exit) && exit.rest != "" {
		lines := strings.Split(exit.rest, "\n")
		for i := range lines {
			lines[i] = privsep.Sanitize(lines[i])
		}
		d.logger.mu.Lock()
		defer d.logger.mu.Unlock()
		d.appendErrFile("fwknopd.die", strings.Join(lines, "\n"))
	}
}
