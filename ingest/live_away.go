package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNoInterface is that there is no interface of a name.
var errNoInterface = errors.New("no such interface")

// A Link is the state of an interface, see [WatchLinks].
type Link struct {
	Index             int
	Name              string
	Gone, Up, Running bool
}

// Reasons of LiveOptions.Away.
var (
	reasonMissing = errNoInterface.Error() + ", waiting for it"
	reasonDown    = "interface is down, waiting for it"
)

// handleError deals with an error of the socket: an interface that is down is waited
// for, one that was removed as well, until there is another of its name.
func (l *Live) handleError(ctx context.Context, cause error) error {
	var errno syscall.Errno
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case l.isClosed():
		return os.ErrClosed
	case errors.Is(cause, os.ErrDeadlineExceeded): // the interface has another index
	case errors.As(cause, &errno) && (errno == unix.ENETDOWN || errno == unix.ENODEV || errno == unix.ENXIO):
		l.setReason(l.downReason())
	case errors.As(cause, &errno) && errno == unix.ENOBUFS:
		return nil
	default:
		return fmt.Errorf("%s: %w", l.name, cause)
	}
	return l.waitForInterface(ctx)
}

// waitForInterface returns when the interface is there and its socket is open.
func (l *Live) waitForInterface(ctx context.Context) error {
	for {
		another, err := l.links.wait(ctx)
		if err != nil {
			return err
		}
		if !another { // up again, or about to be; the socket still belongs to it
			l.setReason("")
			return nil
		}
		l.closeSocket()
		err = l.open()
		switch {
		case err == nil:
			l.setReason("")
			return nil
		case l.isClosed():
			return os.ErrClosed
		case errors.Is(err, os.ErrPermission):
			return fmt.Errorf("%s: open: %w", l.name, err)
		}
		l.links.reset()
	}
}

// setReason reports why nothing is captured, or that capture goes on, if that changed.
func (l *Live) setReason(reason string) {
	if reason == l.reason {
		return
	}
	l.reason = reason
	switch {
	case l.opt.Away != nil:
		l.opt.Away(reason)
	case reason == "":
		l.reportProblem(errors.New("interface is back"))
	default:
		l.reportProblem(errors.New(reason))
	}
}

// downReason returns why the socket of the interface does not work.
func (l *Live) downReason() string {
	if l.links.missing() {
		return reasonMissing
	}
	return reasonDown
}

func (l *Live) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// closeSocket closes the socket of an interface that is gone.
func (l *Live) closeSocket() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeLost()
	if l.conn != nil {
		l.conn.Close()
	}
}
