package daemon

import (
	"context"
	"fmt"

	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
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
