package nftables

import (
	"context"
	"fmt"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// List implements [enforce.Enforcer], from what the kernel has at this moment.
func (b *Backend) List(ctx context.Context) ([]enforce.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	l, err := b.readLayout()
	if err != nil {
		return nil, b.redial(err)
	}
	all, err := b.readElements(l)
	if err != nil {
		return nil, b.redial(err)
	}
	gs := assemble(unique(all))
	enforce.SortGrants(gs)
	return gs, nil
}

// readElements reads our sets in every table, wherever an earlier process put
// them.
func (b *Backend) readElements(l *layout) (all []listedElem, err error) {
	for _, t := range l.tables {
		if _, ok := families[familyName(t.Family)]; !ok {
			continue
		}
		sets, err := b.conn.GetSets(t)
		if err != nil {
			return nil, fmt.Errorf("list sets: %w", err)
		}
		for _, s := range sets {
			id, ok := setIDs[s.Name]
			if !ok {
				continue
			}
			fs, err := b.readSet(s, id)
			if err != nil {
				return nil, fmt.Errorf("list elements: %w", err)
			}
			all = append(all, fs...)
		}
	}
	return all, nil
}

// oneMessage is how many elements surely fit into one message of a dump.
const oneMessage = 16

// readSet dumps one set; a large one twice, for what either dump has. The kernel
// goes on in the next message by counting elements, so that it passes over some
// when others time out in between.
func (b *Backend) readSet(s *nft.Set, id setID) (fs []listedElem, err error) {
	seen := make(map[element]bool)
	for range 2 {
		els, err := b.conn.GetSetElements(s)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		for _, el := range els {
			f, ok := id.decode(el, now)
			if ok && !seen[f.element] {
				seen[f.element] = true
				f.place = Place{s.Table.Family, s.Table.Name, s.Name}
				fs = append(fs, f)
			}
		}
		if len(els) <= oneMessage {
			break
		}
	}
	return fs, nil
}

// unique drops the copies of an element in further tables of the same role.
func unique(all []listedElem) []listedElem {
	seen := make(map[element]bool, len(all))
	var once []listedElem
	for _, f := range all {
		if !seen[f.element] {
			seen[f.element] = true
			once = append(once, f)
		}
	}
	return once
}

// load fills the ledger from the kernel.
func (b *Backend) load() ([]listedElem, error) {
	l, err := b.readLayout()
	if err != nil {
		return nil, b.redial(err)
	}
	all, err := b.readElements(l)
	if err != nil {
		return nil, b.redial(err)
	}
	b.refs, b.loaded = newRefcounts(), true
	for _, g := range assemble(unique(all)) {
		b.refs.add(g, time.Now())
	}
	return all, nil
}
