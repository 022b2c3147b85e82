// Package layers opens a grant in every firewall of the host that would drop it.
//
// A packet passes a hook of Netfilter only if every base chain there lets it, and a
// host can have several: a ruleset of nft(8) beside the tables of iptables-nft, those
// of the legacy variant beside both. The [Backend] surveys them all, opens a grant in
// each layer that can drop it, all or nothing, and reports which base chains drop it
// still. Addresses are translated in one of the layers alone.
//
// Entry point: [New]. The [Backend] satisfies [enforce.Backend].
package layers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
)

// A Layer is one firewall that a grant can be opened in.
type Layer struct {
	Kind ruleset.Layer
	Name string // for messages
	// Open makes a backend that changes nothing yet. With nat it translates addresses,
	// too; beside is whether grants are opened in others as well.
	Open func(ctx context.Context, nat, beside bool) (enforce.Backend, error)
}

// A Config is what a host has and what the configuration needs.
type Config struct {
	// Layers in the order in which they are tried where none drops anything.
	Layers []Layer
	// Fixed: the first one alone is used, even if others drop.
	Fixed bool
	// NFTables reads the ruleset; nil: this kernel has no nf_tables. It is closed with
	// the Backend.
	NFTables *nftables.Backend
	// IPTables read the tables of the variants there are programs for.
	IPTables []*iptables.Surveyor
	// Hooks are those that a grant has to be opened on: input, and others by what the
	// configuration offers.
	Hooks []ruleset.Hook
	// Offers reports whether a grant may be for a port, on the input hook; nil: published
	// ports are not looked for. Guard is GUARD_FORWARD.
	Offers func(enforce.Port) bool
	Guard  enforce.Guard
	// Idle is how often to read the rules of the legacy variant while nothing is open;
	// 0 is never, but for a guard.
	Idle time.Duration
}

// A member is a layer that is in use.
type member struct {
	Layer
	enforce.Backend
	nat bool // it translates addresses
}

// A Backend is all layers that are in use.
type Backend struct {
	cfg     Config
	members atomic.Pointer[[]*member] // changed under mu

	mu         sync.Mutex
	findings   *findings  // of the last survey
	fresh      bool       // we have changed nothing since
	generation uint32     // of nf_tables after our last survey or change
	open       openGrants // kept with more than one member
	ready      bool       // Setup was done
	notes      enforce.Notes
	failed     map[ruleset.Layer]bool // could not be opened, and are not tried again
	legacy     legacy
}

var (
	_ enforce.Backend  = (*Backend)(nil)
	_ enforce.Rejecter = (*Backend)(nil)
)

