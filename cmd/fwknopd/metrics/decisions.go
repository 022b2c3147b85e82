package metrics

import (
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy"
)

// A pair is the labels of one series of decisions.
type pair struct {
	verdict string
	reason  policy.Reason
}

// pairs are the labels of all series, sorted by reason: each reason with its verdict, those
// that grant with that of a shadow stanza too. places is where those of each reason are.
var pairs, places = makePairs()

// A place is where the series of one reason are in pairs.
type place struct{ plain, shadow int }

func makePairs() (list []pair, at map[policy.Reason]place) {
	at = make(map[policy.Reason]place)
	for _, reason := range report.Reasons() {
		verdict := report.Refused
		switch reason {
		case policy.SPACommand:
			verdict = report.Command
		case policy.SPAGranted, policy.KnockGranted:
			verdict = report.Granted
		}
		p := place{len(list), len(list)}
		list = append(list, pair{verdict, reason})
		if verdict != report.Refused {
			p.shadow = len(list)
			list = append(list, pair{report.Shadow, reason})
		}
		at[reason] = p
	}
	return list, at
}

// Decided counts a decision. The verdict is that of the reason, whatever a worker that is
// taken over makes of it. An unknown reason is not counted.
func (s *Set) Decided(d *policy.Decision) {
	p, known := places[d.Reason]
	if d.Degraded {
		s.degraded.Add(1)
	}
	switch {
	case !known:
	case d.Shadow:
		s.records[p.shadow].Add(1)
	default:
		s.records[p.plain].Add(1)
	}
}
