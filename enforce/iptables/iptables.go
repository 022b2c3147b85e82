// Package iptables opens access with iptables and ip6tables, of either variant
// (nf_tables, legacy). Rules go into chains of ours, to which a jump leads from
// the user's:
//
//	-A INPUT -j FWKNOP_INPUT
//	-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22
//	  -m time --datestop 2026-11-22T07:46:35
//	  -m comment --comment "_exp_1795333596 fwknopd:3:1d7e9a40" -j ACCEPT
//
// The time match ends the rule in the kernel, in UTC; the comment has the end and the
// stanza. What is open is read from -S alone, whose format is meant for programs.
//
// Entry point: [New]. The [Backend] satisfies [enforce.Backend].
package iptables

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/watch"
)

// A Config is where grants go and how the programs are run.
type Config struct {
	// Path and Path6 are the programs (iptablesCmd, FIREWALL_EXE); "" is iptables,
	// and for Path6 the sibling of Path. iptables-legacy is a choice here.
	Path, Path6 string
	// Chains are IPT_INPUT_ACCESS and its kin; [Defaults] for those left out.
	Chains map[enforce.Role]enforce.Chain
	// Roles beside Input that Setup prepares; others are with the first grant
	// that needs them.
	Roles []enforce.Role
	// Guard are the ports of GUARD_FORWARD; none: Setup removes the guard of before.
	Guard enforce.Guard
	// Prepend puts rules first in chains whose definition would append
	// (ENABLE_RULE_PREPEND).
	Prepend bool
	// Tries is how often a failing transaction is tried (IPT_EXEC_TRIES), at
	// least twice: the second time with chains and rules as they really are.
	Tries int
	// Pause lies between two tries (IPT_EXEC_SLEEP).
	Pause time.Duration
	// Alarm limits each program (IPT_CMD_ALARM); 0 is 30 s.
	Alarm time.Duration
}

// Defaults are the chains of the manual.
var Defaults = map[enforce.Role]enforce.Chain{
	enforce.Input:   {Target: "ACCEPT", Direction: enforce.DirSrc, Table: "filter", From: "INPUT", JumpPos: 1, To: "FWKNOP_INPUT", RulePos: 1},
	enforce.Output:  {Target: "ACCEPT", Direction: enforce.DirDst, Table: "filter", From: "OUTPUT", JumpPos: 1, To: "FWKNOP_OUTPUT", RulePos: 1},
	enforce.Forward: {Target: "ACCEPT", Direction: enforce.DirSrc, Table: "filter", From: "FORWARD", JumpPos: 1, To: "FWKNOP_FORWARD", RulePos: 1},
	// From is where the jump stands without Docker, see ensureGuard.
	enforce.Guarded: {Target: "RETURN", Direction: enforce.DirSrc, Table: "filter", From: "FORWARD", JumpPos: 1, To: "FWKNOP_GUARD", RulePos: 1},
	enforce.DNAT:    {Target: "DNAT", Direction: enforce.DirSrc, Table: "nat", From: "PREROUTING", JumpPos: 1, To: "FWKNOP_PREROUTING", RulePos: 1},
	enforce.SNAT:    {Target: "SNAT", Direction: enforce.DirSrc, Table: "nat", From: "POSTROUTING", JumpPos: 1, To: "FWKNOP_POSTROUTING", RulePos: 1},
	enforce.Masquerade: {Target: "MASQUERADE", Direction: enforce.DirSrc, Table: "nat", From: "POSTROUTING", JumpPos: 1,
		To: "FWKNOP_POSTROUTING", RulePos: 1},
}

const defaultAlarm = 30 * time.Second

// A Backend works in the network namespace of the thread that calls it.
type Backend struct {
	cfg      Config
	v4, v6   *tool // v6 may be nil
	datestop bool  // the kernel has the time match

	mu         sync.Mutex
	uses       [enforce.Roles]bool
	ready      [enforce.Roles][2]bool // the jump was there at that generation, by family
	unguarded  [2]bool                // a guard of before was looked for, by family
	entries    map[string]*entry
	loaded     bool
	length     map[chainID]int // rules in our chains, for insertion further down
	notes      enforce.Notes
	pids       *pidRing
	counter    *watch.Generation // nil: this variant does not count changes
	generation uint32            // of the ruleset when our jumps were last known to be there
}

var _ enforce.Backend = (*Backend)(nil)

// New finds the programs and what they can do. It fails without iptables, or if
// we may not use it; that ip6tables is missing is in Notes.
func New(ctx context.Context, cfg Config) (*Backend, error) {
	if cfg.Alarm <= 0 {
		cfg.Alarm = defaultAlarm
	}
	b := &Backend{cfg: cfg, pids: new(pidRing)}
	b.cfg.Chains = maps.Clone(Defaults)
	for role, c := range cfg.Chains {
		if cfg.Prepend {
			c.RulePos = max(c.RulePos, 1)
		}
		b.cfg.Chains[role] = c
	}
	for _, role := range append([]enforce.Role{enforce.Input}, cfg.Roles...) {
		b.uses[role] = true
	}
	b.uses[enforce.Guarded] = len(cfg.Guard) > 0
	if err := b.openTools(ctx); err != nil {
		return nil, err
	}
	if err := b.probe(ctx); err != nil {
		return nil, err
	}
	if b.v4.nft {
		b.counter, _ = watch.NewGeneration(0)
	}
	return b, nil
}

