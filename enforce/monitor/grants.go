package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
)

// Refusals in addition to those of [enforce.Limits.Check].
var (
	errNoFirewall = errors.New("no firewall to open")
	errNoExternal = errors.New("external commands are off")
	errCommands   = fmt.Errorf("%d opening commands wait already", maxWaitingOpens)
)

// A job is a grant to open. done is called exactly once with the result, possibly with
// m.mu held: it must not call methods of the monitor.
type job struct {
	grant  enforce.Grant
	byHand bool // asked for by the administrator, not by the worker
	done   func(error)
	after  *commit // to be on disk first; nil: nothing
}

// Apply opens g, for which the administrator asked, if the policy allows it. It returns when
// the firewall has g, or the opening command has ended.
func (m *Monitor) Apply(ctx context.Context, g enforce.Grant) error {
	result := make(chan error, 1)
	m.open(ctx, []job{{grant: g, byHand: true, done: func(err error) { result <- err }}})
	return <-result
}

// open opens what the policy allows: the grants of the firewall in one transaction, the
// external ones through the queue of their key.
func (m *Monitor) open(ctx context.Context, jobs []job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now(ctx)
	var batch []job
	admission := m.newAdmission(now)
	for _, j := range jobs {
		if m.closed {
			j.done(ErrGone)
			continue
		}
		err := m.admit(j, admission)
		switch {
		case err != nil:
			err = Refusal(err)
			m.reportRefused(Event{Grant: j.grant, ByHand: j.byHand, Err: err})
			j.done(err)
		case j.grant.External != nil:
			m.openExternal(j, now)
		default:
			batch = append(batch, j)
		}
	}
	m.openBatch(ctx, batch, now)
}

// admit returns why a job may not be carried out. Of the limits on numbers that of uses is
// the last, since what it admits is counted. What the administrator asks for is no use.
func (m *Monitor) admit(j job, a *admission) error {
	g := j.grant
	if err := a.limits.Check(g, a.now.wall); err != nil {
		return err
	}
	switch {
	case g.External != nil && m.cfg.External == nil:
		return errNoExternal
	case g.External == nil && m.cfg.Firewall == nil:
		return errNoFirewall
	case g.External != nil && m.externalCommands.isFull():
		return errCommands
	}
	if err := a.take(g.Normal()); err != nil || j.byHand {
		return err
	}
	name, limit := a.limits.Uses(g.Stanza)
	return m.uses.take(name, limit, a.now.wall)
}

func (m *Monitor) openBatch(ctx context.Context, batch []job, now clockReading) {
	if len(batch) == 0 {
		return
	}
	grants := make([]enforce.Grant, len(batch))
	for i, j := range batch {
		grants[i] = j.grant.Normal()
	}
	errs, _ := m.cfg.Firewall.Change(ctx, grants, nil)
	for i, j := range batch {
		ev := Event{Time: now.wall, Kind: Failed, Grant: grants[i], ByHand: j.byHand}
		if errs != nil {
			ev.Err = errs[i]
		}
		if ev.Err != nil && grants[i].Also.IsValid() {
			m.undo(ctx, grants[i])
		}
		if ev.Err == nil {
			ev.Kind = m.record(grants[i], now)
			ev.Blocked = m.recordBlocked(ctx, grants[i], now)
		}
		m.events.add(ev)
		j.done(ev.Err)
	}
}

// undo closes what a grant for two sources has opened before it failed: a client has both or
// none, but for what was open already. m.mu must be held.
func (m *Monitor) undo(ctx context.Context, g enforce.Grant) {
	var fresh []enforce.Grant
	for _, part := range g.Split() {
		if !m.table.isOpen(part.Key()) {
			fresh = append(fresh, part)
		}
	}
	if err := enforce.Revoke(ctx, m.cfg.Firewall, fresh...); err != nil { // it ends by itself
		m.events.add(Event{Time: m.lastReading.wall, Kind: Failed, Err: err})
	}
}

