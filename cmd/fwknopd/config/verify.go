package config

import (
	"fmt"
	"os"

	"fwknopd/ingest/filter"
	"fwknopd/policy/conf"
)

// verify asks the packages that use a value whether they can: a file that loads is
// one the daemon starts with.
func (l *Loaded) verify() conf.Problems {
	if _, err := filter.Parse(l.Server.PcapFilter); err != nil {
		val := l.Values.Place("PCAP_FILTER")
		return conf.Problems{{Pos: val.Pos, Keyword: val.Name, Text: err.Error()}}
	}
	if l.Access == nil {
		return nil
	}
	return l.shellSyntax()
}

// labels warns of systems that are required and that no signature names: no
// client could ever be granted.
func (l *Loaded) labels() conf.Problems {
	set, err := Signatures(l.Server.P0fFile, nil, os.ReadFile)
	if err != nil {
		val := l.Values.Place("P0F_FILE")
		return conf.Problems{{Pos: val.Pos, Keyword: val.Name, Text: err.Error()}}
	}
	known := make(map[string]bool, set.Len())
	for i := range set.Len() {
		known[set.At(i).Label] = true
	}
	var problems conf.Problems
	for i := range l.Access.Stanzas {
		s := &l.Access.Stanzas[i]
		val := s.Values.Place("REQUIRE_OS")
		if s.RequireOS != "" && !known[s.RequireOS] {
			problems = append(problems, conf.Problem{Pos: val.Pos, Keyword: val.Name, Severity: conf.Warning,
				Text: fmt.Sprintf("no signature has the label %q", s.RequireOS)})
		}
		val = s.Values.Place("REQUIRE_OS_REGEX")
		if s.RequireOSRegex != nil && !anyLabel(known, s) {
			problems = append(problems, conf.Problem{Pos: val.Pos, Keyword: val.Name, Severity: conf.Warning,
				Text: "no signature has a label that it matches"})
		}
	}
	return problems
}

func anyLabel(known map[string]bool, s *conf.Stanza) bool {
	for label := range known {
		if s.RequireOSRegex.MatchString(label) {
			return true
		}
	}
	return false
}
