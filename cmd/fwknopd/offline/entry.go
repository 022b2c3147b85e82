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
	Time     time.Time
	Verdict  string
	Reason   policy.Reason
	Detail   policy.Detail
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

// NewEntry puts a decision on an event into words. It shares the decision's memory.
func NewEntry(now time.Time, ev *parse.Event, d *policy.Decision, at ingest.Position) Entry {
	e := Entry{
		Time: now, Verdict: verdictOf(d), Reason: d.Reason, Detail: d.Detail,
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
	return e
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

// Forms of time: records with microseconds, ends with seconds, as kernels keep
// them.
const (
	recordTime = "2006-01-02T15:04:05.000000Z"
	endTime    = "2006-01-02T15:04:05Z"
)
