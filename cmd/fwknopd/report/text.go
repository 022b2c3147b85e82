package report

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// noTime is printed if a record has no time.
const noTime = "-"

// AppendLine appends e as one line with its newline:
//
//	TIME INPUT:RECORD VERDICT REASON SRC -> DST PROTO [stanza NAME (FILE:LINE)] [user U]: what
func AppendLine(b []byte, e *Entry) []byte { return append(AppendText(appendPlace(b, e), e), '\n') }

// AppendLineAs is AppendLine with another text in place of the verdict, such as one in a color.
func AppendLineAs(b []byte, e *Entry, verdict string) []byte {
	return append(appendRest(append(appendPlace(b, e), verdict...), e), '\n')
}

// appendPlace appends the time and the input of e and a blank.
func appendPlace(b []byte, e *Entry) []byte {
	b = appendRecordTime(b, e.Time, "", noTime)
	if e.Input.Name != "" {
		b = appendConfigText(append(b, ' '), e.Input.Name)
		b = strconv.AppendInt(append(b, ':'), e.Input.Record, 10)
	}
	return append(b, ' ')
}

// fromFleet stands before the gateway that has announced a message.
const fromFleet = " from the fleet: announced by "

// AppendText appends e without time, input and newline, for logs that have their own.
func AppendText(b []byte, e *Entry) []byte { return appendRest(append(b, e.Verdict...), e) }

// appendRest appends what stands behind the verdict.
func appendRest(b []byte, e *Entry) []byte {
	b = append(append(b, ' '), e.Reason...)
	b = appendAddress(append(b, ' '), e.Src, hasPorts(e.Proto))
	b = appendAddress(append(b, " -> "...), e.Dst, hasPorts(e.Proto))
	b = append(append(b, ' '), protoName(e.Proto)...)
	if e.Title != "" {
		b = append(append(b, ' '), e.Title...)
	}
	if e.User != "" {
		b = appendPacketText(append(b, " user "...), e.User)
	}
	if e.Shadow && e.Verdict != Shadow {
		b = append(b, " shadow"...)
	}
	if e.Degraded {
		b = append(b, " degraded"...)
	}
	if e.From != "" {
		b = appendPacketText(append(b, fromFleet...), e.From)
	}
	return appendOutcome(b, e)
}

func appendAddress(b []byte, a netip.AddrPort, ports bool) []byte {
	switch {
	case !a.Addr().IsValid():
		return append(b, '-')
	case ports:
		return a.AppendTo(b)
	}
	return a.Addr().AppendTo(b)
}

// appendPacketText appends text of a packet, quoted if it would be ambiguous.
func appendPacketText(b []byte, s string) []byte {
	if plainText(s) && !strings.ContainsAny(s, " :") {
		return append(b, s...)
	}
	return strconv.AppendQuoteToASCII(b, s)
}

// appendConfigText appends text of the configuration or command line, quoted if it
// would break the line.
func appendConfigText(b []byte, s string) []byte {
	if plainText(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

func appendOutcome(b []byte, e *Entry) []byte {
	switch {
	case e.Grant != nil:
		return appendGrantText(append(b, ": "...), e)
	case e.Command != "":
		return strconv.AppendQuoteToASCII(append(b, ": "...), e.Command)
	}
	if why := Describe(e.Reason, e.Detail); why != "" {
		b = append(append(b, ": "...), why...)
	}
	return b
}

// appendGrantText appends the client, ports and expiry of the grant.
func appendGrantText(b []byte, e *Entry) []byte {
	g := e.Grant
	b = g.AppendSource(b)
	if g.Dst.IsValid() {
		b = g.Dst.AppendTo(append(b, " to "...))
	}
	b = appendForward(appendPorts(b, g), g.NAT)
	if n := g.NAT; n != nil && n.SNAT.IsValid() {
		b = n.SNAT.AppendTo(append(b, " as "...))
	} else if n != nil && n.Masquerade {
		b = append(b, " masqueraded"...)
	}
	if g.External != nil {
		b = appendConfigText(append(b, " by running "...), strings.Join(g.External.Open, " "))
	}
	if g.Expires.IsZero() {
		return append(b, ", no end"...)
	}
	return appendEndTime(append(b, " until "...), g.Expires)
}

// Describe returns the details of a reason as text.
func Describe(reason policy.Reason, d *policy.Detail) string {
	if d == nil {
		return ""
	}
	var parts []string
	say := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	if d.AgeS != nil && d.MaxAgeS != nil {
		say("%s", ageText(reason, *d.AgeS, *d.MaxAgeS))
	}
	if d.FirstSeen != nil {
		say("first seen %s", appendTime(nil, *d.FirstSeen))
	}
	if d.FirstSrc != "" {
		say("first from %s", conf.Printable(d.FirstSrc))
	}
	if d.Step != nil && d.Steps != nil {
		say("step %d of %d", *d.Step, *d.Steps)
	}
	if d.GapS != nil {
		say("%s", gapText(reason, *d.GapS, d.LimitS))
	}
	if d.Limit != nil {
		say("limit of %d", *d.Limit)
	}
	for _, named := range [...]struct{ name, value string }{
		{"port", d.Port}, {"want", d.Want}, {"got", d.Got}, {"signer", d.Signer},
	} {
		if named.value != "" {
			say("%s %s", named.name, appendPacketText(nil, named.value))
		}
	}
	if d.Text != "" {
		say("%s", conf.Printable(d.Text))
	}
	return strings.Join(parts, ", ")
}

// ageText says how old a packet is, in seconds.
func ageText(reason policy.Reason, age, limit int64) string {
	if reason == policy.SPAFuture {
		return fmt.Sprintf("%d s ahead of us, limit %d s", -age, limit)
	}
	return fmt.Sprintf("%d s old, limit %d s", age, limit)
}

// gapText says how long after another one a packet of a sequence came, in seconds. Without a
// limit it came before that.
func gapText(reason policy.Reason, gap float64, limit *float64) string {
	switch {
	case limit == nil:
		return fmt.Sprintf("%s before the one before", seconds(-gap))
	case reason == policy.KnockTimeout:
		return fmt.Sprintf("%s after the first one, limit %s", seconds(gap), seconds(*limit))
	}
	return fmt.Sprintf("%s after the one before, limit %s", seconds(gap), seconds(*limit))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
