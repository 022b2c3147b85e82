package sandbox

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Missing returns what of the sandbox this system lacks: on FreeBSD all of it. The
// worker has the rights of its user.
func Missing() string { return "there is no sandbox on FreeBSD: the worker has the rights of its user" }

// Apply does nothing on FreeBSD. If strict is set, that is an error.
func Apply(_ []string, strict bool) error {
	if strict {
		return errors.New(Missing())
	}
	return nil
}

// ApplyFleet does nothing on FreeBSD. If strict is set, that is an error.
func ApplyFleet(_ FleetRights, strict bool) error { return Apply(nil, strict) }

// ConfineMonitor does nothing on FreeBSD.
func ConfineMonitor() error { return nil }

// Limit does nothing on FreeBSD.
func Limit() error { return nil }

// Commands of procctl(2) and their arguments, of sys/procctl.h.
const (
	procTraceCtl      = 7 // PROC_TRACE_CTL
	traceDisable      = 2 // PROC_TRACE_CTL_DISABLE
	procNoNewPrivsCtl = 19
	noNewPrivsEnable  = 1
)

// NoDumps keeps what is in the memory of this process out of core files, its own and those
// of the programs that it starts. It also keeps other processes of its user from
// tracing it or reading its memory: the fallback of WORKER_USER is shared with other daemons.
func NoDumps() error {
	if err := procctl(procTraceCtl, traceDisable); err != nil {
		return err
	}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}

// NoNewPrivileges disables privilege gains through set-user-ID programs, for this process
// and those that it starts, where the kernel supports that (FreeBSD 14).
func NoNewPrivileges() error {
	if err := procctl(procNoNewPrivsCtl, noNewPrivsEnable); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// procctl calls procctl(2) on this process.
func procctl(command int, argument int32) error {
	const byPID = 0 // P_PID
	_, _, errno := unix.Syscall6(unix.SYS_PROCCTL, byPID, uintptr(os.Getpid()), uintptr(command), uintptr(unsafe.Pointer(&argument)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("procctl", errno)
	}
	return nil
}
