// Package keyring loads the OpenPGP keys of a stanza, at start and at every reload:
// from exported files (GPG_KEY_FILE), from the keyrings of a classic GnuPG home, or by
// running gpg for a home of GnuPG 2.1 and later.
//
// The entry point is [Load]. Only the key of GPG_DECRYPT_ID and those of the listed
// signers are loaded. The passphrase is passed to gpg through a pipe, never in its
// arguments.
package keyring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

const (
	// timeout bounds Load. Exporting a key takes gpg about a second, which is the cost
	// of its passphrase derivation.
	timeout = 60 * time.Second
	// maxExport bounds a key file and the output of gpg, in bytes.
	maxExport = 16 << 20
)

// Load returns the keys of a stanza.
//
// An error with a nil keyring means that there are no usable keys. An error with a
// keyring means that it will refuse packets, all of them or those of some signer; it
// wraps spa.ErrLocked, spa.ErrNoSecretKey or [ErrNoSigner]. No error contains a secret.
func Load(ctx context.Context, g *conf.GPG) (*spa.Keyring, error) {
	keys, err := Export(ctx, g)
	if err != nil {
		return nil, err
	}
	return keys.Keyring(g)
}

// Keys holds exported keys, for a process that may neither read the files nor run gpg.
type Keys struct {
	Origin  string   // for messages
	Exports [][]byte // OpenPGP keys as exported
	Locked  []string // ids of our own keys that the passphrase did not unlock in gpg
	// Valid are the fingerprints that may sign; it applies only if Trusted is set.
	Valid   []string
	Trusted bool
}

// Export returns the keys of a stanza.
func Export(ctx context.Context, g *conf.GPG) (*Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case len(g.KeyFiles) > 0:
		return fromFiles("GPG_KEY_FILE", g.KeyFiles)
	case g.HomeDir == "":
		return nil, errors.New("neither GPG_HOME_DIR nor GPG_KEY_FILE")
	case isClassic(g.HomeDir):
		return fromFiles(g.HomeDir, []string{filepath.Join(g.HomeDir, pubring), filepath.Join(g.HomeDir, secring)})
	}
	return fromGPG(ctx, g)
}

// Keyring returns the keyring of a stanza, with the errors of [Load].
func (k *Keys) Keyring(g *conf.GPG) (*spa.Keyring, error) {
	ring, err := k.assemble(g)
	if ring != nil && k.Trusted {
		ring.Restrict(k.Valid)
	}
	return ring, err
}

// ErrNoSigner reports that a listed signer has no key in the ring.
var ErrNoSigner = errors.New("no public key of the signer")

// The files of a classic home are plain packet streams. GnuPG 2.1 leaves them in place
// when it migrates their keys, and creates the file .gpg-v21-migrated.
const (
	pubring  = "pubring.gpg"
	secring  = "secring.gpg"
	keybox   = "pubring.kbx"
	migrated = ".gpg-v21-migrated"
)

// isClassic reports whether the home was created by GnuPG 1.x or 2.0 and no later
// version uses it.
func isClassic(home string) bool {
	exists := func(name string) bool {
		st, err := os.Stat(filepath.Join(home, name))
		return err == nil && st.Size() > 0
	}
	_, err := os.Stat(filepath.Join(home, migrated))
	return exists(pubring) && exists(secring) && !exists(keybox) && os.IsNotExist(err)
}

func fromFiles(origin string, names []string) (*Keys, error) {
	keys := &Keys{Origin: origin}
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			return nil, err
		}
		keys.Exports = append(keys.Exports, data)
	}
	return keys, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxExport+1))
	if err == nil && len(data) > maxExport {
		err = fmt.Errorf("%s: larger than %d bytes", name, maxExport)
	}
	return data, err
}

// assemble returns the keyring, with an error for each id of the stanza that it lacks.
func (k *Keys) assemble(g *conf.GPG) (*spa.Keyring, error) {
	ring, err := spa.NewKeyring(k.Exports, g.DecryptIDs, g.DecryptPW.Bytes())
	if ring == nil || len(g.DecryptIDs) == 0 && err != nil {
		return ring, fmt.Errorf("%s: %w", k.Origin, err)
	}
	fault := cmp.Or(err, spa.ErrNoSecretKey)
	err = nil
	for _, id := range g.DecryptIDs {
		if ring.Decrypts(id) {
			continue
		}
		why := fault
		if slices.Contains(k.Locked, id) { // more precise than the missing export
			why = spa.ErrLocked
		}
		err = errors.Join(err, fmt.Errorf("%s: GPG_DECRYPT_ID %s: %w", k.Origin, id, why))
	}
	for _, id := range signers(g) {
		if id != spa.AnyKey && !ring.Has(id) {
			err = errors.Join(err, fmt.Errorf("%s: %s: %w", k.Origin, id, ErrNoSigner))
		}
	}
	return ring, err
}

// signers returns the ids of the signers whose keys are needed.
func signers(g *conf.GPG) []string {
	if g.DisableSig {
		return nil
	}
	return append(append([]string(nil), g.RemoteIDs...), g.Fingerprints...)
}
