package config

import (
	"fmt"
	"os"

	"fwknopd/ingest/filter"
	"fwknopd/policy/conf"
)

// checkValues passes values to the packages that use them, so that a file which loads
// without errors does not fail when the daemon starts.
func (l *Loaded) checkValues() conf.Problems {
	if _, err := filter.Parse(l.Server.PcapFilter); err != nil {
		val := l.Values.Place("PCAP_FILTER")
		return conf.Problems{{Pos: val.Pos, Keyword: val.Name, Text: err.Error()}}
	}
	if l.Access == nil {
		return nil
	}
	return l.checkShellSyntax()
}

// checkOSLabels warns of required systems that no signature has: no client could be
// granted access.
func (l *Loaded) checkOSLabels() conf.Problems {
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
		if s.RequireOSRegex != nil && !matchesAnyLabel(known, s) {
			problems = append(problems, conf.Problem{Pos: val.Pos, Keyword: val.Name, Severity: conf.Warning,
				Text: "no signature has a label that it matches"})
		}
	}
	return problems
}

func matchesAnyLabel(known map[string]bool, s *conf.Stanza) bool {
	for label := range known {
		if s.RequireOSRegex.MatchString(label) {
			return true
		}
	}
	return false
}
