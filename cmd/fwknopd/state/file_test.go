package state

import (
	"os"
	"path/filepath"
	"testing"
)

// What others put at the place of a file of state is neither read nor overwritten.
func TestOwnFiles(t *testing.T) {
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "positions"), filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(at string) error{
		"symbolic link": func(at string) error { return os.Symlink(secret, at) },
		"hard link":     func(at string) error { return os.Link(secret, at) },
	} {
		for _, at := range []string{path, path + ".new"} {
			if err := plant(at); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := Read(path); err == nil {
			t.Errorf("%s: read %q", name, text)
		}
		if err := Replace(path, []byte("positions")); err != nil {
			t.Fatal(err)
		}
		if text, err := Read(path); err != nil || string(text) != "positions" {
			t.Errorf("%s: read %q, %v", name, text, err)
		}
		if text, err := os.ReadFile(secret); err != nil || string(text) != "secret" {
			t.Errorf("%s: overwritten with %q (%v)", name, text, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("positions")); err == nil {
		t.Error("a folder was removed")
	}
}
