package replay

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// usesGPG reports whether the configuration names a GnuPG home.
func (v *vector) usesGPG() bool {
	return strings.Contains(v.Server.CAccess+v.Server.PerlAccess, "GPG_HOME_DIR")
}

// gpgHomes returns a function that returns the directory of the vectors' GnuPG homes,
// created at the first call. It is removed when the test ends.
func gpgHomes(t *testing.T) func(*testing.T) string {
	homes := sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "gv") // short: the path of the agent's socket is limited
		if err != nil {
			return "", err
		}
		t.Cleanup(func() { removeHomes(dir) })
		return dir, makeHomes(dir)
	})
	return func(t *testing.T) string {
		t.Helper()
		if _, err := exec.LookPath("gpg"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		dir, err := homes()
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
}

// makeHomes creates the homes: g_server trusts all keys, g_server_untrusted does not
// trust the key of the stranger, g_p_server is that of the 1.9 server.
func makeHomes(dir string) error {
	text, err := os.ReadFile(filepath.Join(vectorDir, "keys", "keys.json"))
	if err != nil {
		return err
	}
	var keys map[string]struct{ Fpr string }
	if err := json.Unmarshal(text, &keys); err != nil {
		return err
	}
	var everybody, two []string
	for name, k := range keys {
		everybody = append(everybody, k.Fpr)
		if name == "server" || name == "client" {
			two = append(two, k.Fpr)
		}
	}
	for _, h := range []struct {
		name    string
		trusted []string
		keys    []string
	}{
		{"g_server", everybody, []string{"*.pub.asc", "server*.sec.asc"}},
		{"g_server_untrusted", two, []string{"*.pub.asc", "server*.sec.asc"}},
		{"g_p_server", everybody, []string{"client.pub.asc", "stranger.pub.asc", "server.pub.asc", "server.sec.asc"}},
	} {
		if err := makeHome(filepath.Join(dir, h.name), h.trusted, h.keys); err != nil {
			return err
		}
	}
	return nil
}

func makeHome(dir string, trusted, globs []string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// Otherwise the agent spends a second on deriving each key.
	if err := os.WriteFile(filepath.Join(dir, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600); err != nil {
		return err
	}
	var files []string
	for _, g := range globs {
		found, err := filepath.Glob(filepath.Join(vectorDir, "keys", g))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if err := gpg(dir, "", append([]string{"--import"}, files...)...); err != nil {
		return err
	}
	return gpg(dir, strings.Join(trusted, ":6:\n")+":6:\n", "--import-ownertrust")
}

func gpg(home, stdin string, args ...string) error {
	cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var say bytes.Buffer
	cmd.Stderr = &say
	if err := cmd.Run(); err != nil {
		return &gpgError{err, say.String()}
	}
	return nil
}

type gpgError struct {
	error
	said string
}

func (e *gpgError) Error() string { return e.error.Error() + ": " + e.said }

// removeHomes stops the agents and removes the homes.
func removeHomes(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "g_*"))
	for _, h := range names {
		_ = exec.Command("gpgconf", "--homedir", h, "--kill", "all").Run()
	}
	_ = os.RemoveAll(dir)
}
