package top

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// A grant is an open grant as the view has it.
type grant struct {
	enforce.Grant
	key     string
	name    string        // of the stanza
	title   string        // likewise
	full    time.Duration // from its opening, as far as that was seen, to its end
	service string        // its ports
}

// An opening is when a grant was opened or extended, by an event.
type opening struct{ at, until time.Time }

// endTolerance is how exactly the end of a grant in the firewall is that of its event.
const endTolerance = 2 * time.Second

// setGrants takes what is open now, sorted by its end. Those that were known before show how long
// each lasts in all.
func (m *model) setGrants(list []enforce.Grant, titles report.Titles, now time.Time) {
	before := make(map[string]grant, len(m.grants))
	for _, g := range m.grants {
		before[g.key] = g
	}
	m.grants = make([]grant, len(list))
	for i := range list {
		g := grant{Grant: list[i], key: list[i].Key(), service: strings.Join(list[i].PortNames(), ",")}
		n := titles[g.Stanza]
		g.name, g.title = n.Name, n.Title
		g.full = m.fullTime(&g, before[g.key], now)
		m.grants[i] = g
	}
	slices.SortStableFunc(m.grants, func(a, b grant) int {
		if a.Expires.IsZero() || b.Expires.IsZero() {
			return b.Expires.Compare(a.Expires) // without end is the last
		}
		return a.Expires.Compare(b.Expires)
	})
	for src, list := range m.openings {
		list = slices.DeleteFunc(list, func(o opening) bool { return o.until.Before(now) })
		if m.openings[src] = list; len(list) == 0 {
			delete(m.openings, src)
		}
	}
}

// fullTime returns how long a grant lasts in all: by the event of its opening, else since it
// was seen first. old is what was known of it, zero if it is new.
func (m *model) fullTime(g *grant, old grant, now time.Time) time.Duration {
	switch lasts := m.lasts(g); {
	case g.Expires.IsZero():
		return 0
	case lasts > 0:
		return lasts
	case g.Expires.Sub(old.Expires).Abs() <= endTolerance:
		return old.full
	}
	return g.Expires.Sub(now)
}

// maxOpenings bounds what is known of a client.
const maxOpenings = 16

// noteOpening keeps when an event says that a grant was opened, or that it ends later.
func (m *model) noteOpening(e *event) {
	until := e.Expires()
	if until.Before(m.now) { // or there is none
		return
	}
	for _, p := range e.GrantSources() {
		client := enforce.PrefixText(p)
		list := append(m.openings[client], opening{e.at, until})
		m.openings[client] = list[max(len(list)-maxOpenings, 0):]
	}
}

// lasts returns how long a grant lasts in all, by the event of its opening; 0: not known.
func (m *model) lasts(g *grant) time.Duration {
	for _, o := range m.openings[g.SourceText()] {
		if o.until.Sub(g.Expires).Abs() <= endTolerance {
			return o.until.Sub(o.at)
		}
	}
	return 0
}

// left returns how long a grant is open yet, and which part of its time that is, 0 to 1; one
// without end has all of it.
func (g *grant) left(now time.Time) (time.Duration, float64) {
	if g.Expires.IsZero() {
		return 0, 1
	}
	left := max(g.Expires.Sub(now), 0)
	if g.full <= 0 {
		return left, 0
	}
	return left, min(float64(left)/float64(g.full), 1)
}

// leftText returns the time that a grant has left.
func (g *grant) leftText(now time.Time) string {
	if g.Expires.IsZero() {
		return "no end"
	}
	left, _ := g.left(now)
	return durationText(left)
}

// durationText returns a duration in its two largest units.
func durationText(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return d.String()
}

// The parts of a bar.
const barFull, barEmpty = "█", "░"

// bar returns a bar of a width in characters, a part of which is full.
func bar(part float64, width int) string {
	n := int(math.Ceil(part * float64(width)))
	n = min(max(n, 0), width)
	return strings.Repeat(barFull, n) + strings.Repeat(barEmpty, width-n)
}

// grantColumns are those of the list of grants.
var grantColumns = []column{
	{title: "TIME LEFT", keep: 7, min: 5, natural: 20}, {title: "", keep: 8, min: 6}, {title: "CLIENT", keep: 9, min: 13}, {title: "PORTS", keep: 6, min: 6},
	{title: "STANZA", keep: 5, min: 6}, {title: "USER", keep: 4, min: 5}, {title: "MORE", keep: 3, min: 8},
}

func (g *grant) cells(now time.Time) []string {
	cells := []string{"", g.leftText(now), g.SourceText(), g.service, stanzaText(g.name, g.Stanza), g.User, g.more()}
	for i := range cells {
		cells[i] = conf.Printable(cells[i])
	}
	return cells
}

// more returns what is not in the other columns.
func (g *grant) more() string {
	if g.Foreign != "" {
		return "another program's rule"
	}
	text := strings.TrimPrefix(report.GrantText(&g.Grant), g.SourceText())
	for _, ports := range []string{" everything", " " + g.service} {
		text = strings.TrimPrefix(text, ports)
	}
	return strings.TrimSpace(text)
}

// matches reports whether a filter, in lower case, finds the grant.
func (g *grant) matches(filter string) bool {
	return strings.Contains(strings.ToLower(strings.Join([]string{g.SourceText(), g.service, g.title, g.name, g.User}, " ")), filter)
}

// explanation returns all there is to say of a grant, as lines that fit into the width.
func (g *grant) explanation(width int, now time.Time) []string {
	text := report.OpenText(&g.Grant, now)
	if g.title != "" {
		text += "\n" + g.title
	}
	if g.User != "" {
		text += "\nuser " + g.User
	}
	if more := g.more(); more != "" {
		text += "\n" + more
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = conf.Printable(lines[i])
	}
	return wrapped(strings.Join(lines, "\n"), width)
}
