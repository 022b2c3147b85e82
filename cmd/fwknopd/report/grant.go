package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// GrantsJSON returns the grants that are open at the time now as one JSON document on a
// line, with the names of their stanzas. Members may be added, never removed or changed.
func GrantsJSON(grants []enforce.Grant, titles Titles, now time.Time) []byte {
	return grantsJSON(`{"v":1,"grants":[`, grants, titles, now)
}

// UnconfirmedJSON is GrantsJSON for grants that come with [enforce.ErrUnconfirmed].
func UnconfirmedJSON(grants []enforce.Grant, titles Titles, now time.Time) []byte {
	return grantsJSON(fmt.Sprintf(`{"v":1,"unconfirmed":%q,"grants":[`, enforce.ErrUnconfirmed), grants, titles, now)
}

// ChangeJSON returns what a change did to a grant at the time now, as one object on a line.
// Members may be added, never removed or changed.
func ChangeJSON(change string, g *enforce.Grant, titles Titles, now time.Time) []byte {
	b := appendText(append(appendTime([]byte(`{"v":1,"timestamp":"`), now), '"'), "change", change)
	var out bytes.Buffer
	json.HTMLEscape(&out, append(appendNamed(append(b, `,"grant":`...), g, titles, now), "}\n"...))
	return out.Bytes()
}

// appendNamed is appendGrant with the NAME of the stanza, and whether connections end with it.
func appendNamed(b []byte, g *enforce.Grant, titles Titles, now time.Time) []byte {
	b = appendGrant(b, g, now)
	if name := titles[g.Stanza].Name; name != "" {
		b = append(appendText(b[:len(b)-1], "stanza_name", name), '}')
	}
	if titles[g.Stanza].CloseConnections {
		b = append(b[:len(b)-1], `,"close_connections":true}`...)
	}
	return b
}

func grantsJSON(begin string, grants []enforce.Grant, titles Titles, now time.Time) []byte {
	b := []byte(begin)
	for i := range grants {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNamed(b, &grants[i], titles, now)
	}
	var out bytes.Buffer
	json.HTMLEscape(&out, append(b, "]}\n"...))
	return out.Bytes()
}

// appendGrant appends a grant as one JSON object: that of a decision or event, or, if now
// is not zero, that of a list, which has the stanza and user too and exact times.
func appendGrant(b []byte, g *enforce.Grant, now time.Time) []byte {
	b = appendAddr(append(b, `{"src":`...), g.Src)
	b = appendSources(b, g)
	b = append(b, `,"ports":[`...)
	if g.All {
		b = append(b, `"all"`...)
	} else {
		for i, p := range g.Ports {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendPort(append(b, '"'), p), '"')
		}
	}
	b = append(b, ']')
	switch {
	case g.Expires.IsZero():
	case now.IsZero():
		b = append(appendEndTime(append(b, `,"expires":"`...), g.Expires), '"')
	default:
		b = g.Expires.UTC().AppendFormat(append(b, `,"expires":"`...), time.RFC3339Nano)
		left := max(g.Expires.Sub(now).Round(time.Millisecond).Seconds(), 0)
		b = strconv.AppendFloat(append(b, `","remaining_s":`...), left, 'f', -1, 64)
	}
	if !now.IsZero() {
		b = appendText(appendNumber(b, "stanza", g.Stanza), "user", g.User)
	}
	if g.Dst.IsValid() {
		b = appendText(b, "dst", g.Dst.String())
	}
	if g.Output {
		b = append(b, `,"output":true`...)
	}
	b = appendNAT(b, g.NAT)
	if g.External != nil && len(g.External.Open) > 0 {
		b = appendArgv(append(b, `,"external":`...), g.External.Open)
	}
	return append(appendText(b, "foreign", g.Foreign), '}')
}

// appendSources appends all that is let in, if that is more than one address.
func appendSources(b []byte, g *enforce.Grant) []byte {
	if g.IsHost() {
		return b
	}
	b = append(b, `,"sources":[`...)
	for i, p := range g.Sources() {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendQuoted(b, enforce.PrefixText(p))
	}
	return append(b, ']')
}

