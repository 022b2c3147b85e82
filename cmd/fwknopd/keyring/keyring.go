// Package keyring fetches the OpenPGP keys of a stanza, once at start and once at
// every reload: from exported files (GPG_KEY_FILE), from the rings of a classic
// GnuPG home, which need no gpg program either, or through gpg from a home of
// GnuPG 2.1 and later.
//
// The entry point is [Load]. Only the key of GPG_DECRYPT_ID and those of the listed
// signers are fetched, and the passphrase reaches gpg through a pipe, never through
// its arguments.
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
	// timeout bounds everything Load does. Exporting a key takes gpg about a second
	// of deliberate work on the passphrase.
	timeout = 60 * time.Second
	// maxExport bounds a file of keys and what gpg may print, bytes.
	maxExport = 16 << 20
)

// Load returns the keys of a stanza.
//
// An error with a nil keyring says that there are none to be had. An error beside a
// keyring says that it will refuse packets, all of them or those of some signer; it
// wraps spa.ErrLocked, spa.ErrNoSecretKey or [ErrNoSigner]. No error holds a secret.
func Load(ctx context.Context, g *conf.GPG) (*spa.Keyring, error) {
	keys, err := Export(ctx, g)
	if err != nil {
		return nil, err
	}
	return keys.Keyring(g)
}

// Keys are what a keyring is made of, for a process that may neither read the files
// nor run gpg.
type Keys struct {
	Origin  string   // for messages
	Exports [][]byte // OpenPGP keys as exported
	Locked  []string // ids of our own keys that gpg did not unlock with the passphrase
	// Valid are the fingerprints that may sign, if Trusted says that there is
	// such a choice.
	Valid   []string
	Trusted bool
}

// Export fetches the keys of a stanza.
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

// Keyring makes the keyring of a stanza, with the errors of [Load].
func (k *Keys) Keyring(g *conf.GPG) (*spa.Keyring, error) {
	ring, err := k.assemble(g)
	if ring != nil && k.Trusted {
		ring.Restrict(k.Valid)
	}
	return ring, err
}

// ErrNoSigner reports that a listed signer has no key in the ring.
var ErrNoSigner = errors.New("no public key of the signer")

// The files of a classic home are plain packet streams. GnuPG 2.1 leaves them where
// they are when it takes their keys over, and then marks the directory.
const (
	pubring  = "pubring.gpg"
	secring  = "secring.gpg"
	keybox   = "pubring.kbx"
	migrated = ".gpg-v21-migrated"
)

// isClassic reports that GnuPG 1.x or 2.0 made the home and no later one uses it.
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

// assemble makes the ring and says what it lacks, by the ids of the stanza.
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
		if slices.Contains(k.Locked, id) { // gpg says more than what the missing export says
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

// signers are the ids whose keys are needed.
func signers(g *conf.GPG) []string {
	if g.DisableSig {
		return nil
	}
	return append(append([]string(nil), g.RemoteIDs...), g.Fingerprints...)
}
