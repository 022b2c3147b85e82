package iptables

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

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
// ctx ends or the time is up, what f started is killed. A
// program that failed is a [command.FailedError].
func limited[T any](ctx context.Context, t *tool, f func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.alarm, fmt.Errorf("%w (%v)", command.ErrTimeout, t.alarm))
	defer cancel()
	// The children of this thread are those of f; its network namespace is the caller's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := threadID()
	stop := context.AfterFunc(ctx, func() { killChildren(thread) })
	value, err := f()
	if !stop() {
		var none T
		return none, fmt.Errorf("%s: killed: %w", t.path, context.Cause(ctx))
	}
	var failed *goipt.Error
	if errors.As(err, &failed) {
		err = &command.FailedError{Program: t.path, Status: failed.ExitStatus(), Message: strings.Join(strings.Fields(failed.Error()), " ")}
	}
	return value, err
}
