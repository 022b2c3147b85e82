package monitor

import (
	"os"

	"golang.org/x/sys/unix"
)

// noNewPrivs keeps the children of the calling thread from gaining privileges.
func noNewPrivs() error {
	return os.NewSyscallError("no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}
