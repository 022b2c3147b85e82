package wholefile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceAndPublish(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		write func(string, []byte) error
		name  string
		mode  os.FileMode
	}{{Replace, path, 0o077}, {Publish, path, 0o111}, {Replace, link, 0o077}, {Publish, link, 0o111}} {
		if err := tt.write(tt.name, []byte("new")); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(text) != "new" || info.Mode().Perm()&tt.mode != 0 {
			t.Errorf("%s: %q, %v, error %v", tt.name, text, info.Mode(), err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, error %v", info, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%d files are left", len(files))
	}
}

// What is no regular file is written to, not replaced.
func TestPublishToDevice(t *testing.T) {
	if err := Publish(os.DevNull, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Errorf("%v, error %v", info, err)
	}
}

func TestPublishNeedsFolder(t *testing.T) {
	if err := Publish(filepath.Join(t.TempDir(), "none", "file"), nil); err == nil {
		t.Error("no error")
	}
}
