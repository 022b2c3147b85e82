package ingest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Whatever stands in the place of a log for a while, the log that follows it is read.
func TestReplacedByAnything(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"directory":      func(path string) error { return os.Mkdir(path, 0o700) },
		"fifo":           func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"dangling link":  func(path string) error { return os.Symlink("nowhere", path) },
		"link to itself": func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"device":         func(path string) error { return os.Symlink("/dev/zero", path) },
		"empty":          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"binary": func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte{0, 0xff, 0x7f, 'E', 'L', 'F'}, 50000), 0o600)
		},
		"huge line": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte{'x'}, 8<<20), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			followModes(t, func(t *testing.T, path string, follow func(FollowOptions) *tap) {
				appendTo(t, path, "")
				p := follow(FollowOptions{})
				appendTo(t, path, line(1))
				p.first("1")
				ok(t, os.Rename(path, path+".1"))
				ok(t, put(path))
				p.quiet() // the follower looks
				ok(t, os.Rename(path, path+".away"))
				appendTo(t, path, line(2))
				p.first("2")
				appendTo(t, path, line(3))
				p.want("3")
			})
		})
	}
}

// A pipe is not opened, which would wait for a writer, also if it was a file when it was looked at.
func TestPipeIsNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kern.log")
	ok(t, syscall.Mkfifo(path, 0o600))
	if f, _, err := openStat(path); !errors.Is(err, errNotRegular) {
		t.Errorf("opened: %v, %v", f, err)
	}
}
