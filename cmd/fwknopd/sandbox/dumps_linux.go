package sandbox

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NoDumps keeps what is in the memory of this process out of core files, its own and those
// of the programs that it starts, and from other processes of its user: the fallback
// of WORKER_USER is shared with other daemons.
func NoDumps() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable: %w", err)
	}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}

// NoNewPrivileges has nothing to do: a worker is started without a way to gain privileges.
func NoNewPrivileges() error { return nil }
