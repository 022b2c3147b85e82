package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// An Open is what a gateway of a fleet says of what is open there. Its JSON passes between gateways:
// members may be added, never removed or changed.
type Open struct {
	V      int             `json:"v"` // 1
	Grants []enforce.Grant `json:"grants"`
	Titles Titles          `json:"titles,omitempty"`
	More   int             `json:"more,omitempty"` // how many grants there was no room for
	// Unconfirmed: the firewall did not answer, Grants are those that the daemon has opened.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// ParseOpen reads what [Open.JSON] returned at any gateway.
func ParseOpen(text []byte) (o Open, err error) {
	err = json.Unmarshal(text, &o)
	return o, err
}

// JSON returns the JSON of o, in limit bytes at most: of the grants those that end last are left out, and
// counted. Commands that close are nothing to others.
func (o Open) JSON(limit int) ([]byte, error) {
	total := len(o.Grants)
	o.V, o.Grants = 1, slices.Clone(o.Grants)
	sortByEnd(o.Grants)
	for i, g := range o.Grants {
		if g.External != nil {
			o.Grants[i].External = &enforce.External{Open: g.External.Open}
		}
	}
	for {
		text, err := json.Marshal(o)
		if err != nil || len(text) <= limit || len(o.Grants) == 0 {
			return text, err
		}
		o.Grants = o.Grants[:len(o.Grants)*limit/(len(text)+limit/8)]
		o.More = total - len(o.Grants)
	}
}

// sortByEnd sorts grants by their ends, those without one last.
func sortByEnd(grants []enforce.Grant) {
	enforce.SortGrants(grants)
	slices.SortStableFunc(grants, func(a, b enforce.Grant) int {
		if a.Expires.IsZero() || b.Expires.IsZero() {
			return cmp.Compare(zero(a.Expires), zero(b.Expires))
		}
		return a.Expires.Compare(b.Expires)
	})
}

func zero(t time.Time) int {
	if t.IsZero() {
		return 1
	}
	return 0
}

// A Gateway is what a fleet knows of what is open at one of its gateways.
type Gateway struct {
	Name    string
	Self    bool          // the list is its own, of this moment
	Heard   bool          // the gateway is heard of now
	Said    time.Time     // when it said so last; zero: never
	Age     time.Duration // since then
	Damaged bool          // what it said cannot be read
	Open
}

// now leaves only grants that have not ended: a gateway that is cut off closes in time too.
func (g *Gateway) now(now time.Time) []enforce.Grant {
	open := slices.DeleteFunc(slices.Clone(g.Grants), func(g enforce.Grant) bool { return !g.Expires.IsZero() && !g.Expires.After(now) })
	sortByEnd(open)
	return open
}

// GatewaysText renders what is open at gateways: for each a line, and what [ListText] returns.
func GatewaysText(list []Gateway, now time.Time) []byte {
	var b bytes.Buffer
	for i := range list {
		g := &list[i]
		open := g.now(now)
		fmt.Fprintf(&b, "%s%s: %s\n", conf.Printable(g.Name), g.heardText(), g.countText(len(open)))
		if len(open) == 0 {
			continue
		}
		for line := range bytes.Lines(ListText(open, g.Titles, now)) {
			b.WriteString("  " + conf.Printable(string(bytes.TrimSuffix(line, []byte("\n")))) + "\n")
		}
	}
	return b.Bytes()
}

// heardText returns how old the word of a gateway is.
func (g *Gateway) heardText() string {
	switch age := g.Age.Round(time.Second); {
	case g.Self:
		return " (this gateway)"
	case g.Said.IsZero():
		return ""
	case g.Heard:
		return fmt.Sprintf(", said %v ago", age)
	default:
		return fmt.Sprintf(", not heard of now, last heard %v ago", age)
	}
}

// countText returns how many grants are open.
func (g *Gateway) countText(n int) string {
	text := conf.Count(n, "grant")
	switch {
	case g.Damaged:
		return "what it said cannot be read"
	case g.Said.IsZero() && !g.Self:
		return "has not said what is open"
	case n == 0 && g.More == 0:
		return "nothing is open"
	case g.More > 0:
		text += fmt.Sprintf(", and %d more that are not listed", g.More)
	}
	if g.Unconfirmed {
		text += ", by its daemon: its firewall did not answer"
	}
	return text
}

// GatewaysJSON returns what is open at gateways as one JSON document on a line. Members may be added,
// never removed or changed.
func GatewaysJSON(list []Gateway, now time.Time) []byte {
	b := []byte(`{"v":1,"gateways":[`)
	for i := range list {
		g := &list[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendQuoted(append(b, `{"gateway":`...), g.Name)
		b = strconv.AppendBool(append(b, `,"heard":`...), g.Heard || g.Self)
		if !g.Said.IsZero() {
			b = append(appendTime(append(b, `,"said":"`...), g.Said), '"')
			b = strconv.AppendFloat(append(b, `,"age_s":`...), g.Age.Round(time.Millisecond).Seconds(), 'f', -1, 64)
		}
		for _, flag := range []struct {
			name string
			on   bool
		}{{"self", g.Self}, {"damaged", g.Damaged}, {"unconfirmed", g.Unconfirmed}} {
			if flag.on {
				b = append(append(append(b, `,"`...), flag.name...), `":true`...)
			}
		}
		b = appendNumber(b, "more", g.More)
		b = append(b, bytes.TrimSpace(grantsJSON(`,"grants":[`, g.now(now), g.Titles, now))...)
	}
	return append(b, "]}\n"...)
}

// FleetEventText returns an object of the event log of a gateway as a line without its end: one that is
// none too, which then has the time stored.
func FleetEventText(gateway string, stored time.Time, object []byte) string {
	e, err := ParseLogged(object)
	if err != nil || !e.IsEvent() {
		return fmt.Sprintf("%s %s %d bytes that are no event", conf.Printable(gateway), appendTime(nil, stored), len(object))
	}
	return conf.Printable(gateway) + " " + e.Line()
}

// FleetEventJSON returns an object of the event log of a gateway with the name of that and the time
// stored, as one JSON object without a newline. What is no event is text. Members may be added, never
// removed or changed.
func FleetEventJSON(gateway string, stored time.Time, object []byte) []byte {
	b := AppendQuoted([]byte(`{"v":1,"gateway":`), gateway)
	b = append(appendTime(append(b, `,"stored":"`...), stored), '"')
	var compact bytes.Buffer
	e, err := ParseLogged(object)
	if err != nil || !e.IsEvent() || json.Compact(&compact, bytes.ToValidUTF8(object, []byte("?"))) != nil {
		return append(AppendQuoted(append(b, `,"text":`...), string(bytes.ToValidUTF8(object, []byte("?")))), '}')
	}
	return append(appendEscaped(append(b, `,"event":`...), compact.Bytes()), '}')
}
