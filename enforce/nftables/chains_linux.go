package nftables

import (
	"context"
	"slices"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// Chains tells which chains of ours exist: those that belong somewhere, and what an
// earlier configuration left elsewhere. Table is family and name.
func (b *Backend) Chains(ctx context.Context) ([]enforce.ChainState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := b.readLayout()
	if err != nil {
		return nil, b.redial(err)
	}
	var states []enforce.ChainState
	add := func(s enforce.ChainState) {
		if !slices.Contains(states, s) {
			states = append(states, s)
		}
	}
	for _, role := range allRoles {
		for _, h := range l.placements[role] {
			add(enforce.ChainState{Table: tableName(h.table), Name: role.chain(), Exists: l.chain(h.table, role.chain()) != nil})
		}
		for _, c := range l.chains {
			if c.Name == role.chain() {
				add(enforce.ChainState{Table: tableName(c.Table), Name: c.Name, Exists: true})
			}
		}
	}
	return states, nil
}

func tableName(t *nft.Table) string { return familyName(t.Family) + " " + t.Name }
