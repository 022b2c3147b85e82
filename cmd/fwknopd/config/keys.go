package config

import (
	"context"
	"errors"
	"strings"

	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
)

// checkKeys loads the OpenPGP keys of each stanza, as the daemon does when it starts,
// and warns of missing ones. They are not errors: keys may be installed later, and
// without root this process may not be able to read what the daemon can.
func (l *Loaded) checkKeys() conf.Problems {
	var problems conf.Problems
	for i := range l.Access.Stanzas {
		st := &l.Access.Stanzas[i]
		if st.GPG == nil {
			continue
		}
		ring, err := keyring.Load(context.Background(), st.GPG)
		for _, fault := range keyring.Faults(err) {
			p := conf.Problem{Pos: st.Pos, Keyword: keywordOf(fault, st.GPG), Text: fault.Error(), Severity: conf.Warning}
			p.Text = strings.Replace(strings.TrimPrefix(p.Text, "GPG_KEY_FILE: "), p.Keyword+" ", "", 1)
			if ring == nil {
				p.Text = "the daemon does not start without these keys: " + p.Text
			}
			if val := st.Values.Place(p.Keyword); val.Set {
				p.Pos = val.Pos
			}
			problems = append(problems, p)
		}
	}
	return problems
}

// keywordOf returns the keyword that a fault of the keyring is about.
func keywordOf(fault error, g *conf.GPG) string {
	switch {
	case errors.Is(fault, keyring.ErrNoSigner) && len(g.RemoteIDs) > 0:
		return "GPG_REMOTE_ID"
	case errors.Is(fault, keyring.ErrNoSigner):
		return "GPG_FINGERPRINT_ID"
	case strings.Contains(fault.Error(), "GPG_DECRYPT_ID "):
		return "GPG_DECRYPT_ID"
	case len(g.KeyFiles) > 0:
		return "GPG_KEY_FILE"
	}
	return "GPG_HOME_DIR"
}
