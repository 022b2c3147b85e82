package ingest

import (
	"os"
	"path/filepath"
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
