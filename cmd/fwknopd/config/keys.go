package config

import (
	"context"
	"errors"
	"os"
	"strings"

	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
)

// keys fetches the OpenPGP keys of each stanza, as the daemon does at its start, and
// says what is missing: an error where the daemon would not start, a warning where it
// would refuse some clients or all. Who is not root may not see what the daemon sees.
func (l *Loaded) keys() conf.Problems {
	var problems conf.Problems
	for i := range l.Access.Stanzas {
		st := &l.Access.Stanzas[i]
		if st.GPG == nil {
			continue
		}
		ring, err := keyring.Load(context.Background(), st.GPG)
		for _, fault := range split(err) {
			p := conf.Problem{Pos: st.Pos, Keyword: keywordOf(fault, st.GPG), Text: fault.Error(), Severity: conf.Warning}
			if ring == nil && os.Geteuid() == 0 {
				p.Severity = conf.Error
			}
			if val := st.Values.Lookup(p.Keyword); val.IsSet() {
				p.Pos = val.Pos
			}
			p.Text = strings.TrimPrefix(p.Text, "GPG_KEY_FILE: ")
			problems = append(problems, p)
		}
	}
	return problems
}

// split takes joined errors apart.
func split(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, split(e)...)
	}
	return list
}

// keywordOf is the keyword to look at for a fault of the ring.
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
