package iptables

import (
	"fmt"
	"slices"
	"strings"
)

// A nativeChain is a chain as nf_tables has it.
type nativeChain struct {
	table, name string
	uses        int // rules in it and jumps to it
}

// isWholeCheaper weighs listing a table with one program against a program for each of the
// wanted chains, which takes some 8 ms to start. iptables-nft reads only the rules that it
// lists, at 13 µs each. iptables-legacy reads all rules whatever it lists, which takes longer
// than to print them.
func (t *tool) isWholeCheaper(table string, wanted []string, chains func() ([]nativeChain, error)) bool {
	const start, list = 8000, 13 // µs
	if len(wanted) < 2 || !t.nft {
		return len(wanted) > 1
	}
	all, err := chains()
	others := 0
	for _, c := range all {
		if c.table == table && !slices.Contains(wanted, c.name) {
			others += c.uses
		}
	}
	return err == nil && others*list < (len(wanted)-1)*start
}

// confirmAbsent returns an error if a chain of which a program says that it is not there is there all the same:
// iptables-nft 1.8.9 says of both that they are "incompatible", of a chain that does not exist and of one with
// rules that only nft(8) shows.
func (t *tool) confirmAbsent(err error, table, chain string) error {
	if !strings.Contains(err.Error(), "is incompatible") {
		return nil
	}
	all, err := nativeChains(t.v6)
	if err == nil && slices.ContainsFunc(all, func(c nativeChain) bool { return c.table == table && c.name == chain }) {
		err = fmt.Errorf("%s does not list the rules of nft(8) that it has in table %s: remove them", t.name(), table)
	}
	return err
}