// appendAddr appends an address as a JSON string. The zone of one that the worker sent
// may be any text.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Zone() != "" {
		return AppendQuoted(b, a.String())
	}
	return append(a.AppendTo(append(b, '"')), '"')
}

// appendPort appends what [enforce.Port.String] returns.
func appendPort(b []byte, p enforce.Port) []byte {
	b = append(b, p.Proto.String()...)
	if p.HasNumber() {
		b = strconv.AppendUint(append(b, '/'), uint64(p.Number), 10)
	}
	return b
}

func appendNAT(b []byte, n *enforce.NAT) []byte {
	if n == nil {
		return b
	}
	to := "any"
	if n.Target.IsValid() {
		to = n.Target.String()
	}
	b = appendText(b, "forward", to)
	if n.Local {
		b = append(b, `,"local":true`...)
	}
	switch {
	case n.Masquerade:
		b = appendText(b, "snat", "masquerade")
	case n.SNAT.IsValid():
		b = appendText(b, "snat", n.SNAT.String())
	}
	return b
}

func appendArgv(b []byte, argv []string) []byte {
	b = append(b, '[')
	for i, a := range argv {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendQuoted(b, a)
	}
	return append(b, ']')
}

// GrantText returns a short description of a grant, for messages about it.
func GrantText(g *enforce.Grant) string {
	b := appendPorts([]byte(clientsText(g)), g)
	if g.Dst.IsValid() {
		b = g.Dst.AppendTo(append(b, " on "...))
	}
	b = appendForward(b, g.NAT)
	if g.External != nil {
		b = append(b, " by command"...)
	}
	return string(b)
}

// appendPorts appends the ports of a grant, each after a separator.
func appendPorts(b []byte, g *enforce.Grant) []byte {
	if g.All {
		b = append(b, " everything"...)
	}
	for i, p := range g.Ports {
		sep := byte(',')
		if i == 0 {
			sep = ' '
		}
		b = appendPort(append(b, sep), p)
	}
	return b
}

// appendForward appends where a translation leads.
func appendForward(b []byte, n *enforce.NAT) []byte {
	switch {
	case n == nil:
		return b
	case n.Target.IsValid():
		return n.Target.AppendTo(append(b, " forwarded to "...))
	}
	return append(b, " forwarded"...)
}

// ClosedText returns the ports and client of a grant that was closed on request.
func ClosedText(g *enforce.Grant) string {
	text := strings.Join(g.PortNames(), ",")
	if g.External != nil {
		text = strings.Join(append(g.PortNames(), "by command"), " ")
	}
	return text + " for " + clientsText(g)
}

// clientsText returns what a grant lets in: "192.0.2.7", "192.0.2.0/24".
func clientsText(g *enforce.Grant) string {
	if g.IsHost() {
		return g.Src.String()
	}
	return g.SourceText()
}

// OpenText returns when an open grant ends, its ports and its client. Times are in the location
// of now.
func OpenText(g *enforce.Grant, now time.Time) string {
	if g.Expires.IsZero() {
		return "without end: " + ClosedText(g)
	}
	left := max(g.Expires.Sub(now), 0).Round(time.Second)
	return fmt.Sprintf("until %s, %v left: %s", g.Expires.In(now.Location()).Format(time.ANSIC), left, ClosedText(g))
}

