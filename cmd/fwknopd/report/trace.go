package report

import (
	"encoding/json"
	"strconv"
	"strings"

	"fwknopd/policy"
)

// AppendTrace appends a trace: the packet, each stage, each stanza with its checks,
// the decision.
func AppendTrace(b []byte, t *policy.Trace, e *Entry) []byte {
	b = append(b, "packet "...)
	if e.Input.Name != "" {
		b = append(appendConfigText(b, e.Input.Name), ':')
		b = append(strconv.AppendInt(b, e.Input.Record, 10), ' ')
	}
	b = appendAddress(b, e.Src, hasPorts(e.Proto))
	b = appendAddress(append(b, " -> "...), e.Dst, hasPorts(e.Proto))
	b = append(append(b, ' '), protoName(e.Proto)...)
	if e.Time.IsZero() {
		b = append(b, ", no time\n"...)
	} else {
		b = append(appendTime(append(b, " at "...), e.Time), '\n')
	}
	b = appendChecks(b, t.Packet)
	for _, st := range t.Stanzas {
		b = append(b, st.Title...)
		if st.Shadow {
			b = append(b, " (shadow)"...)
		}
		b = appendChecks(append(b, '\n'), st.Checks)
	}
	b = append(b, "decision "...)
	if last := len(t.Packet) - 1; last >= 0 && (t.Packet[last].Name == policy.CheckCopy || t.Packet[last].Name == policy.CheckForm) && e.Verdict == Ignored {
		return append(append(append(b, "ignored: "...), t.Packet[last].Detail.Text...), '\n')
	}
	if e.Verdict == Ignored {
		return append(b, "ignored: no stanza has an answer to it\n"...)
	}
	b = AppendLine(b, e)
	if e.Verdict == Refused {
		b = appendRemedy(b, e.Reason)
	}
	return b
}

// nameColumns is the width of a check's name.
const nameColumns = 10

func appendChecks(b []byte, checks []policy.Check) []byte {
	for _, c := range checks {
		mark := "  ok    "
		if !c.OK {
			mark = "  FAILS "
		}
		b = append(append(b, mark...), c.Name...)
		why := strings.TrimSpace(string(c.Reason) + " " + Describe(c.Reason, &c.Detail))
		if why != "" {
			for range nameColumns - len(c.Name) {
				b = append(b, ' ')
			}
			b = append(append(b, ' '), why...)
		}
		b = append(b, '\n')
	}
	return b
}

// The JSON form of a trace.
type (
	traceJSON struct {
		Packet  []checkJSON  `json:"packet"`
		Stanzas []stanzaJSON `json:"stanzas"`
	}
	stanzaJSON struct {
		Stanza int         `json:"stanza"`
		Name   string      `json:"stanza_name,omitempty"`
		Shadow bool        `json:"shadow,omitempty"`
		Checks []checkJSON `json:"checks"`
	}
	checkJSON struct {
		Name   string         `json:"name"`
		OK     bool           `json:"ok"`
		Reason policy.Reason  `json:"reason,omitempty"`
		Detail *policy.Detail `json:"detail,omitempty"`
	}
)

// AppendTraceJSON appends e with the trace as one more member, and a newline.
func AppendTraceJSON(b []byte, t *policy.Trace, e *Entry) ([]byte, error) {
	trace, err := json.Marshal(newTrace(t))
	if err != nil {
		return b, err
	}
	b = AppendJSON(b, e)
	b = appendEscaped(append(b[:len(b)-1], `,"trace":`...), trace)
	if e.Verdict == Refused {
		b = appendText(b, "remedy", meanings[e.Reason].Remedy)
	}
	return append(b, '}', '\n'), nil
}

func newTrace(t *policy.Trace) traceJSON {
	j := traceJSON{Packet: newChecks(t.Packet), Stanzas: []stanzaJSON{}}
	for _, st := range t.Stanzas {
		j.Stanzas = append(j.Stanzas, stanzaJSON{st.Stanza, st.Name, st.Shadow, newChecks(st.Checks)})
	}
	return j
}

func newChecks(checks []policy.Check) []checkJSON {
	list := []checkJSON{}
	for i := range checks {
		c := checkJSON{Name: checks[i].Name, OK: checks[i].OK, Reason: checks[i].Reason}
		if checks[i].Detail != (policy.Detail{}) {
			c.Detail = &checks[i].Detail
		}
		list = append(list, c)
	}
	return list
}
