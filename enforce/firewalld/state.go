package firewalld

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
)

// A state is what firewalld has.
type state struct {
	zones  []string          // all, sorted
	rules  map[string][]rule // of ours, by zone
	active []zone
	ipsets sets
	first  string // the default zone
}

// read asks firewalld for what it has.
func (b *Backend) read(ctx context.Context) (*state, error) {
	s := &state{rules: make(map[string][]rule), ipsets: make(sets)}
	var err error
	if s.first, err = b.bus.defaultZone(ctx); err != nil {
		return nil, err
	}
	if s.active, err = b.bus.activeZones(ctx); err != nil {
		return nil, err
	}
	if s.zones, err = b.bus.zones(ctx); err != nil {
		return nil, err
	}
	slices.Sort(s.zones)
	for _, name := range s.zones {
		texts, err := b.bus.richRules(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			if r, ok := parseRule(text); ok {
				s.rules[name] = append(s.rules[name], r)
			}
		}
	}
	return s, b.readSets(ctx, s)
}

// readSets reads the ipsets that zones are bound to. One that firewalld does not list, such as
// one with timeouts, stays unknown.
func (b *Backend) readSets(ctx context.Context, s *state) error {
	for _, z := range s.active {
		for _, source := range z.sources {
			name, isSet := strings.CutPrefix(source, "ipset:")
			if !isSet {
				continue
			}
			entries, err := b.bus.ipsetEntries(ctx, name)
			switch {
			case err == nil:
				s.ipsets[name] = entries
			case !isAnswer(err):
				return err
			}
		}
	}
	return nil
}

// route returns the zones for a client.
func (b *Backend) route(s *state, client netip.Prefix) []string {
	return route(client, s.active, s.ipsets, b.cfg.Interfaces, s.first)
}

// Zones returns the zones in which packets of a client land, by what firewalld said last.
func (b *Backend) Zones(client netip.Prefix) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.route(b.last, client)
}

// has reports whether a zone has a rule.
func (s *state) has(zone, body string) bool {
	return slices.ContainsFunc(s.rules[zone], func(r rule) bool { return r.body == body })
}

// everywhere reports whether each zone has a rule.
func (s *state) everywhere(zones []string, body string) bool {
	return !slices.ContainsFunc(zones, func(zone string) bool { return !s.has(zone, body) })
}

// bodies returns what the rules of all zones open.
func (s *state) bodies() map[string]bool {
	all := make(map[string]bool)
	for _, rules := range s.rules {
		for _, r := range rules {
			all[r.body] = true
		}
	}
	return all
}

// forgotten is the end of a rule that the journal does not know: it has ended.
var forgotten = time.Unix(1, 0)

// grants returns what is open by its keys: what the journal knows and has a rule, and rules
// that it does not know.
func (s *state) grants(known map[string]enforce.Grant) map[string]enforce.Grant {
	open, present := make(map[string]enforce.Grant), s.bodies()
	left := maps.Clone(present)
	for key, g := range known {
		body, err := bodyOf(g)
		if err == nil && present[body] {
			open[key] = g
			delete(left, body)
		}
	}
	for body := range left {
		if g, ok := parseBody(body); ok {
			g.Expires = forgotten
			open[g.Key()] = g
		}
	}
	return open
}
