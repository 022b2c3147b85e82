package knock

import "net/netip"

// Progress is how far a source is in the sequence of a stanza.
type Progress struct {
	Stanza      int // index into Options.Stanzas
	Done, Steps int // knocks that fitted so far, and of how many
}

// Progress lists the attempts of src in progress, in reading order: for those who
// explain.
func (t *Tracker) Progress(src netip.Addr) []Progress {
	s := t.sources.find(src)
	if s == nil {
		return nil
	}
	var all []Progress
	for i := range s.attempts {
		a := &s.attempts[i]
		st := &t.stanzas[a.stanza]
		p := Progress{Stanza: int(a.stanza), Done: a.done, Steps: len(st.Sequence)}
		if len(st.Sequence) == 0 {
			p.Steps = max(a.done, minText)
		}
		if a.done > 0 {
			all = append(all, p)
		}
	}
	return all
}
