package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// AppendJSON appends e as one JSON object without a newline. The object is flat
// except for detail, grant and input. Members without a value are left out, except
// the timestamp, which is null. Members may be added to version 1, never removed or
// changed.
func AppendJSON(b []byte, e *Entry) []byte {
	b = appendRecordTime(append(b, `{"v":1,"timestamp":`...), e.Time, `"`, "null")
	b = append(b, `,"event_type":"decision","verdict":"`...)
	b = append(b, e.Verdict...)
	if e.Reason != "" {
		b = append(append(b, `","reason":"`...), e.Reason...)
	}
	b = append(b, '"')
	b = appendDetail(b, e.Detail)
	b = appendEndpoint(b, "src", e.Src, hasPorts(e.Proto))
	b = appendEndpoint(b, "dest", e.Dst, hasPorts(e.Proto))
	b = append(append(append(b, `,"proto":"`...), protoName(e.Proto)...), '"')
	b = appendNumber(b, "stanza", e.Stanza)
	b = appendText(b, "stanza_name", e.Name)
	b = appendText(b, "user", e.User)
	b = appendText(b, "mode", e.Mode)
	if e.Shadow {
		b = append(b, `,"shadow":true`...)
	}
	if e.Degraded {
		b = append(b, `,"degraded":true`...)
	}
	b = appendText(b, "announced_by", e.From)
	if e.Grant != nil {
		name := `,"grant":`
		if e.Verdict == Shadow {
			name = `,"would_grant":`
		}
		b = appendGrant(append(b, name...), e.Grant, time.Time{})
	}
	b = appendText(b, "command", e.Command)
	if e.Input.Name != "" {
		b = AppendQuoted(append(b, `,"input":{"name":`...), e.Input.Name)
		b = strconv.AppendInt(append(b, `,"record":`...), e.Input.Record, 10)
		b = append(b, '}')
	}
	return append(b, '}')
}

// AppendDifferenceJSON appends then, with now as the member was.
func AppendDifferenceJSON(b []byte, then, now *Entry) []byte {
	b = AppendJSON(b, then)
	b = append(b[:len(b)-1], `,"was":`...)
	return append(AppendJSON(b, now), '}')
}

func appendDetail(b []byte, d *policy.Detail) []byte {
	if d == nil || *d == (policy.Detail{}) {
		return b
	}
	text, err := json.Marshal(d)
	if err != nil {
		return b // cannot happen: a Detail holds numbers, times and strings
	}
	return appendEscaped(append(b, `,"detail":`...), text)
}

// appendEndpoint appends who_ip, and who_port if the protocol has ports.
func appendEndpoint(b []byte, who string, a netip.AddrPort, ports bool) []byte {
	if !a.Addr().IsValid() {
		return b
	}
	b = append(append(append(b, `,"`...), who...), `_ip":"`...)
	b = append(a.Addr().AppendTo(b), '"')
	if ports {
		b = append(append(append(b, `,"`...), who...), `_port":`...)
		b = strconv.AppendUint(b, uint64(a.Port()), 10)
	}
	return b
}

func appendNumber(b []byte, name string, n int) []byte {
	if n == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, int64(n), 10)
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return AppendQuoted(b, value)
}

// AppendQuoted appends s as a JSON string. Printable ASCII, the common case, is
// copied.
func AppendQuoted(b []byte, s string) []byte {
	if plainText(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	if !utf8.ValidString(s) {
		s = string([]rune(s)) // invalid UTF-8 becomes U+FFFD
	}
	text, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // a valid string always encodes
	}
	return appendEscaped(b, text)
}

// appendEscaped appends JSON in which characters that are not [conf.Graphic] are escaped.
// They occur in strings only.
func appendEscaped(b, object []byte) []byte {
	if !bytes.ContainsFunc(object, func(r rune) bool { return !conf.Graphic(r) }) {
		return append(b, object...) // control characters are escaped already
	}
	for len(object) > 0 {
		r, size := utf8.DecodeRune(object)
		switch {
		case conf.Graphic(r):
			b = append(b, object[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		object = object[size:]
	}
	return b
}

func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
