package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// Look looks for the keys of a stanza as [Load] does, and changes nothing: of a home of GnuPG 2.1
// and later it has gpg list the public keys, and looks for the files of the secret ones. The
// passphrase is not tried there. The error is that of Load.
func Look(ctx context.Context, g *conf.GPG) error {
	if len(g.KeyFiles) > 0 || g.HomeDir == "" || isClassic(g.HomeDir) {
		_, err := Load(ctx, g)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := os.ReadDir(g.HomeDir); err != nil {
		return err
	}
	if !hasPublic(g.HomeDir) { // gpg would make one
		return fmt.Errorf("%s: no keys: there is no %s", g.HomeDir, keybox)
	}
	p, err := newGPGProgram(g)
	if err != nil {
		return err
	}
	p.options = append(p.options, "--lock-never", "--no-auto-check-trustdb", "--trust-model", "always", "--no-random-seed-file")
	for _, id := range g.DecryptIDs {
		if !p.hasSecret(ctx, id) {
			err = errors.Join(err, fmt.Errorf("%s: GPG_DECRYPT_ID %s: %w", g.HomeDir, id, spa.ErrNoSecretKey))
		}
	}
	for _, id := range signers(g) {
		if id == spa.AnyKey {
			continue
		}
		if _, fault := p.list(ctx, id); fault != nil {
			err = errors.Join(err, fmt.Errorf("%s: %s: %w", g.HomeDir, id, ErrNoSigner))
		}
	}
	return err
}

// hasPublic reports whether a home has a file of public keys, or leaves them to keyboxd.
func hasPublic(home string) bool {
	return slices.ContainsFunc([]string{keybox, pubring, "public-keys.d"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(home, name))
		return err == nil
	})
}

// list lists a public key, in colons format.
func (p *gpgProgram) list(ctx context.Context, id string) (string, error) {
	out, err := p.run(ctx, nil, "--with-colons", "--with-keygrip", "--list-keys", "--", id)
	return string(out), err
}

// hasSecret reports whether the agent has a file for a key of ours or a subkey of it: it is named by
// the keygrip.
func (p *gpgProgram) hasSecret(ctx context.Context, id string) bool {
	list, err := p.list(ctx, id)
	if err != nil {
		return false
	}
	for line := range strings.Lines(list) {
		const grip = 9
		field := strings.Split(line, ":")
		if field[0] != "grp" || len(field) <= grip {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.home, "private-keys-v1.d", field[grip]+".key")); err == nil {
			return true
		}
	}
	return false
}

// Faults returns the errors joined in an error of [Load] or [Look].
func Faults(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, Faults(e)...)
	}
	return list
}
