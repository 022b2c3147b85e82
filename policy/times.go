package policy

import (
	"errors"
	"fmt"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
)

func hasWindows(st *stanza) bool { return len(st.Windows) > 0 }

// checkWindow refuses outside of ACCESS_WINDOW.
func (e *Engine) checkWindow(r *request, st *stanza) *refusal {
	switch {
	case len(st.Windows) == 0:
		return nil
	case r.now.IsZero():
		return refuse(SPAWindow, knock.NoTime)
	case st.Windows.Contain(r.now):
		return nil
	}
	return refuse(SPAWindow, knock.Closed(st.Windows, r.now))
}

// noteWindow says when the window closes, and whether that ends what is granted.
func noteWindow(_ *Engine, r *request, st *stanza) string {
	life := r.lifetime(st)
	if st.external != nil && st.external.timer > 0 {
		life = st.external.timer
	}
	return windowText(st.Windows, r.now, life)
}

func windowText(ws schedule.Windows, now time.Time, life time.Duration) string {
	closes := ws.Until(now, time.Time{})
	if closes.IsZero() {
		return ws.String() + ", which is always open"
	}
	text := fmt.Sprintf("%v, open until %s", ws, closes.UTC().Format(time.RFC3339))
	if life == 0 || closes.Before(now.Add(life)) {
		text += ", when a grant ends too"
	}
	return text
}

// usesCheck is the last check of a message but for that of a one-time code: one that is refused
// otherwise is no use.
var usesCheck = check{name: "uses", check: (*Engine).checkUses, note: noteUses, asked: func(st *stanza) bool { return !st.Uses.IsZero() }}

// checkUses refuses when ACCESS_USES are used up.
func (e *Engine) checkUses(r *request, st *stanza) *refusal {
	text, spent := e.spent(st.Stanza, r.now)
	if !spent {
		return nil
	}
	limit := st.Uses.Max
	return &refusal{SPAUses, Detail{Limit: &limit, Text: text}}
}

// spent reports whether the uses of a stanza are used up at now, or whether that is not
// known, and the text of a refusal.
func (e *Engine) spent(st *conf.Stanza, now time.Time) (text string, spent bool) {
	if st.Uses.IsZero() {
		return "", false
	}
	if st.Uses.Daily && now.IsZero() {
		return knock.NoTime, true
	}
	counts := &e.uses
	if st.Shadow { // which the monitor has not counted
		counts = &schedule.Counts{Uses: e.uses.Uses}
	}
	n, err := counts.Used(st.Name, st.Uses, now)
	switch {
	case errors.Is(err, schedule.ErrUnknown):
		return err.Error(), true
	case n >= st.Uses.Max:
		return "granted " + st.Uses.Words(), true
	}
	return "", false
}

// TakeUses replaces the counts by those of the monitor, which alone knows what was opened. It
// knows nothing of shadow stanzas, whose counts stay.
func (e *Engine) TakeUses(counts schedule.Counts) {
	counts = counts.Clone()
	for name := range e.shadowUses() {
		counts.Take(&e.uses, name)
	}
	e.uses = counts
}

// CountsUses reports whether uses were counted.
func (e *Engine) CountsUses() bool { return len(e.uses.Uses) > 0 }

// inheritUses takes over what old has counted since the monitor sent its counts. What a shadow stanza
// granted opened nothing: it is no use of a stanza that is none any more.
func (e *Engine) inheritUses(old *Engine) {
	uses, before, shadows := old.uses.Clone(), old.shadowUses(), e.shadowUses()
	for name := range before {
		if !shadows[name] {
			delete(uses.Uses, name)
		}
	}
	e.uses.Merge(&uses)
	for name := range shadows {
		if before[name] { // also if the monitor's are in doubt
			e.uses.Take(&uses, name)
		}
	}
}

// shadowUses has the names of the shadow stanzas with ACCESS_USES.
func (e *Engine) shadowUses() map[string]bool {
	names := make(map[string]bool)
	for i := range e.opts.Access.Stanzas {
		if st := &e.opts.Access.Stanzas[i]; st.Shadow && !st.Uses.IsZero() {
			names[st.Name] = true
		}
	}
	return names
}

// countUse counts a use, unless nothing is recorded.
func (e *Engine) countUse(st *conf.Stanza, now time.Time, dry bool) {
	if !dry && !st.Uses.IsZero() {
		e.uses.Add(st.Name, st.Uses, now)
	}
}

func noteUses(e *Engine, r *request, st *stanza) string { return e.usesText(st.Stanza, r.now) }

// usesText says which use it is, and since when uses are counted. It is asked before the use
// is counted.
func (e *Engine) usesText(st *conf.Stanza, now time.Time) string {
	n, _ := e.uses.Used(st.Name, st.Uses, now)
	text := fmt.Sprintf("use %d of %s", n+1, st.Uses.Words())
	if _, told := e.opts.Uses.Uses[st.Name]; !told {
		text += ", counted from zero at the beginning of what is read"
	}
	return text
}
