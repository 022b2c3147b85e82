package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
)

// On a file system that was full for a while, every line of the event log but the torn one
// is an object, and the lost ones are counted.
func TestEventLogFullFileSystem(t *testing.T) {
	netlab.Need(t)
	runtime.LockOSThread() // and never unlocked: the thread with its mounts ends with the test
	dir := t.TempDir()
	mount := func(flags uintptr, options string) {
		t.Helper()
		if err := unix.Mount("events", dir, "tmpfs", flags, options); err != nil {
			netlab.SkipOrFail(t, "cannot mount: "+err.Error())
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		netlab.SkipOrFail(t, "no mount namespace: "+err.Error())
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	mount(0, "size=8k")
	t.Cleanup(func() { // before the directory is removed
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	var said []string
	e := eventLog{logf: func(_ severity, format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	path := filepath.Join(dir, "events.jsonl")
	e.open(path, nil)
	write := func(from, to int) {
		for n := from; n < to; n++ {
			e.write(fmt.Appendf(nil, `{"n":%d,"text":%q}`, n, strings.Repeat("x", 100)), "")
		}
	}
	write(0, 200)
	mount(unix.MS_REMOUNT, "size=64k")
	write(200, 210)
	e.open("", nil)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written, lost, torn := 0, 0, 0
	for line := range strings.Lines(string(text)) {
		var object struct{ N, Count int }
		switch {
		case json.Unmarshal([]byte(line), &object) != nil:
			torn++
		case object.Count > 0:
			lost = object.Count
		default:
			written++
		}
	}
	if torn > 1 || lost == 0 || written+lost != 210 || len(said) != 2 {
		t.Errorf("%d torn lines, %d events written and %d counted as lost of 210, said %q", torn, written, lost, said)
	}
}
