package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Errors of [Output] beside [FailedError], wrapped with the program.
var (
	ErrTimeout = errors.New("killed, it had not ended in time")
	ErrTooMuch = errors.New("it printed too much")
)

// A FailedError is a program that ended with another status than 0.
type FailedError struct {
	Program string
	Status  int    // -1 if a signal ended it
	Message string // beginning of its standard error
}

// Error implements error.
func (e *FailedError) Error() string {
	text := fmt.Sprintf("%s: exit status %d", e.Program, e.Status)
	if e.Status < 0 {
		text = e.Program + ": ended by a signal"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Output runs c and returns its standard output, as it is. That it could not be started,
// failed, was killed after its timeout or when ctx ended, or printed more than
// c.MaxOutput is an error that names the program; what it had printed is returned too.
func Output(ctx context.Context, c Command) (string, error) { return Begin(ctx, c)() }

// Begin starts c and returns what waits for its end, with the results of [Output]. That has to
// be called. Several programs that one thread begins run side by side, in its network namespace.
func Begin(ctx context.Context, c Command) (output func() (string, error)) {
	stdout, stderr := newPrefixBuffer(c.MaxOutput), newPrefixBuffer(0)
	wait, err := start(ctx, c, stdout, stderr)
	return func() (string, error) {
		var result Result
		if err == nil {
			result = wait()
		}
		return stdout.String(), c.check(ctx, result, err, stdout, stderr)
	}
}

func (c *Command) check(ctx context.Context, result Result, err error, stdout, stderr *prefixBuffer) error {
	if errors.Is(err, ErrEmpty) {
		return err
	}
	name := filepath.Base(c.Argv[0])
	switch {
	case err != nil:
		return fmt.Errorf("run %s: %w", c.Argv[0], err)
	case result.TimedOut && ctx.Err() != nil:
		return fmt.Errorf("%s: killed: %w", name, ctx.Err())
	case result.TimedOut:
		return fmt.Errorf("%s: %w (%v)", strings.Join(c.Argv, " "), ErrTimeout, c.timeout())
	case result.Status != 0:
		return &FailedError{name, result.Status, strings.Join(strings.Fields(strings.ToValidUTF8(stderr.String(), "\uFFFD")), " ")}
	case stdout.cut:
		return fmt.Errorf("%s: %w (%d bytes)", name, ErrTooMuch, stdout.max)
	}
	return nil
}
