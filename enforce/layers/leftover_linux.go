package layers

import (
	"fmt"
	"slices"

	"fwknopd/enforce/firewalld"
	"fwknopd/enforce/ruleset"
)

// dropEnded removes the table that the backend for firewalld left, with which nothing of
// firewalld is in use any more. Where rules of firewalld are left, too, what it drops may be
// open without it: it stays, and that is said.
func (b *Backend) dropEnded() {
	switch line, stale := b.endedLine(); {
	case line == "":
	case !stale:
		b.notes.Add("%s", line)
	default:
		if err := firewalld.RemoveEnded(); err != nil {
			b.notes.Add("%s: it cannot be removed: %v", line, err)
		}
	}
}

// endedLine is what to say about that table, "" if there is none or it is in use. It is stale
// where firewalld has no rules any more.
func (b *Backend) endedLine() (line string, stale bool) {
	isEnded := func(base *ruleset.Base) bool {
		return base.Layer == ruleset.NFTables && base.Table == ruleset.EndedTable
	}
	if b.has(ruleset.Firewalld) || !slices.ContainsFunc(b.findings.bases, isEnded) {
		return "", false
	}
	line = fmt.Sprintf("table inet %s %s", ruleset.EndedTable, ruleset.EndedLeft)
	if slices.ContainsFunc(b.findings.bases, func(base *ruleset.Base) bool { return base.Owner() == ruleset.FirewalldName }) {
		return line + "; rules of firewalld are left, too, and may open these without it", false
	}
	return line + "; the daemon removes it when it starts", true
}
