package stats

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
)

// maxGrants is how many grants are kept, the latest.
const maxGrants = 4096

// How grants end, beside what the event log calls it.
const (
	// stillOpen is that of a grant which is open at the end of the input.
	stillOpen = "open"
	// NotOpened is that of a grant which the firewall or a limit refused.
	NotOpened = "not opened"
	// renewed is that of a grant which another for the same client and port succeeds.
	renewed = "extended"
)

// sameEnd is how far apart the ends of one grant may lie: decisions have it exactly, firewalls to
// the second.
const sameEnd = time.Second

// A grantKey is one port of a grant.
type grantKey struct {
	src     netip.Prefix
	dst     netip.Addr
	port    string
	forward string // where a translation leads; "": none
}

// An opening is what a decision grants, or what was opened.
type opening struct {
	src          netip.Prefix // the client, or all that is let in
	dst          netip.Addr
	ports        []string
	forward      string
	stanza, user string
	at, expires  time.Time // zero: not known; no end
}

// of returns o for each of the sources.
func (o opening) of(sources []netip.Prefix) []opening {
	all := make([]opening, len(sources))
	for i, src := range sources {
		all[i] = o
		all[i].src = src
	}
	return all
}

func (o *opening) key(port string) grantKey { return grantKey{o.src, o.dst, port, o.forward} }

// A grantRow is a grant.
type grantRow struct {
	opening
	end       time.Time
	ended     string // "": open
	left      int    // ports that are open
	confirmed bool   // the firewall has opened it
}

// grants are grants in the order of their start.
type grants struct {
	rows      []*grantRow // the last ones
	total     int
	notOpened uint64 // of total
	open      map[grantKey]*grantRow
}

// grant enters what is granted, but for ports that are open as long already; confirmed says that
// the firewall has opened it.
func (t *grants) grant(o opening, confirmed bool) {
	var fresh []string
	for _, port := range o.ports {
		if r := t.open[o.key(port)]; r != nil && r.covers(o.expires) {
			r.confirmed = r.confirmed || confirmed
			continue
		}
		fresh = append(fresh, port)
	}
	if len(fresh) == 0 {
		return
	}
	o.ports = fresh
	for _, port := range fresh {
		t.endPort(o.key(port), o.at, renewed)
	}
	r := &grantRow{opening: o, left: len(fresh), confirmed: confirmed}
	t.add(r)
	if t.open == nil {
		t.open = make(map[grantKey]*grantRow)
	}
	for _, port := range fresh {
		t.open[o.key(port)] = r
	}
}

// covers reports whether the grant is open until then at least.
func (r *grantRow) covers(expires time.Time) bool {
	return r.expires.IsZero() || !expires.IsZero() && !r.expires.Before(expires.Add(-sameEnd))
}

// add adds a row, for which the oldest is dropped if there are too many.
func (t *grants) add(r *grantRow) {
	if len(t.rows) == maxGrants {
		for _, port := range t.rows[0].ports {
			if k := t.rows[0].key(port); t.open[k] == t.rows[0] {
				delete(t.open, k)
			}
		}
		t.rows[0] = nil
		t.rows = t.rows[1:]
	}
	t.rows = append(t.rows, r)
	t.total++
}

// end ends ports of grants. What began before the input is entered with its end alone.
func (t *grants) end(o opening, how string) {
	known := false
	for _, port := range o.ports {
		known = t.endPort(o.key(port), o.at, how) || known
	}
	if !known && t.total <= maxGrants {
		r := &grantRow{opening: o, end: o.at, ended: how}
		r.at = time.Time{}
		t.add(r)
	}
}

// endPort ends one port and reports whether it was open.
func (t *grants) endPort(k grantKey, at time.Time, how string) bool {
	r := t.open[k]
	if r == nil {
		return false
	}
	delete(t.open, k)
	if r.left--; r.left == 0 {
		r.end, r.ended = at, how
	}
	return true
}

// refuse enters that a grant was not opened.
func (t *grants) refuse(o opening) {
	if !t.fail(o) {
		t.add(&grantRow{opening: o, ended: NotOpened})
		t.notOpened++
	}
}

// fail enters that the firewall returned an error: a grant that it has not opened will not be open.
// It reports whether there is one.
func (t *grants) fail(o opening) (known bool) {
	for _, port := range o.ports {
		if r := t.open[o.key(port)]; r != nil && !r.confirmed {
			known = t.endPort(o.key(port), time.Time{}, NotOpened)
		}
	}
	if known {
		t.notOpened++
	}
	return known
}

// logged enters an event of the event log.
func (t *grants) logged(kind monitor.Kind, o opening) {
	switch kind {
	case monitor.Granted, monitor.Extended, monitor.Adopted, monitor.Repaired:
		t.grant(o, true)
	case monitor.Kept:
		t.grant(o, true) // nothing is fresh, unless the log begins later
	case monitor.Expired, monitor.Revoked:
		t.end(o, string(kind))
	case monitor.Refused:
		t.refuse(o)
	case monitor.Failed:
		t.fail(o)
	}
}

// merge adds o, of records after those of t.
func (t *grants) merge(o *grants) {
	for _, r := range o.rows {
		t.add(r)
	}
	t.total += o.total - len(o.rows)
	t.notOpened += o.notOpened
}

// summary returns the latest grants, at most n.
func (t *grants) summary(n int) List[Grant] {
	list := List[Grant]{Total: t.total, Shown: []Grant{}}
	for _, r := range slices.Backward(t.rows) {
		if len(list.Shown) == n {
			break
		}
		list.Shown = append(list.Shown, r.summary())
	}
	return list
}

func (r *grantRow) summary() Grant {
	g := Grant{Src: enforce.PrefixText(r.src), Ports: append([]string{}, r.ports...), Stanza: r.stanza, User: r.user, Start: r.at, End: r.end, Ended: r.ended}
	if !r.expires.IsZero() && !r.at.IsZero() {
		// Times are granted in whole seconds; a log leaves out what its ends have beyond them.
		g.For = (r.expires.Sub(r.at) + time.Second - 1).Truncate(time.Second)
	}
	if g.Ended == "" {
		g.Ended = stillOpen
	}
	return g
}