// record enters the parts of a grant into the table. It returns [Granted] if one is
// new, else [Extended] if one ends later now, else [Kept]. m.mu must be held.
func (m *Monitor) record(g enforce.Grant, now clockReading) (kind Kind) {
	before, timed := m.table.next()
	first := len(m.table.entries) == 0
	kind = Kept
	cut := m.closesConnections(g.Stanza)
	for _, part := range g.Split() {
		e, k := m.table.put(part, now)
		if k != Kept {
			e.cut = cut
		}
		if k == Granted || k == Extended && kind == Kept {
			kind = k
		}
		if k != Kept && m.mayPostpone(e) {
			m.table.schedule(e, e.deadline-leadTime)
		}
	}
	if after, ok := m.table.next(); first || ok && (!timed || after < before) {
		signal(m.wake)
	}
	return kind
}

// revokeTimeout is how long the firewall may take to close a grant on request.
const revokeTimeout = 10 * time.Second

// Revoke closes g; that it is not open is success.
func (m *Monitor) Revoke(ctx context.Context, g enforce.Grant) error {
	if g.External != nil {
		return m.revokeExternal(ctx, g)
	}
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	if err := m.mu.LockContext(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.cfg.Firewall == nil {
		return errNoFirewall
	}
	now := m.now(ctx)
	if err := enforce.Revoke(ctx, m.cfg.Firewall, g); err != nil {
		return err
	}
	m.dropRevoked(g, now)
	return nil
}

// dropRevoked drops the parts of a revoked grant from the table and reports them. m.mu
// must be held.
func (m *Monitor) dropRevoked(g enforce.Grant, now clockReading) {
	var gone []*entry
	for _, part := range g.Split() {
		if e := m.table.entries[part.Key()]; e != nil {
			gone = append(gone, e)
		}
	}
	m.dropEnded(gone, Revoked, now)
	m.startCuts()
	m.notifyIdle()
}

// listTimeout is how long the firewall may take to list what is open.
const listTimeout = 2 * time.Second

// List returns the open grants as read from the kernel; users and stanzas are from the
// table. If the firewall does not answer, or not within listTimeout, it returns what this process
// has opened, with [enforce.ErrUnconfirmed].
func (m *Monitor) List(ctx context.Context) ([]enforce.Grant, error) {
	type listing struct {
		grants []enforce.Grant
		err    error
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	ch := make(chan listing, 1)
	go func() { // a backend may wait for a change in progress before it looks at ctx
		all, err := m.listOpen(ctx)
		ch <- listing{all, err}
	}()
	var l listing
	select {
	case l = <-ch:
	case <-ctx.Done():
		l.err = ctx.Err()
	}
	switch {
	case errors.Is(l.err, context.DeadlineExceeded), errors.Is(l.err, enforce.ErrNoAnswer):
		return m.table.snapshot(), enforce.ErrUnconfirmed
	case l.err != nil:
		return nil, l.err
	}
	m.table.addNames(l.grants)
	return l.grants, nil
}

// listOpen lists the grants of the firewall, then the external ones.
func (m *Monitor) listOpen(ctx context.Context) (all []enforce.Grant, err error) {
	if m.cfg.Firewall != nil {
		if all, err = m.cfg.Firewall.List(ctx); err != nil {
			return nil, err
		}
	}
	if m.cfg.External == nil {
		return all, nil
	}
	external, err := m.cfg.External.List(ctx)
	return append(all, external...), err
}

// Flush closes everything.
func (m *Monitor) Flush(ctx context.Context) error {
	if err := m.mu.LockContext(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	now := m.now(ctx)
	if m.cfg.Firewall != nil {
		if err := m.cfg.Firewall.Flush(ctx); err != nil {
			return err
		}
	}
	var gone []*entry
	for _, e := range m.table.entries {
		if e.grant.External == nil {
			gone = append(gone, e)
		} else if !e.ending {
			m.endExternal(e, Revoked, nil)
		}
	}
	slices.SortFunc(gone, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	m.dropEnded(gone, Revoked, now)
	m.startCuts()
	m.notifyIdle()
	return nil
}
