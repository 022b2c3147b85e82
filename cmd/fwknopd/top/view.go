package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// Styles that a terminal without colors has too.
var (
	bold    = ansi.NewStyle().Bold()
	faint   = ansi.NewStyle().Faint()
	reverse = ansi.NewStyle().Reverse(true)
)

const (
	minSplitHeight = 18 // less has room for one list only
	minSplitWidth  = 60
	marker         = "> " // before the selected row
)

// View paints the model.
func (m *model) View() tea.View {
	if m.painted == "" {
		m.painted = strings.Join(m.lines(), "\n")
	}
	v := tea.NewView(m.painted)
	v.AltScreen, v.DisableBracketedPasteMode = true, true
	return v
}

// lines returns the screen, each line at most as wide as it is.
func (m *model) lines() []string {
	lines := m.header()
	body := max(m.height-len(lines)-1, 0)
	switch {
	case m.help:
		lines = append(lines, m.page(wrapped(helpText, m.width), body)...)
	case m.details != nil:
		lines = append(lines, m.page(m.details(m.width), body)...)
	default:
		lines = append(lines, m.lists(body)...)
	}
	lines = append(lines, m.footer())
	lines = lines[:min(len(lines), max(m.height, 1))]
	for i := range lines {
		if textWidth(lines[i]) > m.width {
			lines[i] = ansi.Truncate(lines[i], m.width, "")
		}
	}
	return lines
}

// page returns a part of a text in exactly that height.
func (m *model) page(text []string, height int) []string {
	m.scrolled = max(min(m.scrolled, len(text)-height), 0)
	text = text[m.scrolled:]
	return pad(slices.Clone(text[:min(len(text), height)]), height)
}

// pad returns lines in exactly that height.
func pad(lines []string, height int) []string {
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines[:height]
}

// header returns what is said of the daemon.
func (m *model) header() (lines []string) {
	s := m.status
	if s == nil {
		return []string{"fwknopd"}
	}
	clock := m.now.In(m.zone).Format(time.TimeOnly)
	if m.paused {
		clock = cli.Yellow.Paint(fmt.Sprintf("paused, %d new", len(m.held)))
	}
	parts := []string{
		bold.Styled("fwknopd " + conf.Printable(s.Version)), m.health(), conf.Count(len(m.grants), "grant"),
		"up " + durationText(time.Duration(s.UptimeS*float64(time.Second))), conf.Count(s.Restarts, "restart"),
		fmt.Sprintf("pid %d, worker %d", s.PID, s.WorkerPID),
	}
	lines = append(lines, ends(strings.Join(parts, "  "), clock, m.width))
	r := &m.rate
	text := fmt.Sprintf("decisions/s: %s granted, %s refused", rateText(r.grantedRate), rateText(r.refusedRate))
	if c := s.Counters; c != nil {
		text += fmt.Sprintf("  rate limited: %d", c.RateLimited)
	}
	if m.missed > 0 {
		text += cli.Yellow.Paint(fmt.Sprintf("  events not shown: %d", m.missed))
	}
	if m.filter != "" {
		text = ends(text, "filter: "+conf.Printable(m.filter), m.width)
	}
	lines = append(lines, text)
	if trouble := m.trouble(); trouble != "" {
		lines = append(lines, cli.Red.Paint(ansi.Truncate(conf.Printable(trouble), m.width, "…")))
	}
	return lines
}

// health returns how the firewall does.
func (m *model) health() string {
	f := &m.status.Firewall
	name := conf.Printable(f.Type)
	switch {
	case m.gone != nil:
		return cli.Red.Paint("does not answer")
	case f.Unconfirmed != "" || m.unconfirmed != nil:
		return cli.Red.Paint(name + " does not answer")
	case f.Error != "":
		return cli.Yellow.Paint(name + " had an error")
	}
	return cli.Green.Paint(name + " ok")
}

// trouble returns what is wrong, "" if nothing is.
func (m *model) trouble() string {
	s := m.status
	if m.gone != nil {
		return m.gone.Error() + "; waiting for it"
	}
	var list []string
	add := func(what, text string) {
		if text != "" {
			list = append(list, what+text)
		}
	}
	add("", s.Firewall.Unconfirmed)
	if f := &s.Firewall; f.Error != "" {
		add("firewall, "+f.ErrorTime.In(m.zone).Format(time.TimeOnly)+": ", f.Error)
	}
	add("", s.Waiting)
	add("worker keeps its configuration: ", s.NotApplied)
	add("worker ended: ", s.LastEnd)
	add("sandbox: ", s.Unconfined)
	if s.WorkerPID == 0 {
		add("", "no worker runs")
	} else if s.Counters == nil {
		add("", "the worker does not answer")
	}
	return strings.Join(list, "; ")
}

// ends returns a line with a text at each end, of which the right one is whole.
func ends(left, right string, width int) string {
	room := max(width-textWidth(right)-1, 0)
	return fit(left, room) + " " + right
}

// footer returns the last line: a question, or which keys there are.
func (m *model) footer() string {
	text := "? help  q quit  tab list  enter explain  r revoke  / filter  p pause"
	switch {
	case m.filtering:
		text = "/" + conf.Printable(m.typed) + "_"
	case m.revoking != nil:
		text = fit(cli.Yellow.Paint("close "+conf.Printable(m.revoking.what())+"? y/n"), m.width)
	case m.notice != "":
		text = conf.Printable(m.notice)
	case m.help || m.details != nil:
		text = "up, down: move  any other key: back"
	default:
		return faint.Styled(text)
	}
	return text
}

