package ingest

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestSpec reads each kind of source from the files that it wants opened, and no others.
func TestSpec(t *testing.T) {
	for _, s := range []Spec{
		{Mode: "KNOCK", Path: writeFile(t, "a.log", nil)},
		{Mode: "KNOCK", Path: writeFile(t, "b.log", nil), Tail: true},
		{Mode: "FILE_PCAP", Path: writeFile(t, "a.pcap", buildPcap("one"))},
		{Mode: "ULOG_PCAP", Path: writeFile(t, "b.pcap", nil)},
		{Mode: "PCAP", Path: writeFile(t, "c.pcap", buildPcap("one")), Once: true},
		{Mode: "FIFO", Path: filepath.Join(t.TempDir(), "fifo")},
		{Mode: "SOCKET", Path: filepath.Join(t.TempDir(), "sock")},
		{Mode: "KAFKA", Path: "gate.logs"},
		{Mode: "UDP"},
		{Mode: "TCP"},
	} {
		src, err := s.From(Handover{Open: func(name string) (*os.File, error) {
			open := s.Files()[name]
			if open == nil {
				t.Fatalf("%s asks for %q", s.Mode, name)
			}
			return open()
		}})
		if err != nil {
			t.Errorf("%s: %v", s.Mode, err)
			continue
		}
		ok(t, src.Close())
	}
	if _, err := (Spec{Mode: "NONE"}).From(Handover{}); err == nil {
		t.Error("a mode that does not exist is read")
	}
}

// Only regular files are followed: a pipe without a writer would block the process that
// opens it.
func TestOpenFollowed(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "log"), filepath.Join(dir, "pipe")
	ok(t, os.WriteFile(file, nil, 0o600))
	ok(t, syscall.Mkfifo(pipe, 0o600))
	for path, want := range map[string]bool{file: true, pipe: false, dir: false, filepath.Join(dir, "missing"): false} {
		f, err := openFollowed(&Spec{Path: path})
		if (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
		f.Close()
	}
}

// What another user puts at the path of a log, a pipe or a socket is not followed as root.
func TestPlantedLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving links to users takes root")
	}
	dir := t.TempDir()
	secret, planted := filepath.Join(dir, "secret"), filepath.Join(dir, "planted")
	ok(t, os.WriteFile(secret, nil, 0o644))
	ok(t, os.Symlink(secret, planted))
	ok(t, os.Lchown(planted, 65534, -1))
	for _, s := range []Spec{
		{Mode: "KNOCK", Path: planted}, {Mode: "FILE_PCAP", Path: planted}, {Mode: "PCAP", Path: planted, Once: true},
		{Mode: "FIFO", Path: planted}, {Mode: "SOCKET", Path: planted},
	} {
		if f, err := s.kind().open(&s); err == nil {
			f.Close()
			t.Errorf("%s: followed", s.Mode)
		}
	}
	if st, err := os.Stat(secret); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	ours := filepath.Join(dir, "ours")
	ok(t, os.Symlink(secret, ours))
	f, err := openFollowed(&Spec{Path: ours})
	ok(t, err)
	f.Close()
}

// Only its owner may connect to a socket, from its first moment.
func TestSocketMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	s := Spec{Mode: "SOCKET", Path: path}
	for _, open := range s.Files() {
		f, err := open()
		ok(t, err)
		defer f.Close()
	}
	for _, name := range []string{path, path + datagramSuffix} {
		st, err := os.Lstat(name)
		if err != nil || st.Mode() != os.ModeSocket|0o600 {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
}

// TestFilesAhead: what was opened ahead is returned once, and only if that worked, it is as good as
// new and it was not dropped.
func TestFilesAhead(t *testing.T) {
	for _, c := range []struct {
		name    string
		fails   int // so many times
		good    bool
		drop    bool
		returns []int // which of the files the calls return
	}{
		{"good", 0, true, false, []int{1, 2}},
		{"stale", 0, false, false, []int{2, 3}},
		{"failed", 1, true, false, []int{2, 3}},
		{"dropped", 0, true, true, []int{2, 3}},
		{"failed and dropped", 1, true, true, []int{2, 3}},
	} {
		opened := make(map[*os.File]int)
		calls := 0
		var last *os.File
		sourceKinds["TEST"] = sourceKind{
			open: func(*Spec) (*os.File, error) {
				if calls++; calls <= c.fails {
					return nil, os.ErrNotExist
				}
				f, err := os.Open(os.DevNull)
				opened[f], last = calls, f
				return f, err
			},
			stillGood: func(*Spec, *os.File) bool { return c.good },
		}
		t.Cleanup(func() { delete(sourceKinds, "TEST") })
		s := Spec{Mode: "TEST", Path: "it"}
		files, drop := s.FilesAhead()
		open := files[s.Name()]
		if c.drop {
			drop()
			if c.fails == 0 && last.Close() == nil {
				t.Errorf("%s: it was left open", c.name)
			}
		}
		var returned []int
		for range c.returns {
			f, err := open()
			ok(t, err)
			drop()
			ok(t, f.Close()) // fails if it was closed
			returned = append(returned, opened[f])
		}
		if !slices.Equal(returned, c.returns) {
			t.Errorf("%s: %v, want %v", c.name, returned, c.returns)
		}
	}
}
