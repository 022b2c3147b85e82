package nftables

import (
	"context"
	"fmt"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// List implements [enforce.Backend].
func (b *Backend) List(ctx context.Context) ([]enforce.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	all, err := b.readElements()
	if err != nil {
		return nil, b.redial(err)
	}
	gs := assemble(unique(all))
	enforce.SortGrants(gs)
	return gs, nil
}

// Compare implements [enforce.Backend].
func (b *Backend) Compare(ctx context.Context, want []enforce.Grant) (diff enforce.Difference, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.setup(ctx); err != nil {
		return diff, err
	}
	all, err := b.load()
	if err != nil {
		return diff, err
	}
	now := time.Now()
	have := indexElems(all)
	return enforce.NewDifference(want, enforce.ByKey(assemble(unique(all))), now, func(_ string, part enforce.Grant) bool {
		open := b.isOpen(part, have)
		if open {
			b.refs.add(part, now)
		}
		return open
	}), nil
}

// A placedElem is an element in a certain table.
type placedElem struct {
	place Place
	element
}

func indexElems(all []listedElem) map[placedElem]time.Time {
	have := make(map[placedElem]time.Time, len(all))
	for _, e := range all {
		have[placedElem{e.place, e.element}] = e.expires
	}
	return have
}

// isOpen reports whether each table has all elements of the grant, to its end.
func (b *Backend) isOpen(part enforce.Grant, have map[placedElem]time.Time) bool {
	for _, e := range elements(part, b.cfg.Guard) {
		for _, p := range b.placements[e.set.role] {
			if !p.serves(e.set) {
				continue
			}
			end, ok := have[placedElem{Place{p.table.Family, p.table.Name, e.set.String()}, e}]
			if !ok || enforce.Outlives(part.Expires, end.Add(endTolerance)) && !end.IsZero() {
				return false
			}
		}
	}
	return true
}

// load reads all elements, and the reference counts from them.
func (b *Backend) load() ([]listedElem, error) {
	all, err := b.readElements()
	if err != nil {
		return nil, b.redial(err)
	}
	b.refs, b.loaded = newRefcounts(b.cfg.Guard), true
	for _, g := range assemble(unique(all)) {
		b.refs.add(g, time.Now())
	}
	return all, nil
}

// readElements reads our sets in every table, wherever an earlier process put
// them.
func (b *Backend) readElements() (all []listedElem, err error) {
	l, err := b.readLayout()
	if err != nil {
		return nil, err
	}
	for _, t := range l.tables {
		if _, ok := families[familyName(t.Family)]; !ok {
			continue
		}
		sets, err := b.ourSets(t)
		if err != nil {
			return nil, err
		}
		for _, s := range sets {
			some, err := b.readSet(s)
			if err != nil {
				return nil, fmt.Errorf("list elements: %w", err)
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

// oneMessage is how many elements surely fit into one message of a dump.
const oneMessage = 16

// readSet reads the elements of one set.
func (b *Backend) readSet(s *nft.Set) (all []listedElem, err error) {
	seen := make(map[element]bool)
	id, _ := parseSetID(s.Name)
	err = b.eachElement(s, func(el nft.SetElement, now time.Time) {
		e, ok := id.decode(el, now)
		if ok && !seen[e.element] {
			seen[e.element] = true
			e.place = Place{s.Table.Family, s.Table.Name, s.Name}
			all = append(all, e)
		}
	})
	return all, err
}

// eachElement calls f with the elements of a set and when they were read. It dumps a large set
// twice, and f gets what either dump has: the kernel goes on in the next message by counting
// elements, so that it passes over some when others time out in between.
func (b *Backend) eachElement(s *nft.Set, f func(el nft.SetElement, now time.Time)) error {
	for range 2 {
		els, err := b.conn.GetSetElements(s)
		if err != nil {
			return err
		}
		now := time.Now()
		for _, el := range els {
			f(el, now)
		}
		if len(els) <= oneMessage {
			break
		}
	}
	return nil
}

// unique drops the copies of an element in further tables of the same role.
func unique(all []listedElem) []listedElem {
	seen := make(map[element]bool, len(all))
	var once []listedElem
	for _, e := range all {
		if !seen[e.element] {
			seen[e.element] = true
			once = append(once, e)
		}
	}
	return once
}
