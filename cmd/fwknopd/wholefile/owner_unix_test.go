//go:build unix

package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestUpdate: owner, group and mode of a file that is there stay, as far as they may.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := Update(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new one: %v, %v", info, err)
	}
	group := -1
	if os.Geteuid() == 0 {
		group = 4321
	}
	for _, c := range []struct{ was, most, want os.FileMode }{{0o644, 0o666, 0o644}, {0o600, 0o666, 0o600}, {0o644, 0o660, 0o640}, {0o660, 0o660, 0o660}} {
		if err := errors.Join(os.Chown(path, -1, group), os.Chmod(path, c.was)); err != nil {
			t.Fatal(err)
		}
		was, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := Update(link, []byte("new"), c.most); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if is, had := info.Sys().(*syscall.Stat_t), was.Sys().(*syscall.Stat_t); info.Mode() != c.want || is.Uid != had.Uid || is.Gid != had.Gid || os.SameFile(info, was) {
			t.Errorf("%v, at most %v: %v of %d:%d", c.was, c.most, info.Mode(), is.Uid, is.Gid)
		}
	}
}
