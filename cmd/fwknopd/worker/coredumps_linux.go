package worker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// disableCoreDumps keeps the keys in the worker's memory out of core files and from
// other processes of its user: WORKER_USER may be the user nobody, which other daemons
// use too.
func disableCoreDumps() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable: %w", err)
	}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}
