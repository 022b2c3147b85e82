package nftables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// ended are the connections whose packets are rejected.
type ended struct {
	wanted bool   // the chain is to be there
	made   bool   // it is, unless others have changed something
	note   string // why it is not
	// byClient has at least those that the kernel has: it ends and renews elements by itself.
	byClient map[netip.Addr]map[endedKey]endedFlow
	count    int // of all elements in byClient
}

func newEnded(wanted bool) ended {
	return ended{wanted: wanted, byClient: make(map[netip.Addr]map[endedKey]endedFlow)}
}

// forget drops all connections.
func (e *ended) forget() { e.byClient, e.count = make(map[netip.Addr]map[endedKey]endedFlow), 0 }

// left returns the elements that have not ended.
func (e *ended) left(now time.Time) map[endedKey]endedFlow {
	left := make(map[endedKey]endedFlow)
	for _, of := range e.byClient {
		for k, f := range of {
			if f.until.After(now) {
				left[k] = f
			}
		}
	}
	return left
}

// add adds elements.
func (e *ended) add(els map[endedKey]endedFlow) {
	for k, f := range els {
		of := e.byClient[k.client.Addr()]
		if of == nil {
			of = make(map[endedKey]endedFlow)
			e.byClient[k.client.Addr()] = of
		}
		if !e.has(k) {
			e.count++
		}
		of[k] = f
	}
}

// has reports whether it has an element.
func (e *ended) has(k endedKey) bool {
	_, is := e.byClient[k.client.Addr()][k]
	return is
}

// drop drops elements.
func (e *ended) drop(els map[endedKey]endedFlow) {
	for k := range els {
		client := k.client.Addr()
		if !e.has(k) {
			continue
		}
		e.count--
		if delete(e.byClient[client], k); len(e.byClient[client]) == 0 {
			delete(e.byClient, client)
		}
	}
}

// of yields the connections of the clients that an element may let in.
func (e *ended) of(k elemKey) iter.Seq2[endedKey, endedFlow] {
	if k.set.bits == 0 {
		return maps.All(e.byClient[k.key.peer])
	}
	return func(yield func(endedKey, endedFlow) bool) {
		for _, of := range e.byClient {
			for ek, f := range of {
				if !yield(ek, f) {
					return
				}
			}
		}
	}
}

// Reject implements [enforce.Rejecter]. What the kernel refuses is an error, see
// [Backend.Notes].
func (b *Backend) Reject(ctx context.Context, flows []enforce.Flow) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.readyToReject(ctx, 2*len(flows)); err != nil {
		return err
	}
	now := time.Now()
	todo, beyond := b.toReject(flows, now)
	if err := b.queueEnded(todo, now); err != nil {
		return b.redial(err)
	}
	if err := b.flush(); err != nil {
		b.ended.made = false
		return fmt.Errorf("reject ended connections: %w", err)
	}
	b.ended.add(todo)
	if beyond > 0 {
		return fmt.Errorf("%w: %d more", enforce.ErrTooManyFlows, beyond)
	}
	return nil
}

// toReject returns the elements of connections that no open grant lets in, as many as there may
// be, and of how many connections it left them out.
func (b *Backend) toReject(flows []enforce.Flow, now time.Time) (todo map[endedKey]endedFlow, beyond int) {
	todo = make(map[endedKey]endedFlow)
	room := maxEnded - b.ended.count
	for _, f := range flows {
		if b.lets(&f, now) {
			continue
		}
		els, more := endedElements(f, now), 0
		for k := range els {
			if !b.ended.has(k) {
				more++
			}
		}
		if more > room {
			beyond++
			continue
		}
		room -= more
		maps.Copy(todo, els)
	}
	return todo, beyond
}

// readyToReject makes the chain for ended connections if it is used for the first time, or was
// changed by others. It makes none for grants unless others have changed something: a daemon
// that ends has removed those. Where room for more elements may lack, it reads which are left.
func (b *Backend) readyToReject(ctx context.Context, more int) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	b.ended.wanted = true
	if !b.loaded || !b.isUntouched() {
		if err := b.resync(ctx); err != nil {
			return err
		}
	}
	if !b.ended.made || b.ended.count+more > maxEnded {
		l, err := b.readLayout()
		if err != nil {
			return b.redial(err)
		}
		if err := b.setupEnded(l); err != nil {
			return err
		}
	}
	if b.ended.note != "" {
		return errors.New(b.ended.note)
	}
	return nil
}

