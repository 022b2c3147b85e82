package top

import (
	"fmt"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy/conf"
)

// A source is the counters of a source with what they have grown a second.
type source struct {
	report.SourceState
	records, events, notOurs, malformed, lost float64 // a second
}

// sourcesOf returns the counters at two times. before is nil if they are not known, or are
// those of another worker.
func sourcesOf(now, before *report.Counters, span time.Duration) []source {
	list := make([]source, len(now.Sources))
	for i, s := range now.Sources {
		list[i].SourceState = s
		if before == nil || i >= len(before.Sources) || before.Sources[i].Name != s.Name || span <= 0 {
			continue
		}
		old, rate := before.Sources[i], func(now, old uint64) float64 {
			if now < old {
				return 0
			}
			return float64(now-old) / span.Seconds()
		}
		l := &list[i]
		l.records, l.events, l.notOurs = rate(s.Records, old.Records), rate(s.Events, old.Events), rate(s.NotOurs, old.NotOurs)
		l.malformed, l.lost = rate(s.Malformed, old.Malformed), rate(s.Lost, old.Lost)
	}
	return list
}

// sourceColumns are those of the list of sources: each counter with its rate.
var sourceColumns = []column{
	{title: "SOURCE", keep: 9, min: 8}, {title: "RECORDS", keep: 4, min: 7}, {title: "/s", keep: 8, min: 3},
	{title: "EVENTS", keep: 3, min: 6}, {title: "/s", keep: 7, min: 3}, {title: "NOT OURS", keep: 2, min: 8}, {title: "/s", keep: 1, min: 3},
	{title: "MALFORMED", keep: 5, min: 9}, {title: "/s", keep: 0, min: 3}, {title: "LOST", keep: 6, min: 4}, {title: "/s", keep: 1, min: 3},
}

func (s *source) cells() []string {
	cells := []string{conf.Printable(s.Name)}
	for _, n := range []struct {
		count uint64
		rate  float64
	}{{s.Records, s.records}, {s.Events, s.events}, {s.NotOurs, s.notOurs}, {s.Malformed, s.malformed}, {s.Lost, s.lost}} {
		cells = append(cells, fmt.Sprint(n.count), rateText(n.rate))
	}
	return cells
}

// rateText returns a number a second.
func rateText(r float64) string {
	switch {
	case r == 0:
		return "0"
	case r < 10:
		return fmt.Sprintf("%.1f", r)
	}
	return fmt.Sprintf("%.0f", r)
}