func (b *Backend) openTools(ctx context.Context) (err error) {
	if b.v4, err = open(ctx, b.cfg.Path, false, b.cfg.Alarm, b.pids); err != nil {
		return err
	}
	other := b.cfg.Path6
	if other == "" {
		other = path6(b.v4.path)
	}
	b.v6, err = open(ctx, other, true, b.cfg.Alarm, b.pids)
	if isHanging(err) {
		return err
	}
	if err != nil {
		b.v6 = nil
		b.notes.Add("iptables: %v: no access for IPv6 addresses", err)
		return nil
	}
	return nil
}

// probeChain exists for a moment, without a jump to it.
const probeChain = "FWKNOP_PROBE"

// probe tries a rule as we need it in both families, and again without the time match.
func (b *Backend) probe(ctx context.Context) error {
	s := spec{comment: "_exp_1 probe", target: "ACCEPT", stop: 1}
	err, err6 := b.try(ctx, s)
	if isHanging(err) {
		return err
	}
	if b.datestop = err == nil; !b.datestop {
		s.stop = 0
		var plain error
		if plain, err6 = b.try(ctx, s); plain != nil {
			return fmt.Errorf("probe iptables: %w", plain)
		}
		b.notes.Add("iptables: no time match in this kernel (%v): rules end only when fwknopd deletes them", err)
	}
	if isHanging(err6) {
		return err6
	}
	if err6 != nil {
		b.notes.Add("iptables: no access for IPv6 addresses: %v", err6)
		b.v6 = nil
	}
	return nil
}

// try makes a rule and removes it, with the programs of both families side by side. err6 is nil
// if there is none for IPv6.
func (b *Backend) try(ctx context.Context, s spec) (err, err6 error) {
	begin := func(t *tool) (end func() error) {
		var sc script
		sc.add("filter", ":"+probeChain+" - [0:0]")
		sc.add("filter", "-A "+probeChain+" "+s.args())
		sc.add("filter", "-F "+probeChain)
		sc.add("filter", "-X "+probeChain)
		return t.begin(ctx, &sc)
	}
	end, end6 := begin(b.v4), func() error { return nil }
	if b.v6 != nil {
		end6 = begin(b.v6)
	}
	return end(), end6()
}

// Notes implements [enforce.Backend].
func (b *Backend) Notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes)
}

// Close implements [enforce.Backend]. What is open stays open until its end.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counter == nil {
		return nil
	}
	err := b.counter.Close()
	b.counter = nil
	return err
}

// Watch implements [enforce.Backend]. The legacy variant sends no notifications.
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	if !b.v4.nft {
		return nil, nil
	}
	return watch.NFTables(ctx, 0, b.Mine, b.IsOurs)
}

// IsOurs reports whether a chain with this name is ours.
func (b *Backend) IsOurs(name string) bool {
	return slices.ContainsFunc(b.ours(), func(c enforce.Chain) bool { return c.To == name })
}

// Mine reports whether a change of nf_tables came from a program that we ran.
func (b *Backend) Mine(port uint32) bool { return b.pids.has(port) }

// Serves reports whether there is a program for the address family of g.
func (b *Backend) Serves(g enforce.Grant) bool { return b.toolFor(g.Src.Unmap().Is6()) != nil }

// isUntouched reports whether the ruleset is the same as after our last transaction, so
// that no program has to be run to read it.
func (b *Backend) isUntouched() bool {
	if b.counter == nil {
		return false
	}
	now, err := b.counter.Now()
	return err == nil && now == b.generation
}

// noteGeneration notes the ruleset after a change of ours. A change by another program
// in the same moment is not noticed here; Watch reports it.
func (b *Backend) noteGeneration() {
	if b.counter != nil {
		b.generation, _ = b.counter.Now()
	}
}

// tools returns the programs that were found.
func (b *Backend) tools() []*tool {
	if b.v6 == nil {
		return []*tool{b.v4}
	}
	return []*tool{b.v4, b.v6}
}

// toolFor returns the program of a family, nil if there is none.
func (b *Backend) toolFor(v6 bool) *tool {
	if v6 {
		return b.v6
	}
	return b.v4
}

// A pidRing has the process ids of the programs that we ran last: netlink names the
// sender of a change by it.
type pidRing struct {
	mu   sync.Mutex // held while a program is being started
	pids [64]uint32
	next int
}

// start is called before a program is started, and what it returns with the process id
// then, or with 0 if the program could not be started; it may be called again. A program
// may make its change before we learn its process id, so has waits for that.
func (r *pidRing) start() (started func(pid int)) {
	r.mu.Lock()
	var once sync.Once
	return func(pid int) {
		once.Do(func() {
			defer r.mu.Unlock()
			r.pids[r.next%len(r.pids)] = uint32(pid)
			r.next++
		})
	}
}

func (r *pidRing) has(pid uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return pid != 0 && slices.Contains(r.pids[:], pid)
}
