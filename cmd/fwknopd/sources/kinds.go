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

// Notes returns what a reader must know of the SYNs that were counted, a sentence each; after
// [Counter.Finish].
func (c *Counter) Notes() (notes []string) {
	note := func(n uint64, format string, a ...any) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, append([]any{n}, a...)...))
		}
	}
	t, sums := c.Totals(), c.table.sums
	note(t.Optionless, "%d of the SYNs have %s", NoOptions)
	note(t.Cut, "%d of the SYNs have no signature: the capture cut their options off (tcpdump -s)")
	note(sums.omitted, "%d findings were left out; no more than %d of a source are listed", MaxResults)
	note(t.Dropped, "%d SYNs came from further sources; no more than %d are told apart", MaxSources)
	note(sums.further, "%d SYNs were in further tunnels; no more than %d are told apart", maxPaths-1)
	return notes
}
