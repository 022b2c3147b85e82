package report

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
)

// ListText renders grants for --fw-list, one rule a line, numbered from 1:
//
//	num  target      prot    opt source               destination
//	1    ACCEPT      tcp     --  192.0.2.7            0.0.0.0/0            dpt:22 /* _exp_1795333596 */ stanza 3, ends Sun Nov 22 07:46:36 2026, 25s left
//
// Protocols are always names. Times are in the location of now.
func ListText(grants []enforce.Grant, now time.Time) []byte {
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
				write(strconv.Itoa(n), l, "--", l.extra+endText(&part, now))
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
		return []listLine{{"EXTERNAL", "all", g.Src.String(), anywhere(g.Src), ""}}
	}
	l := listLine{"ACCEPT", "all", g.Src.String(), orAnywhere(g.Dst, g.Src), ""}
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
func endText(g *enforce.Grant, now time.Time) string {
	stanza := "no stanza"
	if g.Stanza != 0 {
		stanza = fmt.Sprintf("stanza %d", g.Stanza)
	}
	if g.User != "" {
		stanza += ", user " + strconv.QuoteToASCII(g.User)
	}
	if g.Foreign != "" {
		stanza = "another program's rule"
	}
	switch {
	case g.Expires.IsZero() && g.Foreign != "":
		return fmt.Sprintf("/* no end */ %s, stays as it is: %s", stanza, g.Foreign)
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
