package stats

import (
	"cmp"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fingerprint"
	"fwknopd/policy/conf"
)

// tally counts sources and SYNs of a system or a version.
type tally struct{ sources, syns uint64 }

// A systemTally counts a system and its versions.
type systemTally struct {
	tally
	versions map[string]*tally // by label
}

// genreMarks stand in front of genres of guesses, tools and applications.
const genreMarks = "@*-"

// nameOf returns the genre and the label of a signature; both are "" for nil.
func nameOf(sig *fingerprint.Signature) (genre, label string) {
	if sig == nil {
		return "", ""
	}
	label = conf.Printable(strings.TrimSpace(sig.Label))
	genre, _, _ = strings.Cut(strings.TrimLeft(label, genreMarks), ":")
	return genre, label
}

// A name is what a kind of SYN is called; both parts are "" if no signature fits.
type name struct{ genre, label string }

// kindNames returns the name of each kind of SYN.
func (s *Stats) kindNames() func(sources.Kind) name {
	known := make(map[sources.Kind]name)
	return func(k sources.Kind) name {
		n, ok := known[k]
		if !ok {
			n.genre, n.label = nameOf(s.sources.Signature(k))
			known[k] = n
		}
		return n
	}
}

// systems returns the systems by the signature that names each kind of SYN best. A source that
// sent SYNs of several systems counts for each.
func (s *Stats) systems() []System {
	all := make(tallies)
	names := s.kindNames()
	left := s.sources.Totals().SYNs
	for k, syns := range s.sources.Kinds() {
		if n := names(k); n.label != "" {
			all.system(n.genre).syns += syns
			all.version(n).syns += syns
			left -= min(syns, left)
		}
	}
	if left > 0 {
		all.system("").syns = left
	}
	var seen []name
	for src := range s.sources.All() {
		seen = seen[:0]
		src.Kinds(func(k sources.Kind) {
			if n := names(k); !slices.Contains(seen, n) {
				seen = append(seen, n)
			}
		})
		if len(seen) == 0 && src.SYNs() > 0 {
			seen = append(seen, name{})
		}
		all.addSource(seen)
	}
	return all.list()
}

// tallies are systems by genre.
type tallies map[string]*systemTally

func (t tallies) system(genre string) *systemTally {
	if t[genre] == nil {
		t[genre] = &systemTally{versions: make(map[string]*tally)}
	}
	return t[genre]
}

func (t tallies) version(n name) *tally {
	s := t.system(n.genre)
	if s.versions[n.label] == nil {
		s.versions[n.label] = new(tally)
	}
	return s.versions[n.label]
}

// addSource counts a source with the kinds of SYN of those names.
func (t tallies) addSource(names []name) {
	for i, n := range names {
		if !slices.ContainsFunc(names[:i], func(m name) bool { return m.genre == n.genre }) {
			t.system(n.genre).sources++
		}
		if n.label != "" {
			t.version(n).sources++
		}
	}
}

// list returns the systems and their versions, most sources first.
func (t tallies) list() []System {
	out := make([]System, 0, len(t))
	for genre, s := range t {
		system := System{Genre: genre, Sources: s.sources, SYNs: s.syns, Versions: make([]Version, 0, len(s.versions))}
		for label, n := range s.versions {
			system.Versions = append(system.Versions, Version{Label: label, Sources: n.sources, SYNs: n.syns})
		}
		slices.SortFunc(system.Versions, func(a, b Version) int {
			return cmp.Or(cmp.Compare(b.Sources, a.Sources), cmp.Compare(b.SYNs, a.SYNs), cmp.Compare(a.Label, b.Label))
		})
		out = append(out, system)
	}
	slices.SortFunc(out, func(a, b System) int {
		return cmp.Or(cmp.Compare(b.Sources, a.Sources), cmp.Compare(b.SYNs, a.SYNs), cmp.Compare(a.Genre, b.Genre))
	})
	return out
}
