package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// examineKeys looks for the OpenPGP keys that stanzas name. Who may write to them is found where the
// configuration is loaded.
func examineKeys(a *conf.Access) (list []finding) {
	var homes []string
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		if st.GPG == nil {
			continue
		}
		g := st.GPG
		if home := g.HomeDir; len(g.KeyFiles) == 0 && !slices.Contains(homes, home) {
			homes = append(homes, home)
			list = append(list, examineHome(home)...)
		}
		faults := keyring.Faults(keyring.Look(context.Background(), g))
		for _, err := range faults {
			list = append(list, finding{"keys", fix, fmt.Sprintf("%s: %v", st.Pos, err), keyCommand(g, err)})
		}
		if len(faults) == 0 {
			list = append(list, finding{"keys", ok, fmt.Sprintf("%s: the OpenPGP keys are there", st.Pos), ""})
		}
	}
	return list
}

// examineHome looks at the mode of a GnuPG home: gpg warns if others than its owner may read it.
func examineHome(home string) []finding {
	st, err := os.Stat(home)
	if err != nil || st.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return []finding{{"keys", warning, fmt.Sprintf("%s may be read by others than its owner (mode %#o)", home, st.Mode().Perm()), "chmod 700 " + home}}
}

// keyCommand is what mends a fault of the keys of a stanza.
func keyCommand(g *conf.GPG, fault error) string {
	switch inFiles := len(g.KeyFiles) > 0; {
	case errors.Is(fault, spa.ErrLocked):
		return "put the passphrase of the key into GPG_DECRYPT_PW"
	case errors.Is(fault, os.ErrNotExist) && inFiles, inFiles && errors.Is(fault, spa.ErrNoSecretKey):
		return "gpg --export-secret-keys ID > FILE, a file of GPG_KEY_FILE"
	case inFiles:
		return "gpg --export ID > FILE, a file of GPG_KEY_FILE"
	case errors.Is(fault, os.ErrNotExist):
		return "mkdir -m 700 " + g.HomeDir + ", and import the keys"
	case errors.Is(fault, keyring.ErrNoSigner):
		return "gpg --homedir " + g.HomeDir + " --import FILE, with the client's public key"
	}
	return "gpg --homedir " + g.HomeDir + " --import FILE, with the server's secret key"
}
