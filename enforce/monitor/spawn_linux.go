package monitor

import (
	"os"

	"golang.org/x/sys/unix"
)

// noNewPrivs keeps the children of the calling thread from gaining privileges.
func noNewPrivs() error {
	return os.NewSyscallError("no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// onFirstThread reports whether the calling thread is the one that the process began with.
func onFirstThread() bool { return unix.Gettid() == os.Getpid() }

// killRest waits until the leader of a process group has ended and kills the other
// processes of the group. The leader is still to be waited for, so that no other group
// can have the number.
func killRest(leader int) {
	for {
		err := unix.Waitid(unix.P_PID, leader, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err == nil {
			_ = unix.Kill(-leader, unix.SIGKILL) // fails if there are none
		}
		return
	}
}
