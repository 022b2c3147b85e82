package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fwknopd/policy/conf"
)

// What became of a configuration that was read again.
const (
	ReloadLoaded      = "loaded"      // it is in force
	ReloadRefused     = "refused"     // Problems has errors; the one before stays in force
	ReloadNotApplied  = "not_applied" // the worker did not take it over: Error
	ReloadUnconfirmed = "unconfirmed" // it is in force; whether the worker has taken it over is not known
)

// A Reload is the verdict on a configuration that the running daemon has read again, as the
// event log and `reload --json` have it. Members may be added, never removed or changed.
type Reload struct {
	V        int           `json:"v"`
	Time     time.Time     `json:"timestamp"`
	Type     string        `json:"event_type"`
	Verdict  string        `json:"verdict"`
	Stanzas  int           `json:"stanzas,omitempty"` // of the new configuration
	Problems conf.Problems `json:"problems,omitempty"`
	Error    string        `json:"error,omitempty"`
}

// NewReload returns the verdict on a configuration of so many stanzas.
func NewReload(now time.Time, stanzas int, problems conf.Problems) Reload {
	r := Reload{V: 1, Time: now.UTC(), Type: "reload", Verdict: ReloadLoaded, Stanzas: stanzas, Problems: problems}
	if problems.Failed() {
		r.Verdict, r.Stanzas = ReloadRefused, 0
	}
	return r
}

// NotApplied returns the verdict on a configuration that the monitor has loaded and the
// worker has not, for the reason that it gives.
func NotApplied(now time.Time, why string) Reload {
	return Reload{V: 1, Time: now.UTC(), Type: "reload", Verdict: ReloadNotApplied, Error: why}
}

// nextStart ends the text of what [NextStart] returns.
const nextStart = " has changed: that counts from the next start on"

// NextStart is the warning of a keyword whose new value only a start of the daemon takes over.
func NextStart(keyword string) conf.Problem {
	return conf.Problem{Text: keyword + nextStart, Severity: conf.Warning}
}

// Pending returns the warnings of [NextStart].
func (r *Reload) Pending() (texts []string) {
	for _, p := range r.Problems {
		if strings.HasSuffix(p.Text, nextStart) {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

// Text returns the verdict without the problems.
func (r *Reload) Text() string {
	switch r.Verdict {
	case ReloadLoaded:
		return "configuration loaded again: " + conf.Count(r.Stanzas, "stanza")
	case ReloadRefused:
		return "the new configuration is refused, the old one stays in force"
	case ReloadNotApplied:
		return "the worker keeps its configuration: " + r.Error
	case ReloadUnconfirmed:
		return fmt.Sprintf("configuration loaded again: %s; the worker has not said that it has loaded them", conf.Count(r.Stanzas, "stanza"))
	}
	return r.Verdict
}

// JSON returns r as one object without a newline.
func (r *Reload) JSON() []byte { return appendObject(nil, r) }

// appendObject appends a value whose strings may have any characters.
func appendObject(b []byte, v any) []byte {
	object, err := json.Marshal(v)
	if err != nil {
		return append(b, "{}"...) // not reached: numbers, times and strings always encode
	}
	return appendEscaped(b, object)
}
