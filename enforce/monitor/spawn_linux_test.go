package monitor

import (
	"os"
	"strings"
	"testing"
)

// What starts a worker may set no_new_privs for its thread: never for the first one, which
// stands for the process, and whose commands may need sudo.
func TestOwnThreadIsNotTheFirst(t *testing.T) {
	before := ofStatus(t, "NoNewPrivs:")
	for range 500 {
		first := make(chan bool)
		onOwnThread(func() {
			is := onFirstThread()
			if err := noNewPrivs(); err != nil {
				t.Error(err)
			}
			first <- is
		})
		if <-first {
			t.Fatal("the first thread is taken")
		}
	}
	if after := ofStatus(t, "NoNewPrivs:"); after != before {
		t.Errorf("of this process: %q, it was %q", after, before)
	}
}

// ofStatus returns the line of /proc/self/status that begins with name.
func ofStatus(t *testing.T, name string) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut("\n"+string(status), "\n"+name)
	line, _, _ = strings.Cut(line, "\n")
	return line
}
