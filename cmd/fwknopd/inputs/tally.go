package inputs

import "fwknopd/ingest"

// A Reading is what one reader found in its inputs.
type Reading struct {
	Counts   ingest.Counts
	Inside   ingest.Inside
	Outcomes []ingest.Outcome
	Part     bool // the reader read a part of one input
}

// ReadingOf returns that of a reader, which has read all.
func ReadingOf(r *ingest.Reader) Reading {
	return Reading{r.Stats().Counts(), r.Inside(), r.Outcomes(), r.Part()}
}

// A Tally is what several readers found, in order of the inputs. Its size is that of their number.
type Tally struct {
	Counts   ingest.Counts
	Inside   ingest.Inside
	Outcomes []ingest.Outcome // one an input
}

// Add adds what was found behind the rest.
func (t *Tally) Add(r Reading) {
	t.Counts.Add(r.Counts)
	t.Inside.Add(r.Inside)
	for _, o := range r.Outcomes {
		if last := len(t.Outcomes) - 1; last >= 0 && t.Outcomes[last].Name == o.Name && r.Part {
			t.Outcomes[last].Records += o.Records
			t.Outcomes[last].Found = t.Outcomes[last].Found || o.Found
			continue
		}
		t.Outcomes = append(t.Outcomes, o)
	}
}
