package iptables

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"fwknopd/enforce"
)

// Chains tells which chains of ours exist, in either family; also those of features
// that are off.
func (b *Backend) Chains(ctx context.Context) ([]enforce.ChainState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var states []enforce.ChainState
	for _, c := range b.ours() {
		s := enforce.ChainState{Table: c.Table, Name: c.To}
		for _, t := range b.tools() {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			_, exists, err := t.list(c.Table, c.To)
			if err != nil {
				return nil, fmt.Errorf("list chain %s: %w", c.To, err)
			}
			s.Exists = s.Exists || exists
		}
		states = append(states, s)
	}
	return states, nil
}

// Dump is the whole of the tables that hold chains of ours, as -S prints them: with
// names of protocols, and nothing that depends on the width of a column.
func (b *Backend) Dump(ctx context.Context) (text []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.tools() {
		var done []string
		for _, c := range b.ours() {
			if slices.Contains(done, c.Table) {
				continue
			}
			done = append(done, c.Table)
			out, err := t.dump(ctx, c.Table)
			if err != nil && c.Table == "filter" { // a kernel may have no other
				return nil, err
			}
			text = fmt.Appendf(text, "%s -t %s -S\n%s\n", t.path, c.Table, out)
		}
	}
	return text, nil
}

func (t *tool) dump(ctx context.Context, table string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.alarm)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.path, "-w", "-t", table, "-S")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s -t %s -S: %w", t.path, table, err)
	}
	return out, nil
}
