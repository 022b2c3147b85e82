package report

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"fwknopd/enforce"
	"fwknopd/policy"
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
	if e.Stanza != 0 {
		b = strconv.AppendInt(append(b, `,"stanza":`...), int64(e.Stanza), 10)
	}
	b = appendText(b, "user", e.User)
	b = appendText(b, "mode", e.Mode)
	if e.Shadow {
		b = append(b, `,"shadow":true`...)
	}
	if e.Grant != nil {
		b = appendGrant(b, e)
	}
	b = appendText(b, "command", e.Command)
	if e.Input.Name != "" {
		b = appendQuoted(append(b, `,"input":{"name":`...), e.Input.Name)
		b = strconv.AppendInt(append(b, `,"record":`...), e.Input.Record, 10)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendDetail(b []byte, d *policy.Detail) []byte {
	if d == nil || *d == (policy.Detail{}) {
		return b
	}
	text, err := json.Marshal(d)
	if err != nil {
		return b // cannot happen: a Detail holds numbers, times and strings
	}
	return append(append(b, `,"detail":`...), text...)
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

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendQuoted(b, value)
}

// appendGrant appends the grant, or would_grant for a shadow stanza.
func appendGrant(b []byte, e *Entry) []byte {
	g := e.Grant
	if e.Verdict == Shadow {
		b = append(b, `,"would_grant":{"src":"`...)
	} else {
		b = append(b, `,"grant":{"src":"`...)
	}
	b = append(g.Src.AppendTo(b), `","ports":[`...)
	if g.All {
		b = append(b, `"all"`...)
	}
	for i, p := range g.Ports {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendPort(append(b, '"'), p), '"')
	}
	b = append(b, ']')
	if !g.Expires.IsZero() {
		b = append(appendEndTime(append(b, `,"expires":"`...), g.Expires), '"')
	}
	if g.Dst.IsValid() {
		b = append(g.Dst.AppendTo(append(b, `,"dst":"`...)), '"')
	}
	if g.Output {
		b = append(b, `,"output":true`...)
	}
	b = appendNAT(b, g.NAT)
	if g.External != nil {
		b = appendArgv(append(b, `,"external":`...), g.External.Open)
	}
	return append(b, '}')
}

func appendNAT(b []byte, n *enforce.NAT) []byte {
	switch {
	case n == nil:
		return b
	case n.Target.IsValid():
		b = append(n.Target.AppendTo(append(b, `,"forward":"`...)), '"')
	default:
		b = append(b, `,"forward":"any"`...)
	}
	if n.Local {
		b = append(b, `,"local":true`...)
	}
	switch {
	case n.SNAT.IsValid():
		b = append(n.SNAT.AppendTo(append(b, `,"snat":"`...)), '"')
	case n.Masquerade:
		b = append(b, `,"snat":"masquerade"`...)
	}
	return b
}

func appendArgv(b []byte, argv []string) []byte {
	b = append(b, '[')
	for i, a := range argv {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, a)
	}
	return append(b, ']')
}

// appendPort appends what [enforce.Port.String] returns.
func appendPort(b []byte, p enforce.Port) []byte {
	b = append(b, p.Proto.String()...)
	if p.HasNumber() {
		b = strconv.AppendUint(append(b, '/'), uint64(p.Number), 10)
	}
	return b
}

// appendQuoted appends s as a JSON string. Printable ASCII, the common case, is
// copied.
func appendQuoted(b []byte, s string) []byte {
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
	return append(b, text...)
}

func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
