package fingerprint

import (
	_ "embed"
	"sync"
)

//go:embed fwknop.os
var ownFile []byte

// ownFileName stands in front of positions in the embedded file.
const ownFileName = "fwknop.os"

// Default returns the signatures of the embedded file, read on first use.
func Default() *Set { return ownSet() }

var ownSet = sync.OnceValue(func() *Set {
	set, err := Load(ownFileName, ownFile)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return set
})

// A Set is a list of signatures in the order in which they are reported: the
// specific ones as the file has them, then the generic ones. It does not change
// and may be shared.
type Set struct {
	sigs     []Signature
	byLayout map[layout][]candidate // in the same order
}

// candidate is what matching needs of a signature, close together.
type candidate struct {
	pattern
	index uint32
}

// newSet takes ownership of sigs.
func newSet(sigs []Signature) *Set {
	set := &Set{
		sigs:     make([]Signature, 0, len(sigs)),
		byLayout: make(map[layout][]candidate),
	}
	type identity struct{ text, label string }
	seen := make(map[identity]bool, len(sigs))
	for _, generic := range []bool{false, true} {
		for _, sig := range sigs {
			id := identity{sig.Text, sig.Label}
			if sig.Generic != generic || seen[id] {
				continue
			}
			seen[id] = true
			sig.Index = len(set.sigs)
			set.sigs = append(set.sigs, sig)
			set.byLayout[sig.layout] = append(set.byLayout[sig.layout], candidate{sig.pattern, uint32(sig.Index)})
		}
	}
	return set
}

// With returns the signatures of both, those of s first among the specific and
// among the generic ones. Neither is changed.
func (s *Set) With(other *Set) *Set {
	sigs := make([]Signature, 0, len(s.sigs)+len(other.sigs))
	return newSet(append(append(sigs, s.sigs...), other.sigs...))
}

// Len returns the number of signatures.
func (s *Set) Len() int { return len(s.sigs) }

// At returns the signature whose Index is i.
func (s *Set) At(i int) *Signature { return &s.sigs[i] }
