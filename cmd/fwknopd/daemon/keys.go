package daemon

import (
	"context"
	"errors"
	"fmt"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// exportKeys exports the OpenPGP keys of the stanzas, in file order. A stanza whose
// keys cannot be exported is an error, since it would refuse all clients.
func exportKeys(ctx context.Context, a *conf.Access) ([]*keyring.Keys, error) {
	var all []*keyring.Keys
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		if st.GPG == nil {
			continue
		}
		keys, err := keyring.Export(ctx, st.GPG)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", st.Pos.File, st.Pos.Line, err)
		}
		all = append(all, keys)
	}
	return all, nil
}

// keyrings returns a function that finds the keyring of a stanza among the keys that
// the monitor passed to the worker.
func (c *workerConfig) keyrings(l *config.Loaded, note func(error)) func(*conf.GPG) (*spa.Keyring, error) {
	keys := make(map[*conf.GPG]*keyring.Keys)
	n := 0
	for i := range l.Access.Stanzas {
		if g := l.Access.Stanzas[i].GPG; g != nil && n < len(c.Keys) {
			keys[g] = c.Keys[n]
			n++
		}
	}
	return func(g *conf.GPG) (*spa.Keyring, error) {
		k := keys[g]
		if k == nil {
			return nil, errors.New("the monitor handed no keys over")
		}
		ring, err := k.Keyring(g)
		if ring != nil && err != nil {
			note(err)
		}
		return ring, err
	}
}