// New surveys the host and opens the layers that a grant needs.
func New(ctx context.Context, cfg Config) (*Backend, error) {
	b := &Backend{cfg: cfg, open: newOpenGrants(), failed: make(map[ruleset.Layer]bool)}
	b.legacy.wake = make(chan struct{}, 1)
	b.members.Store(new([]*member))
	if err := b.survey(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.openNeeded(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// openNeeded opens the layers that can drop something and are not in use yet; the first
// that works if there is none.
func (b *Backend) openNeeded(ctx context.Context) error {
	need := b.needed()
	translator := b.translator(need)
	for _, l := range need {
		if b.uses(l.Kind) || b.failed[l.Kind] {
			continue
		}
		if err := b.add(ctx, l, l.Kind == translator, len(need) > 1); err != nil {
			if b.cfg.Fixed || l.Kind == ruleset.Firewalld {
				return err
			}
			b.failed[l.Kind] = true
			b.notes.Add("%s: %v: what it drops, a grant does not open", l.Name, err)
		}
	}
	if len(b.all()) > 0 {
		return nil
	}
	return b.addFirst(ctx)
}

// needed returns the layers that can drop something, and firewalld, which signals when that
// changes; with Fixed that one alone.
func (b *Backend) needed() []Layer {
	if b.cfg.Fixed {
		return b.cfg.Layers[:1]
	}
	return slices.DeleteFunc(slices.Clone(b.cfg.Layers), func(l Layer) bool { return l.Kind != ruleset.Firewalld && !b.findings.concerns(l.Kind, b.cfg.Hooks) })
}

// translator returns the layer that is to rewrite addresses: the one in use that does,
// else one with such rules of other programs, else the first.
func (b *Backend) translator(need []Layer) ruleset.Layer {
	for _, m := range b.all() {
		if m.nat {
			return m.Kind
		}
	}
	for _, kind := range []ruleset.Layer{ruleset.Firewalld, ruleset.IPTablesNFT, ruleset.NFTables, ruleset.IPTablesLegacy} {
		if (b.findings.nat[kind] || kind == ruleset.Firewalld) && slices.ContainsFunc(need, func(l Layer) bool { return l.Kind == kind }) {
			return kind
		}
	}
	if len(need) == 0 {
		return ""
	}
	return need[0].Kind
}

// addFirst opens the first layer that works.
func (b *Backend) addFirst(ctx context.Context) error {
	var errs []error
	for _, l := range b.cfg.Layers {
		err := b.add(ctx, l, true, false)
		if err == nil {
			if len(errs) > 0 {
				b.notes.Add("%s, as others do not work: %v", l.Name, errors.Join(errs...))
			}
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (b *Backend) add(ctx context.Context, l Layer, nat, beside bool) error {
	opened, err := l.Open(ctx, nat, beside)
	if err != nil {
		return err
	}
	all := append(slices.Clone(b.all()), &member{l, opened, nat})
	b.members.Store(&all)
	return nil
}

// Setup implements [enforce.Backend]. What is open in one layer and not in another that
// is new, is opened there.
func (b *Backend) Setup(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.all() {
		if err := m.Setup(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if !b.ready {
		b.dropEnded()
	}
	b.equalize(ctx)
	err := b.survey(ctx)
	if err == nil && !b.ready {
		b.noteFindings(ctx)
	}
	b.ready = true
	return err
}

// equalize opens in every layer what is open in one.
func (b *Backend) equalize(ctx context.Context) {
	if len(b.all()) < 2 {
		return
	}
	_, partly, err := b.list(ctx)
	if err != nil {
		b.notes.Add("%v", err)
		return
	}
	errs := b.apply(ctx, partly)
	for i, g := range partly {
		if errs != nil && errs[i] != nil {
			b.notes.Add("%s: %v", g.Src, errs[i])
		}
	}
}

// noteFindings adds what the administrator should know from the start.
func (b *Backend) noteFindings(ctx context.Context) {
	unguarded, _ := b.publishedLines(ctx, "")
	for _, text := range append(unguarded, b.bypassLines("")...) {
		b.notes.Add("%s", text)
	}
	for _, base := range b.findings.bases {
		if guard := base.Guard(); guard != "" && !b.uses(base.Layer) {
			b.notes.Add("%s has the chain %s of an earlier FIREWALL_TYPE, whose drops a grant does not open: --fw-flush --fw-del-chains with that type removes it", base.Layer, guard)
		}
	}
	for _, text := range b.findings.unread {
		b.notes.Add("%s", text)
	}
	for _, blocker := range b.findings.blocking(b.cfg.Hooks) {
		b.notes.Add("%s drops what a grant is for, and is not opened by %s%s", blocker.Name, b.Name(), because(blocker))
	}
	for _, base := range b.findings.bases {
		if base.CutsConnections() {
			b.notes.Add("%s", cutsNote(base))
		}
	}
}

func because(b *ruleset.Base) string {
	if b.Why == "" {
		return ""
	}
	return ": " + b.Why
}

// Notes implements [enforce.Backend].
func (b *Backend) Notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	notes := slices.Clone(b.notes)
	for _, m := range b.all() {
		notes = append(notes, m.Notes()...)
	}
	return notes
}

// Reject implements [enforce.Rejecter] in the layers that can reject connections; there may be
// none.
func (b *Backend) Reject(ctx context.Context, flows []enforce.Flow) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	untouched, fresh := b.isUntouched(), b.fresh
	var errs []error
	for _, m := range b.all() {
		if r, ok := m.Backend.(enforce.Rejecter); ok {
			errs = append(errs, r.Reject(ctx, flows))
		}
	}
	if untouched {
		b.noteGeneration()
		b.fresh = fresh // it drops nothing that a grant lets in
	}
	return errors.Join(errs...)
}

// Blocked names the base chains that drop what g is for, although it is open in every
// layer in use.
func (b *Backend) Blocked(ctx context.Context, g enforce.Grant) ([]string, error) {
	if g.External != nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	names := b.blockers(g)
	if (len(names) == 0 || b.fresh) && b.isUntouched() {
		return names, nil
	}
	// The findings are older than a change of ours, such as a new jump, or of another
	// program.
	if err := b.survey(ctx); err != nil {
		return names, err
	}
	return b.blockers(g), nil
}

func (b *Backend) blockers(g enforce.Grant) []string {
	return append(ruleset.Blockers(b.findings.bases, g, b.zones(g)), b.guardBlockers(g)...)
}

// A zoner knows the zones of firewalld in which packets of a client land.
type zoner interface {
	Zones(client netip.Prefix) []string
}

func (b *Backend) zones(g enforce.Grant) []string {
	for _, m := range b.all() {
		if z, ok := m.Backend.(zoner); ok {
			return z.Zones(g.Source())
		}
	}
	return nil
}

// Chains lists our chains in the layers in use.
func (b *Backend) Chains(ctx context.Context) (states []enforce.ChainState, err error) {
	for _, part := range b.Parts() {
		lister, ok := part.(interface {
			Chains(context.Context) ([]enforce.ChainState, error)
		})
		if !ok {
			continue
		}
		some, err := lister.Chains(ctx)
		if err != nil {
			return nil, err
		}
		states = append(states, some...)
	}
	return states, nil
}

// Flush implements [enforce.Backend].
func (b *Backend) Flush(ctx context.Context) error {
	return b.each(func(m *member) error { return m.Flush(ctx) })
}

// Teardown implements [enforce.Backend].
func (b *Backend) Teardown(ctx context.Context) error {
	return b.each(func(m *member) error { return m.Teardown(ctx) })
}

// Prune implements [enforce.Pruner].
func (b *Backend) Prune(ctx context.Context) error {
	return b.each(func(m *member) error { return enforce.Prune(ctx, m.Backend) })
}

// each empties every layer.
func (b *Backend) each(empty func(*member) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, m := range b.all() {
		if err := empty(m); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
		}
	}
	b.open = newOpenGrants()
	b.legacy.until.Store(0)
	b.noteGeneration()
	return errors.Join(errs...)
}

// Close implements [enforce.Backend].
func (b *Backend) Close() error {
	var errs []error
	for _, m := range b.all() {
		errs = append(errs, m.Close())
	}
	if b.cfg.NFTables != nil {
		errs = append(errs, b.cfg.NFTables.Close())
	}
	return errors.Join(errs...)
}

// Name returns the layers in use, for messages: "iptables and nftables".
func (b *Backend) Name() string {
	var names []string
	for _, m := range b.all() {
		names = append(names, m.Name)
	}
	return strings.Join(names, " and ")
}

// Parts returns the backends of the layers in use.
func (b *Backend) Parts() []enforce.Backend {
	var parts []enforce.Backend
	for _, m := range b.all() {
		parts = append(parts, m.Backend)
	}
	return parts
}

func (b *Backend) all() []*member { return *b.members.Load() }

func (b *Backend) uses(kind ruleset.Layer) bool {
	return slices.ContainsFunc(b.all(), func(m *member) bool { return m.Kind == kind })
}
