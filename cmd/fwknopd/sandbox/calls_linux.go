package sandbox

import (
	"runtime"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// noSuchCall answers a call with ENOSYS: the C library and the Go runtime then use an
// older one, whose arguments can be examined.
const noSuchCall = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)

// workerCalls is the list of the system calls of a worker. Others fail with EPERM.
func workerCalls() seccomp.Policy { return workerCallsOn(runtime.GOARCH) }

func workerCallsOn(arch string) seccomp.Policy {
	always := append([]string{"fstatat"}, workerAlways...)
	if arch == "amd64" {
		always = append([]string{"newfstatat", "poll"}, workerAlways...)
	}
	return seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionAllow, Names: always, NamesWithCondtions: workerSome()},
		{Action: noSuchCall, Names: []string{"clone3"}},
	}}
}

// fleetCalls is the list of the system calls of a fleet process. Others fail with EPERM.
func fleetCalls(local bool) seccomp.Policy { return fleetCallsOn(runtime.GOARCH, local) }

func fleetCallsOn(arch string, local bool) seccomp.Policy {
	p := workerCallsOn(arch)
	allowed := &p.Syscalls[0]
	allowed.Names = append(allowed.Names, fleetAlways...)
	if arch == "amd64" {
		allowed.Names = append(allowed.Names, fleetAlwaysAMD64...)
	}
	// What is examined of a worker's calls, but for processes and memory, is its own: it writes files,
	// and has sockets of networks.
	allowed.NamesWithCondtions = slices.DeleteFunc(allowed.NamesWithCondtions, func(c seccomp.NameWithConditions) bool {
		return slices.Contains(fleetAlways, c.Name)
	})
	families := []uint64{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK} // netlink names interfaces
	if local {
		families = append(families, unix.AF_UNIX)
	}
	for _, family := range families {
		allowed.NamesWithCondtions = append(allowed.NamesWithCondtions, seccomp.NameWithConditions{Name: "socket",
			Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: family}}})
	}
	return p
}

// fleetAlways are allowed to a fleet process, beside what a worker may with any arguments. Landlock limits
// which files it can reach.
var fleetAlways = []string{
	"bind", "connect", "listen", "sendmsg", "sendmmsg", "sendto", "setsockopt", "shutdown", "socketpair", "writev", "readv",
	"openat", "fcntl", "ftruncate", "fsync", "fdatasync", "fallocate", "flock", "pwrite64", "mkdirat", "unlinkat", "renameat", "fchmod", "fchmodat",
	"faccessat", "faccessat2", "uname", "sysinfo", "prlimit64", "getuid", "geteuid", "getgid", "getegid", "getppid", "getrusage", "sched_getparam",
	"timer_create", "timer_settime", "timer_delete", "eventfd2", "sendfile", "copy_file_range", "splice",
}

// fleetAlwaysAMD64 are older spellings, which other processors do not have.
var fleetAlwaysAMD64 = []string{"rename", "unlink", "mkdir", "rmdir", "access", "open", "stat", "lstat"}

// workerAlways are allowed with any arguments.
var workerAlways = []string{
	// the Go runtime
	"brk", "clock_gettime", "clock_nanosleep", "epoll_create1", "epoll_ctl", "epoll_pwait", "exit", "exit_group", "futex", "getpid",
	"getrandom", "gettid", "gettimeofday", "madvise", "munmap", "nanosleep", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield", "set_robust_list", "sigaltstack",
	// files that are followed, and what the monitor passes
	"close", "fstat", "fstatfs", "getcwd", "getdents64", "inotify_add_watch", "inotify_init1", "inotify_rm_watch", "lseek",
	"pipe2", "ppoll", "pread64", "read", "readlinkat", "statfs", "statx", "write",
	// sockets that the monitor opened
	"accept4", "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmmsg", "recvmsg",
}

// prSetVMA names memory of the Go runtime, PR_SET_VMA of prctl(2).
const prSetVMA = 0x53564d41

// workerSome are allowed with some arguments: several conditions on one call must all
// hold, and one of several entries of the same call.
func workerSome() (some []seccomp.NameWithConditions) {
	allow := func(name string, c ...seccomp.Condition) {
		some = append(some, seccomp.NameWithConditions{Name: name, Conditions: c})
	}
	equal := func(argument uint32, values ...uint64) (each []seccomp.Condition) {
		for _, v := range values {
			each = append(each, seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: v})
		}
		return each
	}
	anyOf := func(argument uint32, bits uint64) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: seccomp.BitsSet, Value: bits}
	}
	noneOf := func(argument uint32, bits uint64) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: seccomp.BitsNotSet, Value: bits}
	}
	// Files are read. Landlock limits which, where the kernel has it.
	allow("openat", noneOf(2, unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC))
	// Threads, no processes.
	allow("clone", anyOf(0, unix.CLONE_THREAD), noneOf(0, namespaces))
	// Memory that holds no code, and no memory of files: what is in the transmission
	// ring of a capture socket is sent.
	allow("mmap", noneOf(2, unix.PROT_EXEC), anyOf(3, unix.MAP_ANONYMOUS))
	allow("mprotect", noneOf(2, unix.PROT_EXEC))
	// Signals to its own threads.
	allow("tgkill", equal(0, uint64(unix.Getpid()))...)
	// Flags of descriptors are read, and descriptors duplicated.
	for _, c := range equal(1, unix.F_GETFD, unix.F_GETFL, unix.F_DUPFD_CLOEXEC) {
		allow("fcntl", c)
	}
	// Questions about an interface.
	for _, c := range equal(1, unix.SIOCGIFINDEX, unix.SIOCGIFHWADDR, unix.SIOCGIFFLAGS) {
		allow("ioctl", c)
	}
	allow("prctl", equal(0, prSetVMA)...)
	return some
}

// namespaces are the flags of clone for new ones.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
