package nftables

import (
	"fmt"

	nft "github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// ctEstablished is the bit of "ct state established".
const ctEstablished = 1 << 1

// checkEstablished notes once, at start, that no rule of the tables on the input
// hook accepts packets of established connections: a connection then ends with
// the grant that let it in.
func (b *Backend) checkEstablished(l *layout) error {
	tables := 0
	for _, h := range l.homes[Input] {
		if h.own {
			continue
		}
		tables++
		ok, err := b.acceptsEstablished(l, h.table)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	if tables > 0 {
		b.atStart = append(b.atStart, "nftables: no rule accepts packets of ct state established: a connection is cut when its grant ends")
	}
	return nil
}

func (b *Backend) acceptsEstablished(l *layout, t *nft.Table) (bool, error) {
	for _, c := range l.chains {
		if !sameTable(c.Table, t) {
			continue
		}
		rules, err := b.conn.GetRules(t, c)
		if err != nil {
			return false, fmt.Errorf("list rules: %w", err)
		}
		for _, r := range rules {
			if b.ruleAcceptsEstablished(r) {
				return true, nil
			}
		}
	}
	return false, nil
}

// ruleAcceptsEstablished knows the three ways to write it: with a mask, a set and
// a verdict map.
func (b *Backend) ruleAcceptsEstablished(r *nft.Rule) bool {
	loaded, matched := false, false
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Ct:
			loaded = e.Key == expr.CtKeySTATE
		case *expr.Bitwise:
			matched = matched || loaded && hasEstablished(e.Mask)
		case *expr.Lookup:
			in := loaded && !e.Invert && b.setHasEstablished(r.Table, e.SetName)
			if in && e.IsDestRegSet {
				return true
			}
			matched = matched || in
		case *expr.Verdict:
			return matched && e.Kind == expr.VerdictAccept
		}
	}
	return false
}

func hasEstablished(state []byte) bool {
	return len(state) == 4 && binaryutil.NativeEndian.Uint32(state)&ctEstablished != 0
}

func (b *Backend) setHasEstablished(t *nft.Table, name string) bool {
	els, err := b.conn.GetSetElements(&nft.Set{Table: t, Name: name})
	if err != nil {
		return false
	}
	for _, el := range els {
		if hasEstablished(el.Key) {
			return true
		}
	}
	return false
}
