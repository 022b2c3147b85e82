package iptables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A snapshot is what chains held when they were listed. Chains of one table that were listed
// whole are of one moment.
type snapshot map[chainID]listing

// A listing is the lines of iptables -S of a chain: -P or -N, and -A for each rule. There are
// none if the chain does not exist.
type listing struct {
	lines []string
	err   error
}

// snapshot lists chains, of all tables and families side by side; a table whole where that is
// cheaper.
func (b *Backend) snapshot(ctx context.Context, want []chainID) snapshot {
	s := make(snapshot)
	var ends []func() // all have to be called
	for _, t := range b.tools() {
		native := sync.OnceValues(func() ([]nativeChain, error) { return nativeChains(t.v6) })
		names := make(map[string][]string) // by table
		for _, id := range want {
			if id.v6 == t.v6 && !slices.Contains(names[id.table], id.chain) {
				names[id.table] = append(names[id.table], id.chain)
			}
		}
		for table, names := range names {
			begin := s.beginChains
			if t.isWholeCheaper(table, names, native) {
				begin = s.beginTable
			}
			ends = append(ends, begin(ctx, t, table, names))
		}
	}
	for _, end := range ends {
		end()
	}
	return s
}

// chain returns the lines of a chain; exists is false if there is no such chain. One that was not
// listed yet, or is forgotten, is listed now.
func (s snapshot) chain(ctx context.Context, t *tool, table, name string) (lines []string, exists bool, err error) {
	id := chainID{t.v6, table, name}
	if _, known := s[id]; !known {
		s.beginChains(ctx, t, table, []string{name})()
	}
	l := s[id]
	if l.err != nil {
		return nil, false, fmt.Errorf("list chain %s: %w", name, l.err)
	}
	return l.lines, len(l.lines) > 0, nil
}

// forget drops chains that we have changed.
func (s snapshot) forget(ids ...chainID) {
	for _, id := range ids {
		delete(s, id)
	}
}

// beginTable begins to list a table. iptables-nft lists none in which nft(8) has added a rule to any
// chain that it cannot show, and leaves base chains of nft(8) out with a remark: then chains
// that were not listed are listed by themselves.
func (s snapshot) beginTable(ctx context.Context, t *tool, table string, names []string) (end func()) {
	output := t.dump(ctx, table)
	return func() {
		text, err := output()
		var found map[string][]string
		whole := false
		if err == nil {
			found, whole = split(text, names)
		}
		isAll := whole && !hasRemark(text) || isNoTable(err, table)
		var again []string
		for _, name := range names {
			l := listing{lines: found[name]}
			if isHanging(err) {
				l.err = err
			}
			if l.lines == nil && l.err == nil && !isAll {
				again = append(again, name)
				continue
			}
			s[chainID{t.v6, table, name}] = l
		}
		s.beginChains(ctx, t, table, again)()
	}
}

// beginChains begins to list each chain by itself.
func (s snapshot) beginChains(ctx context.Context, t *tool, table string, names []string) (end func()) {
	outputs := make([]func() (string, error), len(names))
	for i, name := range names {
		outputs[i] = t.dump(ctx, table, name)
	}
	return func() {
		for i, name := range names {
			var l listing
			text, err := outputs[i]()
			switch {
			case isNotThere(err), isNoTable(err, table):
				l.err = t.confirmAbsent(err, table, name)
			case err != nil:
				l.err = err
			default:
				chains, whole := split(text, names)
				if l.lines = chains[name]; !whole {
					l.err = errCut
				}
			}
			s[chainID{t.v6, table, name}] = l
		}
	}
}

// errCut is the error of a listing that ends in the middle of a rule.
var errCut = errors.New("a quote in it has no end")

// split returns the lines of -S for chains of these names. What is in quotes, as a comment, may
// have line breaks; without its end nothing is returned, and whole is false.
func split(text string, names []string) (chains map[string][]string, whole bool) {
	chains = make(map[string][]string)
	start, end, quoted := 0, 0, false
	for line := range strings.Lines(text) {
		end += len(line)
		if quoted = endsQuoted(line, quoted); quoted {
			continue
		}
		line, start = strings.TrimSuffix(text[start:end], "\n"), end
		kind, rest, _ := strings.Cut(line, " ")
		name, _, _ := strings.Cut(rest, " ")
		isHead := kind == "-P" || kind == "-N"
		if slices.Contains(names, name) && (isHead || kind == "-A" && chains[name] != nil) {
			chains[name] = append(chains[name], strings.Clone(line)) // the text may be large
		}
	}
	if quoted {
		return nil, false
	}
	return chains, true
}

// endsQuoted reports whether a quote is open behind a piece of text, in front of which one was
// open or not.
func endsQuoted(text string, open bool) bool {
	for i := strings.IndexAny(text, `"\`); i >= 0; i = strings.IndexAny(text, `"\`) {
		if text[i] == '"' {
			open = !open
		} else {
			i++ // what is escaped
		}
		text = text[min(i+1, len(text)):]
	}
	return open
}

// hasRemark reports whether the program says something of a table beside its chains and rules.
func hasRemark(text string) bool {
	return strings.HasPrefix(text, "#") || strings.Contains(text, "\n#")
}