// ListText renders grants for --fw-list, one rule a line, numbered from 1, with their
// stanzas:
//
//	num  target      prot    opt source               destination
//	1    ACCEPT      tcp     --  192.0.2.7            0.0.0.0/0            dpt:22 /* _exp_1795333596 */ stanza alice (access.conf:3), ends Sun Nov 22 07:46:36 2026, 25s left
//
// Protocols are always names. Times are in the location of now.
func ListText(grants []enforce.Grant, titles Titles, now time.Time) []byte {
	var b bytes.Buffer
	write := func(num string, l listLine, opt, extra string) {
		text := fmt.Sprintf(listFormat, num, l.target, l.proto, opt, l.source, l.dest, extra)
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	write("num", listLine{"target", "prot", "source", "destination", ""}, "opt", "")
	n := 0
	for _, g := range grants {
		for _, part := range g.Split() {
			for _, l := range listLines(&part) {
				n++
				write(strconv.Itoa(n), l, "--", l.extra+endText(&part, titles.of(g.Stanza)+titles.ending(g.Stanza), now))
			}
		}
	}
	return b.Bytes()
}

const listFormat = "%-4s %-11s %-7s %-3s %-20s %-20s %s"

// A listLine is one rule's columns.
type listLine struct{ target, proto, source, dest, extra string }

// listLines returns the rules of a grant of one port, the translation first.
func listLines(g *enforce.Grant) (lines []listLine) {
	if g.External != nil {
		return []listLine{{"EXTERNAL", "all", clientsText(g), anywhere(g.Src), ""}}
	}
	l := listLine{"ACCEPT", "all", clientsText(g), orAnywhere(g.Dst, g.Src), ""}
	port := ""
	if len(g.Ports) == 1 {
		l.proto = g.Ports[0].Proto.String()
		if g.Ports[0].HasNumber() {
			port = fmt.Sprintf("pt:%d ", g.Ports[0].Number)
			l.extra = "d" + port
		}
	}
	switch {
	case g.NAT == nil:
		lines = append(lines, l)
	case g.NAT.Target.IsValid():
		l.target = "DNAT"
		l.extra += "to:" + targetText(g.NAT.Target) + " "
		lines = append(lines, l)
	default:
		l.extra += "forward "
		lines = append(lines, l)
	}
	if g.NAT != nil && g.NAT.Masquerade {
		lines = append(lines, listLine{"MASQUERADE", l.proto, l.source, l.dest, ""})
	}
	if g.NAT != nil && g.NAT.SNAT.IsValid() {
		lines = append(lines, listLine{"SNAT", l.proto, l.source, l.dest, "to:" + g.NAT.SNAT.String() + " "})
	}
	if g.Output {
		mirror := listLine{"ACCEPT", l.proto, l.dest, l.source, ""}
		if port != "" {
			mirror.extra = "s" + port
		}
		lines = append(lines, mirror)
	}
	return lines
}

// targetText omits the port if it is not translated.
func targetText(t netip.AddrPort) string {
	if t.Port() == 0 {
		return t.Addr().String()
	}
	return t.String()
}

// anywhere returns the network of all addresses of the family of like.
func anywhere(like netip.Addr) string {
	if like.Is4() {
		return "0.0.0.0/0"
	}
	return "::/0"
}

func orAnywhere(a, like netip.Addr) string {
	if a.IsValid() {
		return a.String()
	}
	return anywhere(like)
}

// endText returns when a grant ends, as programs and as people read it.
func endText(g *enforce.Grant, stanza string, now time.Time) string {
	stanza = cmp.Or(stanza, "no stanza")
	if g.User != "" {
		stanza += ", user " + strconv.QuoteToASCII(g.User)
	}
	if g.Foreign != "" {
		stanza = "another program's rule"
	}
	switch {
	case g.Expires.IsZero() && g.Foreign != "":
		return fmt.Sprintf("/* no end */ %s, stays as it is: %s", stanza, conf.Printable(g.Foreign))
	case g.Expires.IsZero():
		return fmt.Sprintf("/* no end */ %s, does not end", stanza)
	}
	left := g.Expires.Sub(now).Round(time.Second)
	words := left.String() + " left"
	if left <= 0 {
		words = "has ended"
	}
	return fmt.Sprintf("/* %s%d */ %s, ends %s, %s", enforce.ExpiryPrefix, enforce.CeilSecond(g.Expires), stanza,
		g.Expires.In(now.Location()).Format(time.ANSIC), words)
}
