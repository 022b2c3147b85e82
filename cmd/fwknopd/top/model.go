package top

import (
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
)

// A model is all that the view shows. It changes by messages alone, has the time from them,
// and asks the daemon only in the commands that it returns.
type model struct {
	d             daemon
	zone          *time.Location
	width, height int
	now           time.Time

	gone        error // why the daemon does not answer; nil: it does
	status      *report.Status
	statusAt    time.Time
	sources     []source
	grants      []grant
	unconfirmed error // the firewall does not answer
	openings    map[string][]opening
	events      []event // the newest last
	count       int     // events so far
	missed      int     // events that the daemon says are missing
	rate        decisionRate

	stale  bool // the grants have to be listed again
	asked  bool // a status is asked for
	listed bool // likewise the grants

	panes     [paneCount]cursor
	focus     pane
	paused    bool
	held      [][]byte // events during the pause
	filter    string
	filtering bool                     // the filter is being typed
	typed     string                   // so far
	revoking  *grant                   // that the user is asked about
	notice    string                   // what came of the last action
	details   func(width int) []string // that are shown in place of the lists, as lines; nil: none
	scrolled  int                      // lines of the details or help
	help      bool
	painted   string // the screen; "": it has to be painted again
}

// A pane is one of the lists.
type pane int

const (
	grantPane pane = iota
	eventPane
	sourcePane
	paneCount
)

// A cursor is where the user is in a list: at the item with that key, or, if it is gone, at
// the same place. The zero value is at the first one.
type cursor struct {
	key string
	at  int
}

// The messages of the model, beside those of the terminal.
type (
	tickMsg   time.Time
	eventsMsg [][]byte
	linkMsg   struct{ err error } // nil: events come
	statusMsg struct {
		status *report.Status
		err    error
		at     time.Time
	}
	grantsMsg struct {
		grants []enforce.Grant
		titles report.Titles
		err    error
		at     time.Time
	}
	revokedMsg struct {
		what string
		err  error
	}
)

const (
	pollInterval = time.Second     // of the status
	recent       = 5 * time.Second // age of events that count in rates, unlike those of the history
)

func newModel(d daemon, zone *time.Location) *model {
	return &model{d: d, zone: zone, width: 80, height: 24, openings: make(map[string][]opening), stale: true, focus: eventPane}
}

func tick() tea.Cmd {
	return tea.Tick(pollInterval, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// Init asks for the grants and starts the clock.
func (m *model) Init() tea.Cmd { return tea.Batch(m.askGrants(), tick()) }

// Update takes a message and returns what is to be asked.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if _, ticks := msg.(tickMsg); !ticks || m.asked { // else the status comes soon, and paints the time too
		m.painted = ""
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tickMsg:
		return m, tea.Batch(m.poll(time.Time(msg)), tick())
	case eventsMsg:
		m.takeEvents(msg)
	case linkMsg:
		if m.gone = msg.err; msg.err == nil {
			m.stale = true
		}
	case statusMsg:
		m.takeStatus(msg)
	case grantsMsg:
		m.takeGrants(msg)
	case revokedMsg:
		if m.notice = "closed " + msg.what; msg.err != nil {
			m.notice = msg.what + ": " + msg.err.Error()
		}
		m.stale = true
		return m, m.askGrants()
	}
	return m, nil
}

// poll asks for what may have changed, once at a time. In a pause it asks nothing.
func (m *model) poll(now time.Time) tea.Cmd {
	if m.paused {
		return nil
	}
	m.rate.tick(now.Sub(m.now))
	m.now = now
	return tea.Batch(m.askStatus(), m.askGrants())
}

func (m *model) askStatus() tea.Cmd {
	if m.asked {
		return nil
	}
	m.asked = true
	d := m.d
	return func() tea.Msg {
		status, err := d.Status()
		return statusMsg{status, err, time.Now()}
	}
}

// askGrants asks for the grants if they may have changed.
func (m *model) askGrants() tea.Cmd {
	if m.listed || !m.stale {
		return nil
	}
	m.listed, m.stale = true, false
	d := m.d
	return func() tea.Msg {
		grants, titles, err := d.Grants()
		return grantsMsg{grants, titles, err, time.Now()}
	}
}

// askRevoke closes a grant.
func (m *model) askRevoke(g *grant) tea.Cmd {
	d, key, what := m.d, g.key, report.ClosedText(&g.Grant)
	return func() tea.Msg { return revokedMsg{what, d.Revoke(key)} }
}

// takeStatus takes a status, and with it the rates since the one before.
func (m *model) takeStatus(msg statusMsg) {
	m.asked = false
	if m.gone = msg.err; msg.err != nil {
		return
	}
	if s := msg.status; s.Counters == nil {
		m.sources = nil
	} else {
		var before *report.Counters
		if old := m.status; old != nil && old.WorkerPID == s.WorkerPID {
			before = old.Counters
		}
		m.sources = sourcesOf(s.Counters, before, msg.at.Sub(m.statusAt))
	}
	m.status, m.statusAt = msg.status, msg.at
	if m.now.Before(msg.at) && !m.paused {
		m.now = msg.at
	}
	if msg.status.Grants != len(m.grants) {
		m.stale = true // one has ended, or another program has closed it
	}
}

// takeGrants takes the list of grants.
func (m *model) takeGrants(msg grantsMsg) {
	m.listed = false
	m.unconfirmed = nil
	switch {
	case errors.Is(msg.err, enforce.ErrUnconfirmed):
		m.unconfirmed = msg.err
	case msg.err != nil:
		m.gone, m.stale = msg.err, true
		return
	}
	if !m.paused {
		m.setGrants(msg.grants, msg.titles, msg.at)
	}
}

// takeEvents takes events in the order in which they happened.
func (m *model) takeEvents(objects [][]byte) {
	if m.paused {
		m.held = append(m.held, objects...)
		m.held = m.held[max(len(m.held)-maxEvents, 0):]
		return
	}
	for _, object := range objects {
		m.count++
		e, ok := parseEvent(object, m.count)
		if !ok {
			continue
		}
		m.events = append(m.events, e)
		switch e.Type {
		case "decision", "suppressed":
			if m.now.Sub(e.at) < recent {
				m.rate.add(&e)
			}
		case "grant":
			m.stale = true
			if e.Verdict == string(monitor.Granted) || e.Verdict == string(monitor.Extended) {
				m.noteOpening(&e)
			}
		}
		if e.Verdict == string(monitor.Lost) {
			m.missed += e.Count
		}
	}
	if extra := len(m.events) - maxEvents; extra > 0 {
		m.events = append(m.events[:0], m.events[extra:]...)
	}
}

// resume ends a pause.
func (m *model) resume() {
	held := m.held
	m.paused, m.held, m.stale = false, nil, true
	m.takeEvents(held)
}

// A decisionRate is how many decisions there are a second, by the last full span.
type decisionRate struct {
	granted, refused         int // since then
	grantedRate, refusedRate float64
}

// add counts a decision, or refusals that are not logged one by one.
func (r *decisionRate) add(e *event) {
	switch {
	case e.Type == "suppressed":
		r.refused += e.Count
	case e.Verdict == report.Refused:
		r.refused++
	case e.Verdict == report.Granted, e.Verdict == report.Command:
		r.granted++
	}
}

// tick ends a span; the first one, and one that is too long to be one, has no rate.
func (r *decisionRate) tick(span time.Duration) {
	n := *r
	*r = decisionRate{}
	if span > 0 && span < 10*pollInterval {
		r.grantedRate, r.refusedRate = float64(n.granted)/span.Seconds(), float64(n.refused)/span.Seconds()
	}
}
