package monitor

import (
	"errors"
	"time"

	"fwknopd/enforce"
)

// Refusals of grants to messages that another gateway of the fleet has announced.
var (
	errRevoked        = errors.New("the message was claimed before a revocation in the fleet, or before this daemon started")
	errAnnouncedShell = errors.New("no command is run for a message that another gateway has announced")
)

// maxBars is how many revocations are remembered one by one.
const maxBars = 1024

// A bar keeps announcements of earlier messages from opening again what a revocation has closed.
type bar struct {
	matches func(enforce.Grant) bool
	before  time.Time // of the claim on the message
	until   time.Time // when no announcement of one can come any more
}

// bars are those that are in force. They are in memory: what was claimed before floor, the
// start of the daemon at first, is barred whatever it grants.
type bars struct {
	floor time.Time
	list  []bar
}

// add adds a bar at a time. Where there are too many, the oldest one bars everything.
func (b *bars) add(one bar, now time.Time) {
	kept := b.list[:0]
	for _, old := range b.list {
		if now.Before(old.until) {
			kept = append(kept, old)
		}
	}
	b.list = append(kept, one)
	if len(b.list) <= maxBars {
		return
	}
	if oldest := b.list[0].before; oldest.After(b.floor) {
		b.floor = oldest
	}
	b.list = b.list[1:]
}

// check returns why a grant to a message that was claimed at a time may not be opened.
func (b *bars) check(g enforce.Grant, claimed time.Time) error {
	if claimed.Before(b.floor) {
		return errRevoked
	}
	for _, one := range b.list {
		if !claimed.After(one.before) && one.matches(g) {
			return errRevoked
		}
	}
	return nil
}

// Bar has announcements refused of messages that were claimed before a time and would open what
// matches selects, until no such announcement can come any more. matches is called with the
// monitor locked. What is open already is for the caller to close, afterwards.
func (m *Monitor) Bar(matches func(enforce.Grant) bool, before, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bars.add(bar{matches, before, until}, m.clock.read().wall)
}

// AskedSince reports whether a message for a grant that is open came here after a time or, if another
// gateway announced it, was claimed after it. Of a grant that was open before this daemon started that is
// not known: false.
func (m *Monitor) AskedSince(g enforce.Grant, after time.Time) bool {
	return m.table.askedSince(g.Key(), after)
}

// checkAnnounced is what the monitor wants of a job for an announced message. m.mu must be held.
func (m *Monitor) checkAnnounced(j *job) error {
	switch {
	case j.claimed.IsZero():
		return nil
	case j.grant.External != nil:
		return errAnnouncedShell
	}
	return m.bars.check(j.grant, j.claimed)
}
