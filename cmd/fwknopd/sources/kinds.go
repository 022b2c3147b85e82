package sources

import (
	"fmt"
	"iter"

	"fwknopd/fingerprint"
)

// A Kind is a kind of SYN: one that certain signatures fit, or one that none fits.
type Kind int32

// Kinds yields the kinds of SYN that were counted, and how many there were of each; with
// [Options].Detail.
func (c *Counter) Kinds() iter.Seq2[Kind, uint64] {
	return func(yield func(Kind, uint64) bool) {
		for id, n := range c.matched {
			if n > 0 && !yield(Kind(id), n) {
				return
			}
		}
		for i, n := range c.unmatched {
			if n > 0 && !yield(Kind(^i), n) {
				return
			}
		}
	}
}

// KindsOf calls f with each kind of SYN of s, in order of first appearance.
func (c *Counter) KindsOf(s *Source, f func(Kind)) {
	c.table.results(s, func(r int32) { f(Kind(r)) })
}

// Signature returns the signature that names a kind best, see [Best]; nil if none fits.
func (c *Counter) Signature(k Kind) *fingerprint.Signature {
	if k < 0 {
		return nil
	}
	return Best(c.opt.Matcher.Result(fingerprint.ID(k)))
}

// Unknown returns what is known of a kind that no signature fits; ok is false for others.
func (c *Counter) Unknown(k Kind) (u Unknown, ok bool) {
	if k >= 0 || int(^k) >= len(c.ids.unknown) {
		return u, false
	}
	return c.ids.unknown[^k], true
}

// Notes returns what a reader must know of the SYNs that were counted, a sentence each.
func (c *Counter) Notes() (notes []string) {
	note := func(n uint64, format string, a ...any) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, append([]any{n}, a...)...))
		}
	}
	var left, further uint64
	for s := range c.All() {
		left += uint64(c.Omitted(s))
		if s.tunnel == furtherPath {
			further += uint64(s.SYNs())
		}
	}
	t := c.Totals()
	note(t.Optionless, "%d of the SYNs have %s", NoOptions)
	note(t.Cut, "%d of the SYNs have no signature: the capture cut their options off (tcpdump -s)")
	note(left, "%d findings were left out; no more than %d of a source are listed", MaxResults)
	note(t.Dropped, "%d SYNs came from further sources; no more than %d are told apart", MaxSources)
	note(further, "%d SYNs were in further tunnels; no more than %d are told apart", maxPaths-1)
	return notes
}
