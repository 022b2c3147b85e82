package iptables

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	goipt "github.com/coreos/go-iptables/iptables"

	"fwknopd/enforce/command"
)

// newLibrary returns go-iptables for the program of t, which it asks what it can do.
func newLibrary(ctx context.Context, t *tool) (*goipt.IPTables, error) {
	proto := goipt.ProtocolIPv4
	if t.v6 {
		proto = goipt.ProtocolIPv6
	}
	return limited(ctx, t, func() (*goipt.IPTables, error) {
		return goipt.New(goipt.IPFamily(proto), goipt.Timeout(t.waitSeconds()), goipt.Path(t.path))
	})
}

// change calls f, see limited.
func (t *tool) change(ctx context.Context, f func() error) error {
	_, err := limited(ctx, t, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// limited calls f, which runs the program by go-iptables: that has no limit in time. When
// ctx ends or the time is up, what f started is killed. A program that failed is a
// [command.FailedError].
func limited[T any](ctx context.Context, t *tool, f func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.alarm, fmt.Errorf("%w (%v)", command.ErrTimeout, t.alarm))
	defer cancel()
	// What f starts is a child of this thread, in the network namespace of the caller.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	kill := killNewChildren()
	defer command.OnKillAll(kill)()
	returned, killed := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		repeat(kill, returned)
	})
	value, err := f()
	close(returned)
	if !stop() {
		<-killed // the thread starts nothing else before
		if err != nil {
			return value, fmt.Errorf("%s: killed: %w", t.path, context.Cause(ctx))
		}
	}
	var failed *goipt.Error
	if errors.As(err, &failed) {
		err = &command.FailedError{Program: t.path, Status: failed.ExitStatus(), Message: strings.Join(strings.Fields(failed.Error()), " ")}
	}
	return value, err
}

// killInterval is how often what f starts is killed until f returns: at the first time it
// may not have started it yet.
const killInterval = 50 * time.Millisecond

// repeat calls kill until done is closed.
func repeat(kill func(), done <-chan struct{}) {
	tick := time.NewTicker(killInterval)
	defer tick.Stop()
	for {
		kill()
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}
