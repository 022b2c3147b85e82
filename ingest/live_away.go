package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoInterface is that there is no interface of a name.
var ErrNoInterface = errors.New("no such interface")

// Reasons of LiveOptions.Away.
var (
	waitsFor = ErrNoInterface.Error() + ", waiting for it"
	isDown   = "interface is down, waiting for it"
)

// away tells why nothing is captured, or that it is again, if that is news.
func (l *Live) away(reason string) {
	if reason == l.reason {
		return
	}
	l.reason = reason
	switch {
	case l.opt.Away != nil:
		l.opt.Away(reason)
	case reason == "":
		l.report(errors.New("interface is back"))
	default:
		l.report(errors.New(reason))
	}
}

// whyDown says why the socket of the interface does not work.
func (l *Live) whyDown() string {
	if missing(l.name) {
		return waitsFor
	}
	return isDown
}

// recover deals with an error of the socket: an interface that is down is waited
// for, one that was removed as well, until there is another of its name.
func (l *Live) recover(ctx context.Context, cause error) error {
	var errno syscall.Errno
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case l.isClosed():
		return os.ErrClosed
	case errors.Is(cause, os.ErrDeadlineExceeded): // the interface has another index
	case errors.As(cause, &errno) && (errno == unix.ENETDOWN || errno == unix.ENODEV || errno == unix.ENXIO):
		l.away(l.whyDown())
	case errors.As(cause, &errno) && errno == unix.ENOBUFS:
		return nil
	default:
		return fmt.Errorf("%s: %w", l.name, cause)
	}
	return l.await(ctx)
}

// await returns when the interface is there and its socket is open.
func (l *Live) await(ctx context.Context) error {
	for {
		another, err := l.links.wait(ctx)
		if err != nil {
			return err
		}
		if !another { // up again, or about to be; the socket still belongs to it
			l.away("")
			return nil
		}
		l.leave()
		err = l.open()
		switch {
		case err == nil:
			l.away("")
			return nil
		case l.isClosed():
			return os.ErrClosed
		case errors.Is(err, os.ErrPermission):
			return fmt.Errorf("%s: open: %w", l.name, err)
		}
		l.links.forget()
	}
}

func (l *Live) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// leave closes the socket of an interface that is gone.
func (l *Live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeLost()
	if l.conn != nil {
		l.conn.Close()
	}
}