// queueEnded adds elements, each until its end, whether the kernel has them or not, see
// setChange.
func (b *Backend) queueEnded(els map[endedKey]endedFlow, now time.Time) error {
	return b.eachChunk(els, now, func(set *nft.Set, some []nft.SetElement) error {
		return errors.Join(b.conn.SetAddElements(set, some), b.conn.SetDeleteElements(set, keysOf(some)), b.conn.SetAddElements(set, some))
	})
}

// queueLetIn deletes elements, whether the kernel has them or not.
func (b *Backend) queueLetIn(els map[endedKey]endedFlow, now time.Time) error {
	return b.eachChunk(els, now, func(set *nft.Set, some []nft.SetElement) error {
		return errors.Join(b.conn.SetAddElements(set, some), b.conn.SetDeleteElements(set, keysOf(some)))
	})
}

// eachChunk calls queue with as many elements of a set as there may be in one message.
func (b *Backend) eachChunk(els map[endedKey]endedFlow, now time.Time, queue func(*nft.Set, []nft.SetElement) error) error {
	some := make(map[bool][]nft.SetElement) // true: IPv6
	for k, f := range els {
		some[k.v6()] = append(some[k.v6()], f.encode(k, timeout(f.until, now)))
	}
	for v6, all := range some {
		for part := range slices.Chunk(all, batchSize) {
			if err := queue(endedSet(v6), part); err != nil {
				return fmt.Errorf("queue elements: %w", err)
			}
		}
	}
	return nil
}

// letIn returns the connections that a change of elements of grants lets in.
func (b *Backend) letIn(changed map[elemKey]ref, now time.Time) map[endedKey]endedFlow {
	if b.ended.count == 0 {
		return nil
	}
	in := make(map[endedKey]endedFlow)
	for k := range changed {
		if _, open := b.refs.current(k, now); !open || !k.set.begins() {
			continue
		}
		for ek, f := range b.ended.of(k) {
			if b.reaches(&f.Flow, k.set, func(flow key) bool { return flow == k.key }) {
				in[ek] = f
			}
		}
	}
	return in
}

// lets reports whether an open grant lets a connection in.
func (b *Backend) lets(f *enforce.Flow, now time.Time) bool {
	for _, placements := range b.placements {
		for _, p := range placements {
			for id := range p.sets {
				if id.begins() && b.reaches(f, id, func(k key) bool {
					_, open := b.refs.current(elemKey{id, k}, now)
					return open
				}) {
					return true
				}
			}
		}
	}
	return false
}

// begins reports whether elements of the set let a client begin a connection.
func (id setID) begins() bool {
	switch id.role {
	case enforce.Input, enforce.Forward, enforce.DNAT, enforce.Guarded:
		return true
	}
	return false
}

// reaches reports whether has is true for one of the keys by which a connection would be in a
// set. By the server it is only where we do not translate: two of our ports that lead to one
// server share the element for it, and a grant for one is none for the other.
func (b *Backend) reaches(f *enforce.Flow, id setID, has func(key) bool) bool {
	if f.Client.Addr().Is6() != id.v6 {
		return false
	}
	return has(id.keyOf(f, f.Dst)) || f.Dst != f.Server && !b.uses[enforce.DNAT] && has(id.keyOf(f, f.Server))
}

// keyOf is the key of a connection to an address.
func (id setID) keyOf(f *enforce.Flow, to netip.AddrPort) (k key) {
	k.peer = f.Client.Addr()
	if id.bits != 0 {
		k.peer = netip.PrefixFrom(k.peer, int(id.bits)).Masked().Addr()
	}
	if id.shape&withLocal != 0 {
		k.local = to.Addr()
	}
	if id.shape&withProto != 0 {
		k.proto = uint8(f.Proto)
	}
	if id.shape&withPort != 0 {
		k.port = to.Port()
	}
	return k
}
