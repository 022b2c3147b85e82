package sources

import (
	"errors"
	"iter"

	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// A Row is a source with what was counted of it. It is valid until the next one is asked for.
type Row struct {
	*Source
	c     *Counter
	t     *table // that has it
	place int    // in t
}

// All yields the sources in order of first appearance, after [Counter.Finish]. If files cannot be
// read some are missing, see [Counter.Err].
func (c *Counter) All() iter.Seq[Row] {
	if c.table.store != nil && len(c.table.store.sorted) > 0 {
		return c.stored
	}
	return func(yield func(Row) bool) {
		for i := range c.table.n {
			if !yield(Row{c.table.at(i), c, c.table, i}) {
				return
			}
		}
	}
}

// errStopped ends the reading of files.
var errStopped = errors.New("stopped")

// stored yields the sources from files.
func (c *Counter) stored(yield func(Row) bool) {
	var j joiner
	err := inOrder(c.table.store.sorted, func(r *record) error {
		j.reset()
		j.add(r)
		if !yield(Row{j.t.at(0), c, j.t, 0}) {
			return errStopped
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStopped) {
		c.table.store.err = err
	}
}

// Tunnel returns the tunnels that it is in; "" if it is in none.
func (r Row) Tunnel() string {
	if r.tunnel == furtherPath {
		return "further tunnels"
	}
	return r.c.table.paths[r.tunnel].String()
}

// Signatures returns every signature that its SYNs match, in file order, once each. Those of a
// source with one kind of SYN are to be read only.
func (r Row) Signatures() []*fingerprint.Signature {
	matcher := r.c.opt.Matcher
	if r.n == 1 && r.results[0] >= 0 { // most sources
		return matcher.Result(fingerprint.ID(r.results[0]))
	}
	var out []*fingerprint.Signature
	r.t.results(r.Source, func(result int32) {
		if result >= 0 {
			out = append(out, matcher.Result(fingerprint.ID(result))...)
		}
	})
	return inOrderOfFile(out)
}

// Unknowns returns the kinds of its SYNs that match no signature.
func (r Row) Unknowns() []Unknown {
	var out []Unknown
	r.t.results(r.Source, func(result int32) {
		if result < 0 {
			out = append(out, r.c.ids.unknown[^result])
		}
	})
	return out
}

// Omitted returns how many results were left out, see [MaxResults].
func (r Row) Omitted() uint32 { return r.t.omitted(r.Source) }

// Kinds calls f with each kind of its SYNs, in order of first appearance.
func (r Row) Kinds(f func(Kind)) {
	r.t.results(r.Source, func(result int32) { f(Kind(result)) })
}

// Ports returns its destination ports, most records first, at most 7; more reports that there are
// others. Of the sources beyond [MaxWithPorts] some have none.
func (r Row) Ports() (ports []parse.Port, more bool) { return r.t.ports.list(r.place) }

// Decisions returns how often it was granted and refused something.
func (r Row) Decisions() (granted, refused uint64) {
	d := r.t.decisionsOf(r.place)
	return uint64(d.granted), uint64(d.refused)
}
