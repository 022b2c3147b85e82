package ingest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFolders: what a process that reads must be able to open files in, and no more.
func TestFolders(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	for _, name := range []string{"log", "disk/old", "links", "round"} {
		ok(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	for name, target := range map[string]string{
		"links/today": "../disk/old", "links/kern.log": dir + "/links/today/kern.log", "round/a": "b", "round/b": "a",
	} {
		ok(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Mode: "KNOCK", Path: "log/kern.log"}, "log"},
		{Spec{Mode: "KNOCK", Path: "log/kern.log", Tail: true}, "log"},
		{Spec{Mode: "FILE_PCAP", Path: "log/not/there/a.pcap"}, "log"},
		{Spec{Mode: "ULOG_PCAP", Path: "links/today/a.pcap"}, "links disk/old"},
		{Spec{Mode: "KNOCK", Path: "links/kern.log"}, "links disk/old"},
		{Spec{Mode: "KNOCK", Path: "round/a"}, "round"},
		{Spec{Mode: "PCAP", Path: "log/a.pcap", Once: true}, ""},
		{Spec{Mode: "FIFO", Path: "log/fifo"}, ""},
	} {
		want := strings.Fields(c.want)
		for i := range want {
			want[i] = filepath.Join(dir, want[i])
		}
		c.spec.Path = filepath.Join(dir, c.spec.Path)
		if got := c.spec.Folders(); !slices.Equal(got, want) {
			t.Errorf("%s %s: %q, want %q", c.spec.Mode, c.spec.Path, got, want)
		}
	}
	for _, path := range []string{"/kern.log", "/no-such-directory/kern.log"} {
		if got := (&Spec{Mode: "KNOCK", Path: path}).Folders(); len(got) > 0 {
			t.Errorf("%s: %q", path, got)
		}
	}
}
