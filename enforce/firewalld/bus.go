package firewalld

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"fwknopd/enforce"
)

// Names of firewalld on the bus.
const (
	busName     = "org.fedoraproject.FirewallD1"
	objectPath  = dbus.ObjectPath("/org/fedoraproject/FirewallD1")
	configPath  = dbus.ObjectPath("/org/fedoraproject/FirewallD1/config")
	mainAPI     = busName + "."
	zoneAPI     = busName + ".zone."
	ipsetAPI    = busName + ".ipset."
	configAPI   = busName + ".config."
	configZone  = busName + ".config.zone."
	ourFailure  = busName + ".Exception"
	notAllowed  = busName + ".NotAuthorizedException"
	busFailures = "org.freedesktop.DBus.Error."
)

const (
	defaultAddress = "unix:path=/run/dbus/system_bus_socket"
	addressVar     = "DBUS_SYSTEM_BUS_ADDRESS"
	// suspectTimeout is that of a call after one that was not answered in time, until the next
	// answer: what waits for the firewall waits no longer than it must.
	suspectTimeout = time.Second
)

// A bus is the connection to the system bus, made when it is needed and again when it was
// lost. Each call has a deadline. Its methods may be called from several goroutines.
type bus struct {
	address string
	timeout time.Duration
	suspect atomic.Bool // the last call was not answered
	echoes

	life   sync.Mutex // guards what follows
	conn   *dbus.Conn
	end    context.CancelFunc // of conn
	closed bool
}

func newBus(address string, timeout time.Duration) *bus {
	if address == "" {
		address = os.Getenv(addressVar)
	}
	if address == "" {
		address = defaultAddress
	}
	return &bus{address: address, timeout: timeout}
}

// Running reports whether firewalld is on the bus at an address, which is as in [Config]. That
// there is no bus is no error; one that does not answer or refuses us is.
func Running(ctx context.Context, address string, timeout time.Duration) (bool, error) {
	b := newBus(address, timeout)
	defer b.close()
	running, err := b.isOwned(ctx)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return false, nil
	}
	return running, err
}

func (b *bus) isOwned(ctx context.Context) (owned bool, err error) {
	conn, err := b.connect(ctx)
	if err != nil {
		return false, err
	}
	err = b.do(ctx, conn.BusObject(), &owned, "org.freedesktop.DBus.NameHasOwner", busName)
	return owned, err
}

// limit bounds a call.
func (b *bus) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := b.timeout
	if b.suspect.Load() {
		timeout = min(timeout, suspectTimeout)
	}
	return context.WithTimeout(ctx, timeout)
}

// connect returns the connection.
func (b *bus) connect(ctx context.Context) (*dbus.Conn, error) {
	b.life.Lock()
	defer b.life.Unlock()
	if b.closed {
		return nil, net.ErrClosed
	}
	if b.conn != nil && b.conn.Connected() {
		return b.conn, nil
	}
	life, end := context.WithCancel(context.Background())
	conn, err := b.dial(ctx, life)
	if err != nil {
		end()
		if !errors.Is(err, errSilent) && !errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w: %w", errLost, err)
		}
		return nil, fmt.Errorf("connect to the bus at %s: %w", b.address, err)
	}
	if b.end != nil {
		b.end() // of the one that was lost
	}
	b.conn, b.end = conn, end
	return conn, nil
}

// dial makes a connection, which ends with life. It gives up at its deadline, in whatever step
// it is.
func (b *bus) dial(ctx, life context.Context) (*dbus.Conn, error) {
	limited, cancel := b.limit(ctx)
	defer cancel()
	type result struct {
		conn *dbus.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := dbus.Connect(b.address, dbus.WithContext(life), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		b.suspect.Store(false)
		return r.conn, r.err
	case <-limited.Done():
		b.suspect.Store(ctx.Err() == nil)
		return nil, fmt.Errorf("%w: %w", errSilent, limited.Err())
	}
}

// call calls a method of firewalld and stores its answer, if out is not nil. It does not start
// a firewalld that was stopped.
func (b *bus) call(ctx context.Context, path dbus.ObjectPath, out any, method string, args ...any) error {
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	return b.do(ctx, conn.Object(busName, path), out, method, args...)
}

func (b *bus) do(ctx context.Context, o dbus.BusObject, out any, method string, args ...any) error {
	limited, cancel := b.limit(ctx)
	defer cancel()
	done := make(chan *dbus.Call, 1)
	go func() { done <- o.CallWithContext(limited, method, dbus.FlagNoAutoStart, args...) }() // writing may block
	var c *dbus.Call
	select {
	case c = <-done:
	case <-limited.Done():
		c = &dbus.Call{Err: limited.Err()}
	}
	if err := b.judge(ctx, c.Err); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	return c.Store(out)
}

// goneNames are errors of the bus that say that there is no firewalld.
var goneNames = []string{busFailures + "ServiceUnknown", busFailures + "NameHasNoOwner", busFailures + "NoReply", busFailures + "Disconnected"}

// lockedDown begins the answer of a firewalld whose lockdown refuses us a call; those until 2.3
// have none for rich rules.
const lockedDown = "ACCESS_DENIED"

// judge says what the error of a call means.
func (b *bus) judge(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		b.suspect.Store(true)
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	b.suspect.Store(false)
	var e dbus.Error
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case !errors.As(err, &e): // of the connection
		return fmt.Errorf("%w: %w", errLost, err)
	}
	switch {
	case slices.Contains(goneNames, e.Name):
		return errGone
	case e.Name == busFailures+"AccessDenied", e.Name == notAllowed, strings.HasPrefix(e.Error(), lockedDown):
		return fmt.Errorf("%w: %s", errDenied, e.Error())
	}
	return answerError{e.Error()}
}

// An answerError is what firewalld answers to a call that it refuses.
type answerError struct{ text string }

// Error implements error.
func (e answerError) Error() string { return "firewalld: " + e.text }

// isAnswer reports whether err is an answer of firewalld.
func isAnswer(err error) bool {
	var answer answerError
	return errors.As(err, &answer)
}

// isLost reports whether further calls would fail as this one did.
func isLost(err error) bool {
	return errors.Is(err, enforce.ErrNoAnswer) || errors.Is(err, errDenied) || errors.Is(err, context.Canceled)
}

func (b *bus) close() error {
	b.life.Lock()
	defer b.life.Unlock()
	b.closed = true
	if b.conn == nil {
		return nil
	}
	defer b.end()
	return b.conn.Close()
}
