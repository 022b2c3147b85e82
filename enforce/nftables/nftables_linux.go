// Package nftables opens access in nftables by netlink: no program is run and no
// text is built.
//
// A set belongs to one table, and an accept in one base chain does not undo a
// drop in another. So a chain of ours, with sets and maps whose elements time out
// in the kernel, lives inside the user's own table, and a jump to it stands first
// in his base chain:
//
//	table inet filter {
//	    set fwknop_input4 { type ipv4_addr . inet_proto . inet_service; flags timeout }
//	    chain fwknop_input { ip saddr . meta l4proto . th dport @fwknop_input4 accept }
//	    chain input { type filter hook input priority filter; policy drop; jump fwknop_input … }
//	}
//
// Entry point: [New]. The [Backend] satisfies [enforce.Backend].
package nftables

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	nft "github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"fwknopd/enforce"
	"fwknopd/enforce/watch"
)

// A Config is where grants go.
type Config struct {
	// Places are NFT_INPUT_ACCESS and its kin. A role without: every base chain
	// on its hook.
	Places map[enforce.Role][]Place
	// Roles beside Input that Setup prepares; others are with the first grant
	// that needs them.
	Roles []enforce.Role
	// Guard are the ports of GUARD_FORWARD; none: Setup removes the guard of before.
	Guard enforce.Guard
	// CloseConnections: a stanza has connections ended with its grants; Setup prepares
	// [Backend.Reject], which does that itself else.
	CloseConnections bool
	// Beside: other firewalls are opened beside this one, which may have no base chain
	// on a hook.
	Beside bool
	// Leave are tables of a program that opens grants in them itself: nothing of ours is put
	// there.
	Leave []string
}

// A Backend is a connection to nf_tables of one network namespace: that of the
// thread which called [New].
type Backend struct {
	cfg Config

	mu         sync.Mutex
	conn       *nft.Conn
	counter    *watch.Generation
	netns      *os.File      // of the first socket, for the next
	portID     atomic.Uint32 // of conn: its changes are our own
	uses       [roles]bool
	placements [roles][]*placement
	notes      enforce.Notes // of the last Setup
	refs       refcounts
	ended      ended
	setID      uint32 // the last given in a batch
	loaded     bool   // refs have what the kernel holds
	gen        uint32 // generation of the ruleset after our last change
}

var (
	_ enforce.Backend  = (*Backend)(nil)
	_ enforce.Rejecter = (*Backend)(nil)
)

// socketBuffer holds the largest batch and its acknowledgements.
const socketBuffer = 4 << 20

// New connects to the kernel and fails if it has no nf_tables or we may not use
// them. It changes nothing; call [Backend.Setup].
func New(cfg Config) (*Backend, error) {
	b := &Backend{cfg: cfg, refs: newRefcounts(cfg.Guard)}
	for _, role := range append([]enforce.Role{enforce.Input}, cfg.Roles...) {
		b.uses[role] = true
	}
	b.uses[enforce.Guarded] = len(cfg.Guard) > 0
	b.ended = newEnded(cfg.CloseConnections)
	netns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("own network namespace: %w", err)
	}
	b.netns = netns
	if err := b.dial(); err != nil {
		b.Close()
		return nil, err
	}
	if b.counter, err = watch.NewGeneration(int(netns.Fd())); err != nil {
		b.Close()
		return nil, err
	}
	if _, err := b.readLayout(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Backend) dial() (err error) {
	keep := func(c *netlink.Conn) error {
		b.portID.Store(c.PID())
		return errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
	}
	b.conn, err = nft.New(nft.AsLasting(), nft.WithNetNSFd(watch.Namespace(int(b.netns.Fd()))), nft.WithSockOptions(keep))
	if err != nil {
		return fmt.Errorf("connect to nf_tables: %w", err)
	}
	return nil
}

// redial makes a new connection after an error: the old one may hold answers that
// were not read, and messages that were not sent.
func (b *Backend) redial(cause error) error {
	b.conn.CloseLasting()
	return errors.Join(cause, b.dial())
}

// Close implements [enforce.Backend]. What is open stays open until its end.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if b.conn != nil {
		err = b.conn.CloseLasting()
	}
	if b.counter != nil {
		err = errors.Join(err, b.counter.Close())
	}
	b.conn, b.counter = nil, nil
	if cerr := b.netns.Close(); !errors.Is(cerr, os.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	return err
}

// usable refuses work after the end of ctx or Close.
func (b *Backend) usable(ctx context.Context) error {
	if b.conn == nil {
		return os.ErrClosed
	}
	return ctx.Err()
}

// Notes implements [enforce.Backend]; there are some after the first Setup.
func (b *Backend) Notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes)
}

// Watch implements [enforce.Backend].
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	return watch.NFTables(ctx, int(b.netns.Fd()), b.Mine, nil)
}

// Mine reports whether a change came from our own connection.
func (b *Backend) Mine(port uint32) bool { return port == b.portID.Load() }

// isUntouched reports whether no other program has changed the ruleset since we last
// read or changed it.
func (b *Backend) isUntouched() bool {
	gen, err := b.counter.Now()
	return err == nil && gen == b.gen
}

// flush sends the queued batch: all of it takes effect, or nothing.
func (b *Backend) flush() error {
	if err := b.conn.Flush(); err != nil {
		return b.redial(err)
	}
	gen, err := b.counter.Now()
	if err != nil {
		return err
	}
	if gen != b.gen { // the batch was not empty; if more has happened, isUntouched will see it
		b.gen++
	}
	return nil
}
