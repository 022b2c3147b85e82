// Package report has every wording and JSON form of decisions, grants and the monitor's
// events: those of replay and the daemon's logs, and the log lines of the old daemons. It
// is pure.
package report

import (
	"net/netip"
	"strconv"
	"time"

	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// The verdicts of the output.
const (
	Granted = "granted"
	Refused = "refused"
	Command = "command"
	Expired = "expired"
	// Shadow is a grant of a SHADOW stanza, which opens nothing.
	Shadow  = "shadow"
	Ignored = "ignored"
)

// An Entry is one line of output: a decision, or the expiry of a grant.
type Entry struct {
	Time     time.Time // zero if the record has none
	Verdict  string
	Reason   policy.Reason
	Detail   *policy.Detail // nil: no numbers
	Src, Dst netip.AddrPort
	Proto    parse.Proto
	Stanza   int    // line of its SOURCE
	Name     string // its NAME
	Title    string // what it is called, see [conf.StanzaTitle]
	User     string
	Mode     string
	Shadow   bool
	Degraded bool           // granted without the fleet, see [policy.Decision]
	From     string         // the gateway of the fleet that announced the message
	Grant    *enforce.Grant // granted, expired, and what a shadow would grant
	Command  string
	Input    ingest.Position
}

// Set fills e for a decision on an event by the stanzas of access. It shares memory with d.
func (e *Entry) Set(access *conf.Access, now time.Time, ev *parse.Event, d *policy.Decision, at ingest.Position) {
	*e = Entry{
		Time: now, Verdict: VerdictOf(d), Reason: d.Reason, Detail: &d.Detail,
		Src: ev.Src, Dst: ev.Dst, Proto: ev.Proto,
		Stanza: d.Stanza, User: d.User, Mode: d.Mode, Shadow: d.Shadow, Degraded: d.Degraded, From: d.Announced, Input: at,
	}
	e.Title, e.Name = access.TitleOf(d.Number, d.Stanza)
	switch {
	case d.Verdict != policy.Allow:
	case d.Command != nil:
		e.Command = d.Command.Text
	default:
		e.Grant = &d.Grant
	}
}

// VerdictOf returns the verdict of a decision.
func VerdictOf(d *policy.Decision) string {
	switch {
	case d.Verdict == policy.Ignore:
		return Ignored
	case d.Verdict == policy.Deny:
		return Refused
	case d.Shadow:
		return Shadow
	case d.Command != nil:
		return Command
	}
	return Granted
}

// hasPorts reports whether packets of the protocol have ports.
func hasPorts(p parse.Proto) bool { return p == parse.TCP || p == parse.UDP }

// protoName returns the protocol in capitals, or its number.
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

// appendRecordTime appends the time of a record, or instead if it has none.
func appendRecordTime(b []byte, t time.Time, quote, instead string) []byte {
	if t.IsZero() {
		return append(b, instead...)
	}
	return append(appendTime(append(b, quote...), t), quote...)
}

// appendTime appends a time in RFC 3339 format, in UTC with microseconds.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = t.AppendFormat(b, time.RFC3339) // package time has a fast path for this layout
	b = append(b[:len(b)-1], '.')
	us := t.Nanosecond() / 1000
	for div := 100_000; div > 0; div /= 10 {
		b = append(b, '0'+byte(us/div%10))
	}
	return append(b, 'Z')
}

// appendEndTime appends the expiry of a grant, in seconds as kernels keep it.
func appendEndTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, time.RFC3339)
}