// lists returns the lists in exactly that height: all of them, or in a small terminal the one
// that has the focus.
func (m *model) lists(height int) (lines []string) {
	if height < minSplitHeight || m.width < minSplitWidth {
		return m.list(m.focus, height)
	}
	const around = 2 // lines of a list beside its rows
	sources := min(max(len(m.sources), 1), 4) + around
	grants := min(max(len(m.shownGrants()), 1)+around, (height-sources)/2)
	lines = append(lines, m.list(grantPane, grants)...)
	lines = append(lines, m.list(eventPane, height-sources-grants)...)
	return append(lines, m.list(sourcePane, sources)...)
}

// list returns one list in exactly that height.
func (m *model) list(p pane, height int) []string {
	var columns []column
	var rows [][]string
	style := func(int, int, string) string { return "" }
	first, selected := 0, m.selected(p)
	visible := max(height-2, 0)
	title := ""
	switch p {
	case grantPane:
		list := m.shownGrants()
		first = window(selected, len(list), visible)
		columns, title = grantColumns, fmt.Sprintf("grants %d", len(list))
		list = list[first:min(first+visible, len(list))]
		for _, g := range list {
			rows = append(rows, g.cells(m.now))
		}
		style = func(r, i int, text string) string { return list[r].style(i, text, m.now) }
	case eventPane:
		list := m.shownEvents()
		first = window(selected, len(list), visible)
		columns, title = eventColumns, fmt.Sprintf("events %d", len(list))
		list = list[first:min(first+visible, len(list))]
		for _, e := range list {
			rows = append(rows, e.cells(m.zone))
		}
		style = func(r, i int, text string) string { return list[r].style(i, text) }
	case sourcePane:
		first = window(selected, len(m.sources), visible)
		columns, title = sourceColumns, fmt.Sprintf("sources %d", len(m.sources))
		for i := first; i < min(first+visible, len(m.sources)); i++ {
			rows = append(rows, m.sources[i].cells())
		}
		style = func(_, _ int, text string) string { return text }
	}
	return m.paintList(p, title, columns, rows, selected-first, height, style)
}

// paintList returns a list with its title. style adds control sequences to the cell of a row
// and a column.
func (m *model) paintList(p pane, title string, columns []column, rows [][]string, selected, height int, style func(row, column int, text string) string) []string {
	line := "── " + title + " "
	line += strings.Repeat("─", max(m.width-textWidth(line), 0))
	if p == m.focus {
		line = bold.Styled(line)
	} else {
		line = faint.Styled(line)
	}
	w := widths(columns, rows, m.width-len(marker)+gap)
	lines := []string{line, faint.Styled(strings.Repeat(" ", len(marker)) + row(titles(columns), w, nil))}
	for r, cells := range rows {
		if r == selected && p == m.focus {
			lines = append(lines, reverse.Styled(fit(marker+row(cells, w, func(i int, text string) string {
				return ansi.Strip(style(r, i, text))
			}), m.width)))
			continue
		}
		lines = append(lines, strings.Repeat(" ", len(marker))+row(cells, w, func(i int, text string) string { return style(r, i, text) }))
	}
	return pad(lines, height)
}

// style paints the cell of a column: the bar, and the color of how much is left.
func (g *grant) style(i int, text string, now time.Time) string {
	if i != 0 {
		return text
	}
	_, part := g.left(now)
	paint := cli.Green
	if part < 0.2 {
		paint = cli.Yellow
	}
	return paint.Paint(bar(part, textWidth(text)))
}

// what names a grant in a question.
func (g *grant) what() string {
	return strings.TrimSpace(g.service + " for " + g.SourceText() + " " + g.more())
}

// style paints the cell of a column: what happened.
func (e *event) style(i int, text string) string {
	if i != 1 {
		return text
	}
	return e.paint().Paint(text)
}

// shownGrants returns the grants that the filter finds, the one that ends first at the top.
func (m *model) shownGrants() []*grant {
	filter := strings.ToLower(m.filter)
	return filtered(m.grants, func(g *grant) bool { return g.matches(filter) })
}

// shownEvents returns the events that the filter finds, the newest first.
func (m *model) shownEvents() []*event {
	filter := strings.ToLower(m.filter)
	list := filtered(m.events, func(e *event) bool { return e.matches(filter) })
	slices.Reverse(list)
	return list
}

// keys returns what names the items of a list.
func (m *model) keys(p pane) (list []string) {
	switch p {
	case grantPane:
		for _, g := range m.shownGrants() {
			list = append(list, g.key)
		}
	case eventPane:
		for _, e := range m.shownEvents() {
			list = append(list, strconv.Itoa(e.id))
		}
	case sourcePane:
		for i := range m.sources {
			list = append(list, m.sources[i].Name)
		}
	}
	return list
}

// selected returns which item of a list is selected.
func (m *model) selected(p pane) int {
	c := m.panes[p]
	if c.key == "" {
		return 0
	}
	keys := m.keys(p)
	if i := slices.Index(keys, c.key); i >= 0 {
		return i
	}
	return max(min(c.at, len(keys)-1), 0)
}

// explain returns what says all of what is selected, nil if nothing is.
func (m *model) explain() func(width int) []string {
	i := m.selected(m.focus)
	grants, events := m.shownGrants(), m.shownEvents()
	switch {
	case m.focus == grantPane && i < len(grants):
		g := *grants[i]
		return func(width int) []string { return g.explanation(width, m.now) }
	case m.focus == eventPane && i < len(events):
		e := *events[i]
		return e.explanation
	}
	return nil
}
