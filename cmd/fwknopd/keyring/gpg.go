package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"fwknopd/enforce/command"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// passphraseFD is the descriptor from which gpg reads the passphrase.
const passphraseFD = "3"

// fromGPG exports the keys of a home with a keybox and an agent. If it started the
// agent it also stops it, because the agent caches the passphrase.
func fromGPG(ctx context.Context, g *conf.GPG) (*Keys, error) {
	if _, err := os.Stat(g.HomeDir); err != nil {
		return nil, err
	}
	if len(g.DecryptIDs) == 0 { // gpg would export every secret key
		return nil, errors.New("GPG_HOME_DIR needs GPG_DECRYPT_ID")
	}
	p, err := newGPGProgram(g)
	if err != nil {
		return nil, err
	}
	if socket := p.agentSocket(ctx); socket != "" && !isListening(socket) {
		defer p.killAgent(ctx, socket)
	}
	public, err := p.exportPublic(ctx, g)
	if err != nil {
		return nil, err
	}
	secret, locked, err := p.exportSecret(ctx, g)
	if err != nil {
		return nil, err
	}
	keys := &Keys{Origin: g.HomeDir, Exports: append([][]byte{public}, secret...), Locked: locked}
	if g.CheckTrust {
		keys.Valid, keys.Trusted, err = p.validSigners(ctx, g)
		return keys, err
	}
	return keys, nil
}

// A gpgProgram is gpg with the options common to all runs.
type gpgProgram struct {
	path, home string
	options    []string
}

func newGPGProgram(g *conf.GPG) (*gpgProgram, error) {
	name := g.Exe
	if name == "" {
		name = "gpg"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%s needs the gpg program, GPG_KEY_FILE does not: %w", g.HomeDir, err)
	}
	p := &gpgProgram{path: path, home: g.HomeDir, options: []string{"--homedir", g.HomeDir, "--batch", "--no-tty"}}
	if !g.UseOptions {
		p.options = append(p.options, "--no-options")
	}
	return p, nil
}

// exportPublic exports the keys of the signers, the whole ring for ANY.
func (p *gpgProgram) exportPublic(ctx context.Context, g *conf.GPG) ([]byte, error) {
	ids := signers(g)
	if len(ids) == 0 {
		return nil, nil
	}
	return p.run(ctx, nil, append([]string{"--export"}, keyArgs(ids)...)...)
}

// keyArgs returns the arguments that select keys: none for all keys.
func keyArgs(ids []string) []string {
	if slices.Contains(ids, spa.AnyKey) {
		return nil
	}
	return append([]string{"--"}, ids...)
}

// exportSecret exports our own keys one by one: gpg exports none if one of several is
// missing. A missing key is reported when the keyring is assembled. The agent returns
// each key encrypted with the passphrase it has cached, and we decrypt it with
// GPG_DECRYPT_PW, so that a wrong one fails even if the agent knows the right one.
// locked are the ids of the keys that the agent did not export.
func (p *gpgProgram) exportSecret(ctx context.Context, g *conf.GPG) (all [][]byte, locked []string, err error) {
	for _, id := range g.DecryptIDs {
		out, fault := p.run(ctx, g.DecryptPW.Bytes(), "--pinentry-mode", "loopback", "--passphrase-fd", passphraseFD,
			"--export-secret-keys", "--", id)
		switch {
		case fault == nil:
			all = append(all, out)
		case strings.Contains(fault.Error(), "assphrase"): // Bad passphrase, No passphrase given
			locked = append(locked, id)
		default:
			return nil, nil, fault
		}
	}
	return all, locked, nil
}

// validSigners returns the keys that are at least marginally valid, if any key in the
// home has ownertrust. Without ownertrust no key could be valid; trusted is then false
// and the configured signers alone decide.
func (p *gpgProgram) validSigners(ctx context.Context, g *conf.GPG) (fingerprints []string, trusted bool, err error) {
	trust, err := p.run(ctx, nil, "--export-ownertrust")
	if err != nil || !hasOwnertrust(trust) {
		return nil, false, err
	}
	list, err := p.run(ctx, nil, append([]string{"--with-colons", "--list-keys"}, keyArgs(signers(g))...)...)
	if err != nil && !strings.Contains(err.Error(), "No public key") { // of one signer; the others are listed
		return nil, false, err
	}
	return validKeys(list), true, nil
}

// hasOwnertrust reports whether an ownertrust export has a line that is not a comment.
func hasOwnertrust(export []byte) bool {
	for line := range bytes.Lines(export) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true
		}
	}
	return false
}

// validKeys parses a listing in colons format (GnuPG doc/DETAILS) and returns the
// fingerprints of primary keys with a validity of marginal, full or ultimate.
func validKeys(list []byte) (fingerprints []string) {
	valid := false
	for line := range strings.Lines(string(list)) {
		field := strings.Split(strings.TrimSpace(line), ":")
		const validity, fingerprint = 1, 9
		switch {
		case len(field) <= fingerprint:
		case field[0] == "pub":
			valid = strings.ContainsAny(field[validity], "mfu")
		case field[0] == "fpr" && valid:
			fingerprints = append(fingerprints, field[fingerprint])
			valid = false // the following fpr records are of subkeys
		}
	}
	return fingerprints
}

// run runs gpg and returns its output, which is valid even with an error. The error
// includes gpg's messages. The passphrase is passed through a pipe.
func (p *gpgProgram) run(ctx context.Context, passphrase []byte, args ...string) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// Passphrases are shorter than the buffer of a pipe, so this does not block.
	_, err = w.Write(append(bytes.Clone(passphrase), '\n'))
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	c := program(p.path, append(slices.Clone(p.options), args...)...)
	c.Files = []*os.File{r} // descriptor 3
	out, err := command.Output(ctx, c)
	return []byte(out), err
}

// program returns a run of a GnuPG program with English messages and without the
// environment variables that select other homes and agents.
func program(path string, args ...string) command.Command {
	return command.Command{
		Argv: append([]string{path}, args...), Dir: ".", Environment: []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")},
		Timeout: timeout, MaxOutput: maxExport,
	}
}
