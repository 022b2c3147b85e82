package keyring

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"fwknopd/fixtures/wait"
)

const keyDir = "../../../fixtures/spa/keys"

func keyFiles(t testing.TB, globs ...string) (names []string) {
	t.Helper()
	for _, g := range globs {
		found, err := filepath.Glob(filepath.Join(keyDir, g))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", g, len(found), err)
		}
		names = append(names, found...)
	}
	return names
}

// needGPG skips the test if gpg is missing, unless every test must run.
func needGPG(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// home is a GnuPG home of the installed version. Its path is short, because that of the
// agent's socket is limited; the agent is stopped when the test ends.
type home struct {
	t   testing.TB
	dir string
}

func newHome(t testing.TB) *home {
	t.Helper()
	needGPG(t)
	dir, err := os.MkdirTemp("", "gk")
	if err != nil {
		t.Fatal(err)
	}
	// Otherwise the agent spends a second on deriving each key.
	if err := os.WriteFile(filepath.Join(dir, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &home{t, dir}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		_ = os.RemoveAll(dir)
	})
	return h
}

func (h *home) gpg(stdin string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", h.dir, "--batch", "--no-tty", "--quiet"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, say bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &say
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("gpg %v: %v\n%s", args, err, say.String())
	}
	return out.String()
}

func (h *home) importKeys(globs ...string) {
	h.t.Helper()
	h.gpg("", append([]string{"--import"}, keyFiles(h.t, globs...)...)...)
}

// trust sets ultimate ownertrust for the keys with these fingerprints.
func (h *home) trust(fingerprints ...string) {
	h.t.Helper()
	h.gpg(strings.Join(fingerprints, ":6:\n")+":6:\n", "--import-ownertrust")
}

func (h *home) fingerprints() (all []string) {
	for line := range strings.Lines(h.gpg("", "--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			all = append(all, f[9])
		}
	}
	return all
}

// stop stops the agent, which discards its cached passphrases.
func (h *home) stop() {
	h.t.Helper()
	if err := exec.Command("gpgconf", "--homedir", h.dir, "--kill", "gpg-agent").Run(); err != nil {
		h.t.Fatal(err)
	}
	wait.For(h.t, "the end of the agent", func() bool { return !h.agentRuns() })
}

func (h *home) agentRuns() bool {
	p := &gpgProgram{path: "gpg", home: h.dir}
	return isListening(p.agentSocket(context.Background()))
}

// classicHome returns a home with keyrings of GnuPG 1.4: plain packet streams.
func classicHome(t testing.TB, public, secret []string) string {
	t.Helper()
	dir := t.TempDir()
	for name, globs := range map[string][]string{pubring: public, secring: secret} {
		var ring bytes.Buffer
		for _, file := range keyFiles(t, globs...) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			block, err := armor.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ring.ReadFrom(block.Body); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		if err := os.WriteFile(filepath.Join(dir, name), ring.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
