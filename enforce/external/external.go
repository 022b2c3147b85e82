// Package external opens grants by running configured commands in place of adding
// firewall rules: EXTERNAL_CMD_OPEN and _CLOSE, CMD_CYCLE_OPEN and _CLOSE.
//
// The kernel does not end such a grant. Therefore what has to be closed is written to a
// journal before the opening command runs. [New] reads from it what a crash left open,
// and [Enforcer.List] returns it until [Enforcer.Revoke] has closed it.
package external

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/journal"
)

// A Config is the configuration of an [Enforcer].
type Config struct {
	// Journal is the file of pending closes; its directory must exist. "": none,
	// a crash leaves everything open.
	Journal string
	// Environment is that of the commands; nil: [command.Plain].
	Environment []string
	// Ran, if not nil, is called with the result of each command, on any goroutine.
	Ran func(g enforce.Grant, opening bool, result command.Result, err error)
}

// An Enforcer runs the commands of grants. Calls for grants of different keys may be
// concurrent; the caller must serialize those of one key.
type Enforcer struct {
	cfg Config

	mu      sync.Mutex
	pending map[string]enforce.Grant
	journal *journal.Journal // nil: none
	notes   []string
}

var _ enforce.Enforcer = (*Enforcer)(nil)

// Errors of [Enforcer.Apply] and [Enforcer.Revoke], wrapped with how the command
// ended.
var (
	ErrFailed  = errors.New("command failed")
	errTimeout = errors.New("command took too long and was killed")
	errNone    = errors.New("grant has no command")
)

// commands are the grants of the journal: those with a command to close them.
var commands = journal.Rules{
	Holds: func(g enforce.Grant) bool { return g.External != nil },
	Lasts: func(g enforce.Grant) bool { return len(g.External.Close) > 0 },
	Lost:  "a command to close something may be lost",
}

// New reads the journal. It fails if that cannot be written, belongs to another user or
// is in use.
func New(cfg Config) (*Enforcer, error) {
	e := &Enforcer{cfg: cfg, pending: make(map[string]enforce.Grant)}
	if cfg.Journal == "" {
		return e, nil
	}
	var err error
	e.journal, e.pending, e.notes, err = journal.Open(cfg.Journal, commands)
	return e, err
}

// Notes are what the administrator should read once at start.
func (e *Enforcer) Notes() []string { return slices.Clone(e.notes) }

// Close closes the journal; what is pending stays in it.
func (e *Enforcer) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.journal.Close()
}

// Apply implements [enforce.Enforcer]. If the opening command fails or runs out of
// time, it may have done something, and the grant is to be revoked; if it could
// not be started, the grant is forgotten.
func (e *Enforcer) Apply(ctx context.Context, g enforce.Grant) error {
	if g.External == nil || len(g.External.Open) == 0 {
		return errNone
	}
	g = g.Normal()
	known, err := e.recordOpen(g)
	if known || err != nil {
		return err
	}
	err = e.runCommand(ctx, g, true)
	if err == nil || errors.Is(err, ErrFailed) || errors.Is(err, errTimeout) {
		return err
	}
	return errors.Join(err, e.recordClosed(g))
}

// recordOpen writes to the journal what has to be closed, and reports whether g was
// already open. The later of two ends holds.
func (e *Enforcer) recordOpen(g enforce.Grant) (known bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old, known := e.pending[g.Key()]
	if known && !enforce.Outlives(g.Expires, old.Expires) {
		return true, nil
	}
	if len(g.External.Close) > 0 {
		if err := e.journal.Add(e.pending, journal.Record{Open: &g}); err != nil {
			return known, err
		}
	}
	e.pending[g.Key()] = g
	return known, nil
}

func (e *Enforcer) recordClosed(g enforce.Grant) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, g.Key())
	if len(g.External.Close) == 0 {
		return nil
	}
	return e.journal.Add(e.pending, journal.Record{Closed: g.Key()})
}

// Revoke implements [enforce.Enforcer]. A grant whose closing command fails stays
// pending.
func (e *Enforcer) Revoke(ctx context.Context, g enforce.Grant) error {
	e.mu.Lock()
	g, known := e.pending[g.Key()]
	e.mu.Unlock()
	if !known {
		return nil
	}
	if len(g.External.Close) > 0 {
		if err := e.runCommand(ctx, g, false); err != nil {
			return err
		}
	}
	return e.recordClosed(g)
}

// List implements [enforce.Enforcer]: what is not closed yet, sorted by key. It is read
// from memory, because the kernel does not know of it.
func (e *Enforcer) List(context.Context) ([]enforce.Grant, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gs := make([]enforce.Grant, 0, len(e.pending))
	for _, g := range e.pending {
		gs = append(gs, g)
	}
	enforce.SortGrants(gs)
	return gs, nil
}

// environment returns the environment of a command with variables of its own.
func (e *Enforcer) environment(more []string) []string {
	env := e.cfg.Environment
	if env == nil {
		env = command.Plain
	}
	return slices.Concat(env, more)
}

func (e *Enforcer) runCommand(ctx context.Context, g enforce.Grant, opening bool) error {
	argv := g.External.Close
	if opening {
		argv = g.External.Open
	}
	result, err := command.Run(ctx, command.Command{Argv: argv, Environment: e.environment(g.External.Env), Timeout: g.External.Timeout})
	if e.cfg.Ran != nil {
		e.cfg.Ran(g, opening, result, err)
	}
	switch {
	case err != nil:
		return err
	case result.TimedOut:
		return fmt.Errorf("%s: %w", argv[0], errTimeout)
	case result.Status != 0:
		return fmt.Errorf("%s: %w with status %d: %.200s", argv[0], ErrFailed, result.Status, strings.TrimSpace(result.Output))
	}
	return nil
}
