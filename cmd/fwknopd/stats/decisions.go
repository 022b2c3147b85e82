package stats

import (
	"cmp"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy"
)

const (
	// maxReasons bounds the reasons that are distinguished; an event log may hold any.
	maxReasons = 256
	// maxExamples is how many examples of a reason are kept, the first.
	maxExamples = 3
)

// A decisionCount counts the decisions with a reason.
type decisionCount struct {
	verdict  string
	reason   policy.Reason
	n        uint64
	examples []Example
}

// decisions counts by verdict and reason. There are so few that searching a slice is faster than
// a map.
type decisions struct {
	kinds   []decisionCount
	further uint64 // of reasons beyond maxReasons
}

// add counts n decisions, and returns whether one is wanted as example.
func (t *decisions) add(verdict string, reason policy.Reason, n uint64) (c *decisionCount, wanted bool) {
	for i := range t.kinds {
		if c := &t.kinds[i]; c.reason == reason && c.verdict == verdict {
			c.n += n
			return c, len(c.examples) < maxExamples
		}
	}
	if len(t.kinds) == maxReasons {
		t.further += n
		return nil, false
	}
	t.kinds = append(t.kinds, decisionCount{verdict: verdict, reason: reason, n: n})
	return &t.kinds[len(t.kinds)-1], true
}

func (c *decisionCount) example(at time.Time, src, text string) {
	c.examples = append(c.examples, Example{Time: named(at), Src: src, Text: text})
}

// merge adds o, of records after those of t.
func (t *decisions) merge(o *decisions) {
	t.further += o.further
	for i := range o.kinds {
		from := &o.kinds[i]
		if c, _ := t.add(from.verdict, from.reason, from.n); c != nil {
			room := maxExamples - len(c.examples)
			c.examples = append(c.examples, from.examples[:min(room, len(from.examples))]...)
		}
	}
}

// summary returns all reasons, most decisions first.
func (t *decisions) summary() []Decision {
	best := newTop(len(t.kinds), func(a, b Decision) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	for i := range t.kinds {
		c := &t.kinds[i]
		meaning, _ := report.MeaningOf(c.reason)
		best.add(Decision{Verdict: c.verdict, Reason: string(c.reason), N: c.n, Meaning: meaning.Text, Remedy: meaning.Remedy,
			Examples: append([]Example{}, c.examples...)})
	}
	return best.list().Shown
}

// countsOf returns what n decisions with a verdict count as in a timeline.
func countsOf(verdict string, n uint64) counts {
	switch verdict {
	case report.Granted:
		return counts{granted: n}
	case report.Refused:
		return counts{refused: n}
	case report.Command, report.Shadow:
		return counts{other: n}
	}
	return counts{}
}
