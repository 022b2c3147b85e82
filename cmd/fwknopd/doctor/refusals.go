package doctor

import (
	"bytes"
	"fmt"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// examineRefusals looks at the end of the event log for clients whose clocks are off.
func examineRefusals(s *conf.Server) []finding {
	if s.EventLog == "" {
		return nil
	}
	text, err := tail(s.EventLog, lastOfLog)
	if err != nil {
		return nil // there is none yet
	}
	return judgeRefusals(text)
}

// judgeRefusals counts refusals for the age of a message, of the lines of an event log. The
// first may be a half.
func judgeRefusals(text []byte) []finding {
	var refused, skewed int
	var age int64
	for line := range bytes.Lines(text) {
		e, err := report.ParseLogged(line)
		if err != nil || e.Verdict != report.Refused {
			continue
		}
		refused++
		if (e.Reason == policy.SPAStale || e.Reason == policy.SPAFuture) && e.Detail.AgeS != nil {
			skewed++
			age = *e.Detail.AgeS
		}
	}
	if skewed == 0 {
		return nil
	}
	way := "behind"
	if age < 0 {
		way, age = "ahead of", -age
	}
	what := fmt.Sprintf("%d of the last %d refusals were", skewed, refused)
	if refused == 1 {
		what = "the last refusal was"
	}
	return []finding{{"clients", warning, fmt.Sprintf("%s for the age of the message, the last of a clock %d s %s ours", what, age, way),
		"synchronise the clocks of client and server (chronyc makestep), or raise MAX_SPA_PACKET_AGE"}}
}
