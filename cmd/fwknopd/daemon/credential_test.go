package daemon

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"fwknopd/cmd/fwknopd/privsep"
)

// The worker gets the group of a log, and no group that it does not need.
func TestReaderGroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("giving files to groups takes root")
	}
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, gid int) privsep.SourceSpec {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 0, gid); err != nil {
			t.Fatal(err)
		}
		return privsep.SourceSpec{Mode: "KNOCK", Path: path}
	}
	got := readerGroups([]privsep.SourceSpec{
		file("of-a-group", 0o640, 4), file("for-all", 0o644, 5), file("of-nobody-else", 0o600, 6), file("of-root", 0o640, 0),
		{Mode: "KNOCK", Path: filepath.Join(dir, "missing")},
	})
	if want := []uint32{4}; !slices.Equal(got, want) {
		t.Errorf("groups %v, want %v", got, want)
	}
	var want []uint32
	if g, err := user.LookupGroup(journalGroup); err == nil {
		gid, _ := strconv.Atoi(g.Gid)
		want = []uint32{uint32(gid)}
	}
	if got := readerGroups([]privsep.SourceSpec{{Mode: "JOURNAL"}}); !slices.Equal(got, want) {
		t.Errorf("groups %v for the journal, want %v", got, want)
	}
}

// Only regular files are followed: a pipe without a writer does not block the monitor.
func TestOpenFollowed(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "log"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{file: true, pipe: false, dir: false, filepath.Join(dir, "missing"): false} {
		f, err := openFollowed(path)
		if (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			f.Close()
		}
	}
}
