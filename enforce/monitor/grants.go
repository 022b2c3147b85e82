package monitor

import (
	"cmp"
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
	// claimed is when another gateway claimed the message, which it has announced; zero: the
	// message came here.
	claimed time.Time
}

// Apply opens g, for which the administrator asked, if the policy allows it. It returns when
// the firewall has g, or the opening command has ended.
func (m *Monitor) Apply(ctx context.Context, g enforce.Grant) error {
	result := make(chan error, 1)
	m.open(ctx, []job{{grant: g, byHand: true, done: func(err error) { result <- err }}})
	return <-result
}

// open opens what the policy allows: the grants of the firewall in one transaction, the
// external ones through the queue of their key. While uses are written m.mu is free, so that the
// disk keeps nothing from being closed.
func (m *Monitor) open(ctx context.Context, jobs []job) {
	m.opening.Lock()
	defer m.opening.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now(ctx)
	admitted, taken := m.admitAll(jobs, now)
	if len(taken) > 0 {
		m.mu.Unlock()
		err := m.uses.keep(taken)
		m.mu.Lock()
		now = m.now(ctx)
		admitted = m.stillAdmitted(admitted, now, err)
	}
	var batch []job
	for _, j := range admitted {
		if j.grant.External != nil {
			m.openExternal(j.job, now)
		} else {
			batch = append(batch, j.job)
		}
	}
	m.openBatch(ctx, batch, now)
}

// An admittedJob is a job that may be carried out, when its use is kept; nil: it is none.
type admittedJob struct {
	job
	use *use
}

// admitAll returns the jobs that may be carried out and the uses that have to be kept before, and
// refuses the others. m.mu must be held.
func (m *Monitor) admitAll(jobs []job, now clockReading) (admitted []admittedJob, taken []*use) {
	a := m.newAdmission(now)
	for _, j := range jobs {
		one, err := m.admit(j, a)
		if err != nil {
			m.refuse(j, err)
			continue
		}
		admitted = append(admitted, admittedJob{j, one})
		if one != nil {
			taken = append(taken, one)
		}
	}
	return admitted, taken
}

// stillAdmitted returns the jobs that may be carried out after the uses were written, with unkept as
// the error, and refuses the others: meanwhile the policy may be another one. m.mu must be held.
func (m *Monitor) stillAdmitted(jobs []admittedJob, now clockReading, unkept error) (admitted []admittedJob) {
	limits := &m.currentPolicy().Limits
	for _, j := range jobs {
		err := limits.Check(j.grant, now.wall)
		switch {
		case m.closed:
			err = ErrGone
		case j.use != nil && unkept != nil:
			err = unkept
		case err == nil && m.checkAnnounced(&j.job) != nil:
			err = errRevoked
		case err == nil && !j.byHand && !j.use.fits(limits.Uses(j.grant.Stanza)):
			err = errOtherUses
		}
		if err != nil {
			m.refuse(j.job, err)
		} else {
			admitted = append(admitted, j)
		}
	}
	return admitted
}

// refuse refuses a job.
func (m *Monitor) refuse(j job, err error) {
	if !errors.Is(err, ErrGone) {
		err = Refusal(err)
		m.reportRefused(Event{Grant: j.grant, ByHand: j.byHand, Err: err})
	}
	j.done(err)
}

// admit returns why a job may not be carried out, or its use. Of the limits on numbers that of uses
// is the last, since what it admits is counted. What the administrator asks for is no use.
func (m *Monitor) admit(j job, a *admission) (*use, error) {
	g := j.grant
	if m.closed {
		return nil, ErrGone
	}
	if err := a.limits.Check(g, a.now.wall); err != nil {
		return nil, err
	}
	if err := m.checkAnnounced(&j); err != nil {
		return nil, err
	}
	switch {
	case g.External != nil && m.cfg.External == nil:
		return nil, errNoExternal
	case g.External == nil && m.cfg.Firewall == nil:
		return nil, errNoFirewall
	case g.External != nil && m.externalCommands.isFull(a.external):
		return nil, errCommands
	}
	if err := a.take(g.Normal()); err != nil || j.byHand {
		return nil, err
	}
	name, limit := a.limits.Uses(g.Stanza)
	one, err := m.uses.reserve(name, limit, a.now.wall)
	if err == nil && g.External != nil {
		a.external++
	}
	return one, err
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
			ev.Kind = m.record(grants[i], cmp.Or(j.claimed, now.wall), now)
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

// record enters the parts of a grant into the table, for a message of a time. It returns [Granted] if one
// is new, else [Extended] if one ends later now, else [Kept]. m.mu must be held.
func (m *Monitor) record(g enforce.Grant, asked time.Time, now clockReading) (kind Kind) {
	before, timed := m.table.next()
	first := len(m.table.entries) == 0
	kind = Kept
	cut := m.cfg.Cut != nil && m.currentPolicy().Limits.CloseConnections[g.Stanza]
	for _, part := range g.Split() {
		e, k := m.table.put(part, asked, now)
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
