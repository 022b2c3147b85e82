package iptables

import (
	"fmt"
	"strings"
)

// addDeletes completes a script with the deletions of the plan.
func (p *plan) addDeletes(t *tool, sc *script) error {
	for id, rules := range p.deletes {
		if id.v6 != t.v6 {
			continue
		}
		length := p.b.length[id]
		if -p.lengths[id] == len(rules) && t.nft && isRebuildCheaper(len(rules), length) {
			if err := t.addRebuild(sc, id, rules); err != nil {
				return err
			}
			continue
		}
		for _, r := range rules {
			sc.add(id.table, "-D "+id.chain+" "+r.text)
		}
	}
	return nil
}

// isRebuildCheaper weighs deleting some rules of a chain against writing it anew. The
// nf_tables variant compares a rule to be deleted with every rule of the chain, at
// about 1 µs each; writing one costs about 50 µs, and listing the chain first some
// milliseconds.
func isRebuildCheaper(deletes, length int) bool {
	const compare, write, list = 1, 50, 20000 // µs
	return deletes*length*compare > (length-deletes)*write+list
}

// addRebuild writes a chain anew without the rules, in their order and with
// whatever others have put there, in one transaction: no packet sees the chain
// empty.
func (t *tool) addRebuild(sc *script, id chainID, deleted []listed) error {
	lines, _, err := t.list(id.table, id.chain)
	if err != nil {
		return fmt.Errorf("list chain %s: %w", id.chain, err)
	}
	specs, texts := make(map[spec]int), make(map[string]int)
	for _, r := range deleted {
		if r.spec.unknown {
			texts[r.text]++
		} else {
			specs[r.spec]++
		}
	}
	sc.add(id.table, "-F "+id.chain)
	for _, line := range lines {
		_, s, ok := parseRule(line)
		text := strings.TrimPrefix(line, "-A "+id.chain+" ")
		switch {
		case !strings.HasPrefix(line, "-A "):
		case ok && !s.unknown && specs[s] > 0:
			specs[s]--
		case texts[text] > 0:
			texts[text]--
		default:
			sc.add(id.table, line)
		}
	}
	return nil
}
