package top

import (
	tea "charm.land/bubbletea/v2"
)

// helpText is what ? shows.
const helpText = `tab, shift+tab   the next list, the one before
up, down         select (also k, j, page up, page down, home, end)
enter            all there is to say of what is selected, with the remedy
r, delete        revoke the selected grant; asks
/                show only what has this text: an address, a stanza, a reason
                 enter keeps the filter, escape removes it
p                pause, and go on
?                this help
q, ctrl+c        quit

Grants are listed with the time that they have left; a bar is full when a grant is opened. Times are in the zone of this terminal. Rates are those of the last second.
`

// key takes a key.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+z":
		return tea.Suspend
	case m.filtering:
		m.filterKey(name, msg.Key().Text)
		return nil
	case m.revoking != nil:
		g := m.revoking
		if m.revoking = nil; name == "y" {
			return m.askRevoke(g)
		}
		return nil
	case m.help || m.details != nil:
		m.pageKey(name)
		return nil
	}
	m.notice = ""
	return m.listKey(name)
}

// listKey takes a key while the lists are shown.
func (m *model) listKey(name string) tea.Cmd {
	switch name {
	case "q":
		return tea.Quit
	case "tab":
		m.focus = (m.focus + 1) % paneCount
	case "shift+tab":
		m.focus = (m.focus + paneCount - 1) % paneCount
	case "enter":
		m.scrolled, m.details = 0, m.explain()
	case "?":
		m.scrolled, m.help = 0, true
	case "/":
		m.filtering, m.typed = true, m.filter
	case "esc":
		m.filter = ""
	case "p":
		if m.paused {
			m.resume()
		} else {
			m.paused = true
		}
	case "r", "delete":
		m.beginRevoke()
	default:
		m.move(name)
	}
	return nil
}

// beginRevoke asks about the selected grant.
func (m *model) beginRevoke() {
	list := m.shownGrants()
	switch i := m.selected(grantPane); {
	case m.focus != grantPane:
		m.notice = "tab to the grants and select one"
	case i >= len(list):
		m.notice = "nothing is open"
	default:
		g := *list[i]
		m.revoking = &g
	}
}

// filterKey takes a key while the filter is typed.
func (m *model) filterKey(name, text string) {
	switch name {
	case "enter":
		m.filter, m.filtering = m.typed, false
	case "esc":
		m.filter, m.filtering = "", false
	case "backspace":
		if r := []rune(m.typed); len(r) > 0 {
			m.typed = string(r[:len(r)-1])
		}
	default:
		m.typed += text
	}
}

// pageKey takes a key while a text is shown: it moves the text, or closes it.
func (m *model) pageKey(name string) {
	switch by := steps(name, m.height-2); {
	case by == 0:
		m.help, m.details = false, nil
	default:
		m.scrolled = max(m.scrolled+by, 0) // the view knows how long the text is
	}
}

// farAway is more than a list has items.
const farAway = 1 << 20

// steps returns how far a key moves, 0 if it does not; page is how much fits.
func steps(name string, page int) int {
	switch name {
	case "up", "k":
		return -1
	case "down", "j":
		return 1
	case "pgup":
		return -max(page, 1)
	case "pgdown":
		return max(page, 1)
	case "home", "g":
		return -farAway
	case "end", "G":
		return farAway
	}
	return 0
}

// move moves the selection of the list that has the focus.
func (m *model) move(name string) {
	by := steps(name, m.height/3)
	keys := m.keys(m.focus)
	if by == 0 || len(keys) == 0 {
		return
	}
	at := max(min(m.selected(m.focus)+by, len(keys)-1), 0)
	m.panes[m.focus] = cursor{keys[at], at}
	if at == 0 {
		m.panes[m.focus] = cursor{} // what comes new is selected
	}
}
