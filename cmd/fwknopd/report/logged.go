package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// A Logged is an object of the event log, as far as the commands that read it back use it.
type Logged struct {
	V           int                   `json:"v"`
	Timestamp   string                `json:"timestamp"`
	Type        string                `json:"event_type"`
	Verdict     string                `json:"verdict"`
	Reason      policy.Reason         `json:"reason"`
	Detail      policy.Detail         `json:"detail"`
	Src         string                `json:"src_ip"`
	DstPort     uint16                `json:"dest_port"`
	Proto       string                `json:"proto"`
	Mode        string                `json:"mode"`
	Stanza      int                   `json:"stanza"`
	Name        string                `json:"stanza_name"`
	User        string                `json:"user"`
	Degraded    bool                  `json:"degraded"`     // granted without the fleet
	Announced   string                `json:"announced_by"` // the gateway of the fleet that announced the message
	By          string                `json:"by"`           // who asked for a grant in place of a packet
	Error       string                `json:"error"`
	BlockedBy   []string              `json:"blocked_by"`
	Connections enforce.Connections   `json:"connections"` // of verdict cut
	Count       int                   `json:"count"`       // of a suppressed event: refusals that are not told one by one
	Reasons     map[policy.Reason]int `json:"reasons"`
	Grant       struct {
		Src     string   `json:"src"`
		Sources []string `json:"sources"` // nil: Src alone
		Ports   []string `json:"ports"`
		Expires string   `json:"expires"` // "": no end
		Dst     string   `json:"dst"`
		Forward string   `json:"forward"`
	} `json:"grant"`
}

// ParseLogged reads a line of the event log, in either form. It fails for one that a crash cut
// off.
func ParseLogged(line []byte) (e Logged, err error) {
	err = json.Unmarshal(Plain(line), &e)
	return e, err
}

// About reports whether the event is about a client.
func (e *Logged) About(client netip.Addr) bool {
	if a, err := netip.ParseAddr(e.Src); err == nil && a.Unmap() == client {
		return true
	}
	return slices.ContainsFunc(e.GrantSources(), func(p netip.Prefix) bool { return p.Contains(client) })
}

// GrantSources returns what the grant of the event lets in; nil if there is none.
func (e *Logged) GrantSources() (list []netip.Prefix) {
	texts := e.Grant.Sources
	if texts == nil {
		texts = []string{e.Grant.Src}
	}
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil {
			list = append(list, p)
		} else if a, err := netip.ParseAddr(text); err == nil {
			a = a.Unmap()
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return list
}

// Clients returns what the grant of the event lets in, as text; "" if there is none.
func (e *Logged) Clients() string {
	if e.Grant.Sources == nil {
		return e.Grant.Src
	}
	return strings.Join(e.Grant.Sources, " and ")
}

// Untold returns how many events e stands for without saying whose they are.
func (e *Logged) Untold() int {
	if e.Src != "" || e.Type != "suppressed" && e.Verdict != string(monitor.Lost) {
		return 0
	}
	return e.Count
}

// IsEvent reports whether the object is one of the event log, and not any other that happens to
// be JSON.
func (e *Logged) IsEvent() bool { return e.V == 1 && e.Type != "" && e.Verdict != "" }

// Time returns when it was; zero if the record had no time.
func (e *Logged) Time() time.Time { return timeOf(e.Timestamp) }

// Expires returns when the grant ends; zero if it has no end, or there is none.
func (e *Logged) Expires() time.Time { return timeOf(e.Grant.Expires) }

// timeOf reads a time as objects have it, in UTC; zero if text is none.
func timeOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// Port returns where the packet of a decision went to; ok is false if the event does not say.
func (e *Logged) Port() (p parse.Port, ok bool) {
	for _, proto := range []parse.Proto{parse.TCP, parse.UDP, parse.ICMP, parse.ICMPv6} {
		if protoName(proto) == e.Proto {
			return parse.Port{Proto: proto, Number: e.DstPort}, true
		}
	}
	return p, false
}

// Title returns what the stanza is called, see [conf.StanzaTitle].
func (e *Logged) Title() string { return conf.StanzaTitle(e.Name, 0, conf.Pos{Line: e.Stanza}) }

// Text returns the event as a line, and a line with each remedy that belongs to it.
func (e *Logged) Text() string {
	text := conf.Printable(e.Timestamp) + " " + e.Words() + "\n"
	for _, r := range e.remedies() {
		text += "    remedy: " + r + "\n"
	}
	return text
}

// Words returns the event in words, without its time and client.
func (e *Logged) Words() string {
	var b strings.Builder
	b.WriteString(e.Verdict)
	e.writeRest(&b)
	return conf.Printable(b.String())
}

// Line returns the event as a line without its end, for lists of events of all kinds and
// clients.
func (e *Logged) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", e.Timestamp, e.Type, e.Verdict)
	if e.Src != "" {
		fmt.Fprintf(&b, " from %s", e.Src)
	}
	e.writeRest(&b)
	return conf.Printable(b.String())
}

