package enforce

import "context"

// A Batcher is an Enforcer that can open many grants in one transaction. The
// result holds one error per grant, in order; nil when all succeeded.
type Batcher interface {
	ApplyAll(ctx context.Context, gs []Grant) []error
	// RevokeAll is its counterpart: one transaction for grants that end together.
	RevokeAll(ctx context.Context, gs []Grant) []error
}

// A Backend is one kind of firewall. Calls are serialised by the caller or by the
// backend itself: they may come from several goroutines.
//
// Backends keep and report grants in their smallest parts, see [Grant.Split]:
// what is open for one port does not depend on what it was asked together with.
type Backend interface {
	Enforcer
	Batcher
	// Setup makes chains, sets and the jumps to them where they are missing. It
	// changes nothing else and may be repeated at any time.
	Setup(ctx context.Context) error
	// Reconcile does Setup, then makes the kernel hold at least want: what is
	// missing is opened again. What it finds beyond want, it reports and leaves.
	Reconcile(ctx context.Context, want []Grant) (Repair, error)
	// Flush closes everything; chains and jumps stay.
	Flush(ctx context.Context) error
	// Teardown removes all that Setup made, and with it every grant.
	Teardown(ctx context.Context) error
	// Watch signals that somebody else changed the firewall, until ctx ends. A nil
	// channel means that this kernel or variant does not tell.
	Watch(ctx context.Context) (<-chan struct{}, error)
	// Notes are what the administrator should read once at start.
	Notes() []string
	Close() error
}

// Repair is what [Backend.Reconcile] did and found.
type Repair struct {
	Restored []Grant // were missing or incomplete, are open again
	Found    []Grant // are open in our chains but were not wanted
}

// A Pruner is a Backend that can remove what Setup made chain by chain.
type Pruner interface {
	Prune(ctx context.Context) error
}

// Prune removes what Setup made and what holds nothing: a daemon that ends leaves no
// empty chain behind, nor the jump to it. What is open stays, and so do rules of others.
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
