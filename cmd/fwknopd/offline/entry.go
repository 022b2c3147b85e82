package offline

import (
	"net/netip"
	"strconv"
	"time"

	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// The verdicts of the output.
const (
	verdictGranted = "granted"
	verdictRefused = "refused"
	verdictCommand = "command"
	verdictExpired = "expired"
	// verdictShadow is what a SHADOW stanza would have granted. Nothing is open.
	verdictShadow  = "shadow"
	verdictIgnored = "ignored"
)

// An Entry is one line of output: a decision, or the end of what one opened.
type Entry struct {
	Time     time.Time // zero if the record has none
	Verdict  string
	Reason   policy.Reason
	Detail   *policy.Detail // nil: no numbers
	Src, Dst netip.AddrPort
	Proto    parse.Proto
	Stanza   int
	User     string
	Mode     string
	Shadow   bool
	Grant    *enforce.Grant // granted, expired, and what a shadow would grant
	Command  string
	Input    ingest.Position
}

// Set makes e the entry of a decision on an event. It shares the decision's memory.
func (e *Entry) Set(now time.Time, ev *parse.Event, d *policy.Decision, at ingest.Position) {
	*e = Entry{
		Time: now, Verdict: verdictOf(d), Reason: d.Reason, Detail: &d.Detail,
		Src: ev.Src, Dst: ev.Dst, Proto: ev.Proto,
		Stanza: d.Stanza, User: d.User, Mode: d.Mode, Shadow: d.Shadow, Input: at,
	}
	switch {
	case d.Verdict != policy.Allow:
	case d.Command != nil:
		e.Command = d.Command.Text
	default:
		e.Grant = &d.Grant
	}
}

func verdictOf(d *policy.Decision) string {
	switch {
	case d.Verdict == policy.Ignore:
		return verdictIgnored
	case d.Verdict == policy.Deny:
		return verdictRefused
	case d.Shadow:
		return verdictShadow
	case d.Command != nil:
		return verdictCommand
	}
	return verdictGranted
}

// hasPorts reports the protocols whose packets have ports to show.
func hasPorts(p parse.Proto) bool { return p == parse.TCP || p == parse.UDP }

// protoName is the protocol in capitals, or its number.
func protoName(p parse.Proto) string {
	switch p {
	case parse.TCP:
		return "TCP"
	case parse.UDP:
		return "UDP"
	case parse.ICMP:
		return "ICMP"
	case parse.ICMPv6:
		return "ICMPv6"
	}
	return strconv.Itoa(int(p))
}

// appendRecordTime adds the time of a record, or instead if it has none.
func appendRecordTime(b []byte, t time.Time, quote, instead string) []byte {
	if t.IsZero() {
		return append(b, instead...)
	}
	return append(appendTime(append(b, quote...), t), quote...)
}

// appendTime adds a time: RFC 3339 in UTC with microseconds.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = t.AppendFormat(b, time.RFC3339) // the layout that package time is fast at
	b = append(b[:len(b)-1], '.')
	us := t.Nanosecond() / 1000
	for div := 100_000; div > 0; div /= 10 {
		b = append(b, '0'+byte(us/div%10))
	}
	return append(b, 'Z')
}

// appendEndTime adds the end of a grant, in seconds, as kernels keep it.
func appendEndTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, time.RFC3339)
}
