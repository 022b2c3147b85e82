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
	"time"

	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// passphraseFD is the descriptor on which gpg finds the passphrase.
const passphraseFD = "3"

// waitDelay is how long gpg may take to end once it was told to.
const waitDelay = 2 * time.Second

// fromGPG exports the keys of a home with a keybox and an agent. An agent that was
// not there before does not stay: it would keep the passphrase.
func fromGPG(ctx context.Context, g *conf.GPG) (*Keys, error) {
	if _, err := os.Stat(g.HomeDir); err != nil {
		return nil, err
	}
	if len(g.DecryptIDs) == 0 { // gpg would export every secret key
		return nil, errors.New("GPG_HOME_DIR needs GPG_DECRYPT_ID")
	}
	p, err := newProgram(g)
	if err != nil {
		return nil, err
	}
	if socket := p.agentSocket(ctx); socket != "" && !answers(socket) {
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
		keys.Valid, keys.Trusted, err = p.valid(ctx, g)
		return keys, err
	}
	return keys, nil
}

// program is gpg with the options that every run of it has.
type program struct {
	path, home string
	options    []string
}

func newProgram(g *conf.GPG) (*program, error) {
	name := g.Exe
	if name == "" {
		name = "gpg"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%s needs the gpg program, GPG_KEY_FILE does not: %w", g.HomeDir, err)
	}
	p := &program{path: path, home: g.HomeDir, options: []string{"--homedir", g.HomeDir, "--batch", "--no-tty"}}
	if !g.UseOptions {
		p.options = append(p.options, "--no-options")
	}
	return p, nil
}

// exportPublic fetches the keys of the signers, the whole ring for ANY.
func (p *program) exportPublic(ctx context.Context, g *conf.GPG) ([]byte, error) {
	ids := signers(g)
	if len(ids) == 0 {
		return nil, nil
	}
	return p.run(ctx, nil, append([]string{"--export"}, selection(ids)...)...)
}

// selection are the arguments that name keys: none for all.
func selection(ids []string) []string {
	if slices.Contains(ids, spa.AnyKey) {
		return nil
	}
	return append([]string{"--"}, ids...)
}

// exportSecret fetches our own keys, one by one: gpg exports nothing where it lacks one
// of several. What is not there, the ring shows. The agent hands it out locked again with the
// passphrase that it knows, so that a wrong GPG_DECRYPT_PW does not get in on what
// somebody else typed: we unlock it ourselves. locked are the ids of those that it
// keeps to itself.
func (p *program) exportSecret(ctx context.Context, g *conf.GPG) (all [][]byte, locked []string, err error) {
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

// valid returns the keys that are at least marginally valid, if the owner of the home
// has given ownertrust to anybody. Without any, nothing could be valid, and the list
// of signers is what says whom to believe.
func (p *program) valid(ctx context.Context, g *conf.GPG) (fingerprints []string, trusted bool, err error) {
	trust, err := p.run(ctx, nil, "--export-ownertrust")
	if err != nil || !hasOwnertrust(trust) {
		return nil, false, err
	}
	list, err := p.run(ctx, nil, append([]string{"--with-colons", "--list-keys"}, selection(signers(g))...)...)
	if err != nil && !strings.Contains(err.Error(), "No public key") { // of one signer; the others are listed
		return nil, false, err
	}
	return validKeys(list), true, nil
}

// hasOwnertrust reports a line that is not a comment.
func hasOwnertrust(export []byte) bool {
	for line := range bytes.Lines(export) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true
		}
	}
	return false
}

// validKeys reads a listing in colons format (GnuPG doc/DETAILS): the fingerprints
// of primary keys with a validity of marginal, full or ultimate.
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
			valid = false // the next are of subkeys
		}
	}
	return fingerprints
}

// run returns what gpg prints, also beside an error, which carries what gpg said
// about it. The passphrase goes into a pipe.
func (p *program) run(ctx context.Context, passphrase []byte, args ...string) ([]byte, error) {
	cmd := command(ctx, p.path, append(slices.Clone(p.options), args...)...)
	out, say := &limited{limit: maxExport}, &limited{limit: maxExport}
	cmd.Stdout, cmd.Stderr = out, say
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{r} // descriptor 3
	// Passphrases are shorter than the buffer of a pipe, so this does not block.
	_, err = w.Write(append(bytes.Clone(passphrase), '\n'))
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", p.path, ctx.Err())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", p.path, err, strings.Join(strings.Fields(say.String()), " "))
	}
	return out.Bytes(), err
}

// command is a run of a program of GnuPG: in English, and without the variables that
// point it to other homes and agents.
func command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = waitDelay
	return cmd
}

// limited is a buffer that refuses to grow beyond its limit.
type limited struct {
	bytes.Buffer
	limit int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.limit {
		return 0, errors.New("gpg printed too much")
	}
	return l.Buffer.Write(p)
}
