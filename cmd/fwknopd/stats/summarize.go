package stats

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// Limits are how long the lists of a [Summary] are.
type Limits struct{ Sources, Ports, Knocks, Grants, Unknown int }

// Full are the limits of a page and of JSON.
var Full = Limits{Sources: 1000, Ports: 500, Knocks: 500, Grants: 500, Unknown: 300}

// UpTo returns the limits with n for all lists.
func UpTo(n int) Limits { return Limits{n, n, n, n, n} }

// About is what a [Summary] says of the inputs.
type About struct {
	Inputs []string
	Counts ingest.Counts
	Notes  []string // what a reader must know of how they were read
}

// Summary returns what is known, after [Stats.Finish].
func (s *Stats) Summary(about About, limits Limits) *Summary {
	c := about.Counts
	t := s.sources.Totals()
	sum := &Summary{
		V: 1, Inputs: []string{}, From: named(s.timeline.from), To: named(s.timeline.to),
		Accounting: Accounting{Records: c.Records, Events: c.Events, NotOurs: c.NotOurs, Malformed: c.Malformed, Bytes: c.Bytes,
			SYNs: t.SYNs, Untimed: s.timeline.untimed, Lost: c.Lost + s.lost},
		Timeline:  s.timeline.summary(),
		Systems:   s.systems(),
		Sources:   s.topSources(limits.Sources),
		Ports:     s.ports.summary(limits.Ports),
		Decisions: s.decisions.summary(),
		Knocks:    s.knocks.summary(limits.Knocks),
		Grants:    s.grants.summary(limits.Grants),
		NotOpened: s.grants.notOpened,
		Unknown:   s.unknown(limits.Unknown),
		Notes:     append(slices.Clone(about.Notes), s.notes()...),
	}
	for _, name := range about.Inputs {
		sum.Inputs = append(sum.Inputs, conf.Printable(name))
	}
	if sum.Notes == nil {
		sum.Notes = []string{}
	}
	return sum
}

// notes returns what was cut off.
func (s *Stats) notes() []string {
	notes := s.sources.Notes()
	note := func(is bool, format string, a ...any) {
		if is {
			notes = append(notes, fmt.Sprintf(format, a...))
		}
	}
	note(s.timeline.untimed > 0, "%d events have no time that can be read: the timeline does not have them", s.timeline.untimed)
	note(s.ports.pairs.estimated(), "the numbers of sources by port are estimates: there are more than %d pairs of source and port", maxPairs)
	note(s.sources.Totals().Sources > sources.MaxWithPorts, "there are more than %d sources: of some the ports are not known", sources.MaxWithPorts)
	note(s.apart > 0, "%d decisions are about further sources; no more than %d are told apart", s.apart, sources.MaxSources)
	note(s.decisions.further > 0, "%d decisions have further reasons; no more than %d are told apart", s.decisions.further, maxReasons)
	note(s.knocks.forgotten > 0, "the rarer of the knock sequences were forgotten: no more than %d kinds are told apart", maxKnocks)
	note(s.grants.notOpened > 0, "%d grants were decided and not opened: a limit or the firewall refused them", s.grants.notOpened)
	note(s.grants.total > maxGrants, "of the grants only the last %d are kept", maxGrants)
	return notes
}

// topSources returns the sources with most SYNs and decisions.
func (s *Stats) topSources(n int) List[Source] {
	type ranked struct {
		number int // in order of first appearance
		score  uint64
	}
	best := newTop(n, func(a, b ranked) int { return cmp.Compare(b.score, a.score) })
	number := 0
	for src := range s.sources.All() {
		granted, refused := src.Decisions()
		best.add(ranked{number, uint64(src.SYNs()) + granted + refused})
		number++
	}
	list := best.list()
	place := make(map[int]int) // in list, by number
	for i, r := range list.Shown {
		place[r.number] = i
	}
	out := List[Source]{Total: list.Total, AtLeast: s.sources.Totals().Dropped+s.apart > 0, Shown: make([]Source, len(list.Shown))}
	number = 0
	for src := range s.sources.All() {
		if i, shown := place[number]; shown {
			out.Shown[i] = sourceOf(src)
			delete(place, number)
		}
		if len(place) == 0 {
			break
		}
		number++
	}
	return out
}

func sourceOf(src sources.Row) Source {
	out := Source{Addr: src.Addr().String(), Tunnel: src.Tunnel(), SYNs: uint64(src.SYNs()), Ports: []string{}}
	out.Granted, out.Refused = src.Decisions()
	if sig := sources.Best(src.Signatures()); sig != nil {
		out.System = conf.Printable(strings.TrimSpace(sig.Label))
	}
	if first, last, ok := src.Seen(); ok {
		out.First, out.Last = first, last
	}
	list, more := src.Ports()
	for _, p := range list {
		out.Ports = append(out.Ports, p.String())
	}
	if more {
		out.Ports = append(out.Ports, "…")
	}
	return out
}

// unknown returns the kinds of SYN that no signature fits and that have a signature of their own.
func (s *Stats) unknown(n int) List[Unknown] {
	by := make(map[sources.Kind]uint64)
	for src := range s.sources.All() {
		src.Kinds(func(k sources.Kind) {
			if k < 0 {
				by[k]++
			}
		})
	}
	best := newTop(n, func(a, b Unknown) int {
		return cmp.Or(cmp.Compare(b.SYNs, a.SYNs), cmp.Compare(a.Signature, b.Signature))
	})
	for k, syns := range s.sources.Kinds() {
		u, ok := s.sources.Unknown(k)
		if !ok || u.Text == "" {
			continue
		}
		out := Unknown{Signature: u.Text, SYNs: syns, Sources: by[k], Differs: strings.Join(u.Differs, ", ")}
		if u.Nearest != nil {
			out.Nearest = conf.Printable(u.Nearest.Text + " " + strings.TrimSpace(u.Nearest.Label))
		}
		best.add(out)
	}
	list := best.list()
	list.AtLeast = list.Total >= sources.MaxUnknown
	return list
}
