package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Backend is one kind of firewall. Its methods may be called from several goroutines.
//
// Backends store and report grants in their smallest parts, see [Grant.Split]: the state
// of one port does not depend on the ports it was requested with.
type Backend interface {
	// Change revokes grants, then opens others, each list in as few transactions as the
	// firewall allows. Opening the same key again moves Expires and adds no rule; that a
	// grant to revoke is not open is success. The results hold one error per grant, in
	// order; nil when all succeeded.
	Change(ctx context.Context, open, revoke []Grant) (opened, revoked []error)
	// List returns the open grants, from the kernel where it has them, not from memory.
	List(ctx context.Context) ([]Grant, error)
	// Setup makes chains, sets and the jumps to them where they are missing. It
	// changes nothing else and may be repeated at any time.
	Setup(ctx context.Context) error
	// Compare does Setup, then compares what is open with what should be. Grants that
	// have ended are not missing.
	Compare(ctx context.Context, want []Grant) (Difference, error)
	// Flush closes everything; chains and jumps stay.
	Flush(ctx context.Context) error
	// Teardown removes everything that Setup made, and with it every grant.
	Teardown(ctx context.Context) error
	// Watch signals that another program changed the firewall, until ctx ends. A nil
	// channel means that this kernel or variant sends no notifications.
	Watch(ctx context.Context) (<-chan struct{}, error)
	// Notes are what the administrator should read once at start.
	Notes() []string
	Close() error
}

// Open opens grants and returns the first error.
func Open(ctx context.Context, b Backend, gs ...Grant) error {
	opened, _ := b.Change(ctx, gs, nil)
	return FirstError(opened)
}

// Revoke revokes grants and returns the first error.
func Revoke(ctx context.Context, b Backend, gs ...Grant) error {
	_, revoked := b.Change(ctx, nil, gs)
	return FirstError(revoked)
}

// Difference is what [Backend.Compare] found.
type Difference struct {
	Missing []Grant // are wanted and not open, or incomplete
	Found   []Grant // are open in our chains and not wanted
}

// NewDifference compares want with what is open, each with its key. isOpen reports whether
// the kernel has a grant of one port whole and until its end; it is not called for those
// that have ended.
func NewDifference(want []Grant, open map[string]Grant, now time.Time, isOpen func(key string, part Grant) bool) (diff Difference) {
	wanted := make(map[string]bool)
	for _, g := range want {
		for _, part := range g.Split() {
			key := part.Key()
			wanted[key] = true
			if Outlives(part.Expires, now) && !isOpen(key, part) {
				diff.Missing = append(diff.Missing, part)
			}
		}
	}
	for key, g := range open {
		if !wanted[key] {
			diff.Found = append(diff.Found, g)
		}
	}
	SortGrants(diff.Found)
	return diff
}

// ByKey returns grants by their keys.
func ByKey(gs []Grant) map[string]Grant {
	m := make(map[string]Grant, len(gs))
	for _, g := range gs {
		m[g.Key()] = g
	}
	return m
}

// ErrEnded is the refusal of a grant whose end has passed.
var ErrEnded = errors.New("grant has already ended")

// ErrUnconfirmed comes with grants that the daemon has opened and that the firewall did
// not confirm in time.
var ErrUnconfirmed = errors.New("the firewall does not answer: this is what the daemon has opened in it")

// ErrNoAnswer is wrapped by errors of a firewall that is asked over a bus and is not there or
// does not answer.
var ErrNoAnswer = errors.New("the firewall does not answer")

// ErrTooManyFlows is why a [Rejecter] does not reject some of the connections.
var ErrTooManyFlows = errors.New("as many ended connections as there may be are rejected already")

// Notes are messages that the administrator should read once.
type Notes []string

// Add appends a note unless it is there.
func (n *Notes) Add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(*n, text) {
		*n = append(*n, text)
	}
}

// Errors is a result of [Backend.Change]: one error per grant, nil when all
// succeeded.
type Errors []error

// Set notes the outcome of grant i of n.
func (e *Errors) Set(i, n int, err error) {
	if err == nil {
		return
	}
	if *e == nil {
		*e = make(Errors, n)
	}
	(*e)[i] = err
}

// FirstError returns the first error of a batch, nil if there is none.
func FirstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A ChainState reports whether one of our chains exists. Backends that have chains list
// them:
//
//	Chains(ctx context.Context) ([]ChainState, error)
type ChainState struct {
	Table  string // as the firewall names it: "filter", "inet filter"
	Name   string
	Exists bool
}

// A Pruner is a Backend that can remove what Setup made chain by chain.
type Pruner interface {
	Prune(ctx context.Context) error
}

// Prune removes the empty chains that Setup made and the jumps to them. Open grants and
// rules of other programs stay.
func Prune(ctx context.Context, b Backend) error {
	if p, ok := b.(Pruner); ok {
		return p.Prune(ctx)
	}
	open, err := b.List(ctx)
	if err != nil || len(open) > 0 {
		return err
	}
	return b.Teardown(ctx)
}