// Outcome returns what was opened, or the numbers of a refusal, and what went wrong; "" if
// there is nothing to say.
func (e *Logged) Outcome() string {
	var b strings.Builder
	e.writeOutcome(&b)
	return conf.Printable(strings.TrimLeft(b.String(), ":, "))
}

// writeRest writes what follows the verdict.
func (e *Logged) writeRest(b *strings.Builder) {
	if e.Reason != "" {
		fmt.Fprintf(b, " %s", e.Reason)
	}
	if title := e.Title(); title != "" {
		fmt.Fprintf(b, " %s", title)
	}
	if e.User != "" {
		fmt.Fprintf(b, " user %s", e.User)
	}
	if e.Degraded {
		b.WriteString(" degraded")
	}
	if e.Announced != "" {
		b.WriteString(fromFleet + e.Announced)
	}
	if e.By != "" {
		fmt.Fprintf(b, " by the %s", e.By)
	}
	e.writeOutcome(b)
}

// writeOutcome writes what was opened, or the numbers of a refusal, and what went wrong.
func (e *Logged) writeOutcome(b *strings.Builder) {
	switch text := Describe(e.Reason, &e.Detail); {
	case len(e.Grant.Ports) > 0 && e.Grant.Expires == "":
		fmt.Fprintf(b, ": %s %s, no end", e.Clients(), strings.Join(e.Grant.Ports, ","))
	case len(e.Grant.Ports) > 0:
		fmt.Fprintf(b, ": %s %s until %s", e.Clients(), strings.Join(e.Grant.Ports, ","), e.Grant.Expires)
	case text != "":
		fmt.Fprintf(b, ": %s", text)
	case e.Verdict == string(monitor.Lost):
		fmt.Fprintf(b, ": %s", conf.Count(e.Count, "event"))
	}
	for _, r := range slices.Sorted(maps.Keys(e.Reasons)) {
		fmt.Fprintf(b, " %s %d", r, e.Reasons[r])
	}
	if len(e.Reasons) > 0 {
		b.WriteString(", not told one by one")
	}
	b.WriteString(blockedText(e.BlockedBy))
	if text := connectionsText(e.Connections); text != "" {
		b.WriteString(": " + text)
	}
	if e.Error != "" {
		fmt.Fprintf(b, ": %s", e.Error)
	}
}

// remedies returns what there is to do, each once.
func (e *Logged) remedies() (list []string) {
	for _, r := range append(slices.Sorted(maps.Keys(e.Reasons)), e.Reason) {
		if remedy := meanings[r].Remedy; remedy != "" && !slices.Contains(list, remedy) {
			list = append(list, remedy)
		}
	}
	if len(e.BlockedBy) > 0 {
		list = append(list, "let that chain accept it too: fwknopd doctor")
	}
	return list
}

// AppendRemedy appends an object of the event log with the remedy as one more member, if it is
// a refusal.
func (e *Logged) AppendRemedy(b, object []byte) []byte {
	b = append(b, object...)
	remedy := meanings[e.Reason].Remedy
	if remedy == "" || len(b) == 0 || b[len(b)-1] != '}' {
		return b
	}
	return append(appendText(b[:len(b)-1], "remedy", remedy), '}')
}
