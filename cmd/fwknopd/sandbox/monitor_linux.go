package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ConfineMonitor denies this process and all programs that it starts the system calls
// that neither a daemon with a firewall needs nor a command that it runs: see
// monitorDenied. Programs for another kind of processor (32-bit ones) fail altogether,
// since their calls have other numbers. It takes CAP_SYS_ADMIN or no_new_privs, which it
// does not set: commands may need sudo.
func ConfineMonitor() error {
	if !hasLists {
		return errNoLists
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := nativeOnly(); err != nil {
		return err
	}
	deny := seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: monitorCalls()}
	if err := seccomp.LoadFilter(deny); err != nil {
		return err
	}
	// The library does not notice that a thread could not be synchronized.
	if _, _, errno := unix.Syscall(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0); errno != unix.EPERM {
		return errNotInForce
	}
	return nil
}

// monitorCalls is the list of the system calls of the monitor.
func monitorCalls() seccomp.Policy {
	var names []seccomp.NameWithConditions
	// A new namespace comes by clone too; of clone3 the arguments cannot be examined.
	names = append(names, seccomp.NameWithConditions{Name: "clone", Conditions: seccomp.ArgumentConditions{
		{Argument: 0, Operation: seccomp.BitsSet, Value: namespaces}}})
	return seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionErrno, Names: monitorDenied, NamesWithCondtions: names},
		{Action: noSuchCall, Names: []string{"clone3"}},
	}}
}

// monitorDenied fail with EPERM. Loading modules is not among them: iptables runs
// modprobe.
var monitorDenied = []string{
	// other processes
	"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
	// namespaces and mounts
	"unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fspick", "fsconfig",
	"mount_setattr",
	// the machine
	"reboot", "kexec_load", "kexec_file_load", "swapon", "swapoff", "acct", "quotactl", "settimeofday", "clock_settime",
	"clock_adjtime", "adjtimex", "sethostname", "setdomainname", "syslog",
	// files by handle, past all directories
	"open_by_handle_at",
	// large parts of the kernel that are not needed
	"bpf", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd", "perf_event_open", "add_key", "request_key", "keyctl",
	"vmsplice", "lookup_dcookie", "fanotify_init", "mbind", "set_mempolicy", "migrate_pages", "move_pages", "personality",
}

// nativeOnly denies all system calls that have the numbers of another architecture.
func nativeOnly() error {
	native, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	const archOffset = 4 // in struct seccomp_data
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(native.ID), SkipFalse: 1},
		bpf.RetConstant{Val: uint32(seccomp.ActionAllow)},
		bpf.RetConstant{Val: uint32(seccomp.ActionErrno) | uint32(unix.EPERM)},
	})
	if err != nil {
		return err
	}
	filters := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filters[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno != 0:
		return os.NewSyscallError("seccomp", errno)
	case thread != 0:
		return errors.Join(errNotInForce, fmt.Errorf("thread %d", thread))
	}
	return nil
}
