package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fwknopd/fixtures/netlab"
)

// rights returns mode and group of a file.
func rights(t *testing.T, name string) string {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%04o %d", st.Mode().Perm(), st.Sys().(*syscall.Stat_t).Gid)
}

// EVENT_LOG_GROUP may read the log and enter its folder, from a reload on and after a
// rotation, until another reload ends that. adm and tty are groups
// 4 and 5 on Debian.
func TestEventLogGroup(t *testing.T) {
	netlab.Need(t)
	log := filepath.Join(t.TempDir(), "log", "events.jsonl")
	if err := os.Mkdir(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	e := eventLog{logf: func(_ severity, format string, args ...any) { t.Errorf(format, args...) }}
	defer e.open("", nil)
	load := func(group string) {
		e.admits(readers{group: group, folder: filepath.Dir(log)})
		e.open(log, nil)
	}
	want := func(what, file, folder string) {
		t.Helper()
		if got := rights(t, log); got != file {
			t.Errorf("%s: the log has %s, want %s", what, got, file)
		}
		if got := rights(t, filepath.Dir(log)); got != folder {
			t.Errorf("%s: the folder has %s, want %s", what, got, folder)
		}
	}
	load("")
	want("no group", "0600 0", "0700 0")
	load("adm")
	want("a group", "0640 4", "0750 4")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	e.reopen()
	want("rotated", "0640 4", "0750 4")
	load("tty")
	want("another group", "0640 5", "0750 5")
	load("")
	want("no group any more", "0600 5", "0750 5")
}

// Only the daemon's own file and FWKNOP_DIR are given to the group; what it cannot pass is named.
func TestEventLogGroupElsewhere(t *testing.T) {
	netlab.Need(t)
	dir := t.TempDir()
	var said []string
	e := eventLog{readers: readers{group: "adm", folder: filepath.Join(dir, "log")},
		logf: func(_ severity, format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	defer e.open("", nil)
	for name, c := range map[string]struct {
		mode        os.FileMode
		link        bool
		file, words string
	}{
		"closed": {mode: 0o700, file: "0640 4", words: "the group adm cannot pass DIR/closed (mode 0700)"},
		"open":   {mode: 0o755, file: "0640 4"},
		"linked": {mode: 0o755, link: true, file: "0600 0", words: "has a second name (hard link)"},
	} {
		folder := filepath.Join(dir, name)
		log := filepath.Join(folder, "events.jsonl")
		if err := errors.Join(os.Mkdir(folder, c.mode), os.WriteFile(log, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if c.link {
			if err := os.Link(log, log+".too"); err != nil {
				t.Fatal(err)
			}
		}
		said = nil
		e.open(log, nil)
		if got := rights(t, log); got != c.file {
			t.Errorf("%s: the log has %s, want %s", name, got, c.file)
		}
		if got, want := rights(t, folder), fmt.Sprintf("%04o 0", c.mode); got != want {
			t.Errorf("%s: the folder has %s, want %s", name, got, want)
		}
		if words := strings.ReplaceAll(strings.Join(said, "\n"), dir, "DIR"); !strings.Contains(words, c.words) || (c.words == "") != (words == "") {
			t.Errorf("%s: said %q, want %q", name, words, c.words)
		}
	}
}
