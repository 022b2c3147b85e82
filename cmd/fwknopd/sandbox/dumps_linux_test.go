package sandbox

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// After NoDumps only root can read the memory of the process, and it writes no
// core files.
func TestNoDumps(t *testing.T) {
	if err := NoDumps(); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
		t.Errorf("core files: %+v, %v", limit, err)
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || n != 0 {
		t.Errorf("dumpable: %d, %v", n, err)
	}
	if _, err := os.ReadDir("/proc/self/fd"); err != nil {
		t.Errorf("it cannot look at itself: %v", err)
	}
}
