package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// TestLook finds what is missing in a home, as Load does, and leaves its files as they are.
func TestLook(t *testing.T) {
	h := newHome(t)
	h.importKeys("server.sec.asc", "client.pub.asc")
	h.stop()
	for _, made := range []string{"trustdb.gpg", "pubring.kbx~", "random_seed"} { // would be made again
		_ = os.Remove(filepath.Join(h.dir, made))
	}
	before := contents(t, h.dir)
	for name, c := range map[string]struct {
		g    conf.GPG
		want error
	}{
		"all there":      {conf.GPG{DecryptIDs: []string{"EF3434A2"}, RemoteIDs: []string{"4F8731AC"}}, nil},
		"any signer":     {conf.GPG{DecryptIDs: []string{"EF3434A2"}, RemoteIDs: []string{"ANY"}}, nil},
		"unknown key":    {conf.GPG{DecryptIDs: []string{"00000000"}, RemoteIDs: []string{"4F8731AC"}}, spa.ErrNoSecretKey},
		"public only":    {conf.GPG{DecryptIDs: []string{"4F8731AC"}, RemoteIDs: []string{"4F8731AC"}}, spa.ErrNoSecretKey},
		"unknown signer": {conf.GPG{DecryptIDs: []string{"EF3434A2"}, RemoteIDs: []string{"00000000"}}, ErrNoSigner},
	} {
		c.g.HomeDir = h.dir
		if err := Look(t.Context(), &c.g); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := contents(t, h.dir); after != before {
		t.Errorf("the home has changed from\n%sto\n%s", before, after)
	}
	if h.agentRuns() {
		t.Error("an agent was started")
	}
	empty := t.TempDir()
	if err := Look(t.Context(), &conf.GPG{HomeDir: empty, DecryptIDs: []string{"EF3434A2"}}); err == nil || contents(t, empty) != "" {
		t.Errorf("an empty home: %v, and now it has %s", err, contents(t, empty))
	}
	if err := Look(t.Context(), &conf.GPG{HomeDir: empty + "/none", DecryptIDs: []string{"EF3434A2"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no home: %v", err)
	}
}

// contents returns names, sizes and times of the files below a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		st, err := d.Info()
		if err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", path, st.Size(), st.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
