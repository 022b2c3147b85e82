package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

var errNotInForce = errors.New("the list of system calls is not in force")

// hasLists: the lists of system calls are for these processors. 32-bit ones have calls of other names,
// and 386 one call for all that concerns sockets, whose arguments cannot be examined.
const hasLists = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

var errNoLists = errors.New("there is no list of system calls for " + runtime.GOARCH + " processors")

// Missing returns what of the sandbox this kernel or processor lacks, "" for nothing.
func Missing() string {
	if !hasLists {
		return errNoLists.Error() + ": a worker that is taken over can do what its user may, but with files"
	}
	if !seccomp.Supported() {
		return "the kernel has no seccomp filters"
	}
	if abi, err := landlocksys.LandlockGetABIVersion(); err != nil || abi < 1 {
		return "the kernel has no Landlock: a worker that is taken over can read what its user may"
	}
	return ""
}

// Apply confines this process, for the rest of its life, to what a worker needs: it can
// read files below the directories in read, use the descriptors that it has and those
// that it receives, and run threads. It can start no process, open no socket and write
// no file. Descriptors that are passed to it later must be non-blocking already.
//
// If strict is set, it is an error that some of this is [Missing].
// Otherwise the rest is in force then.
func Apply(read []string, strict bool) error {
	if text := Missing(); strict && text != "" {
		return errors.New(text)
	}
	if err := confineFiles(read); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if !hasLists {
		return nil
	}
	if err := load(workerCalls()); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	// The library does not notice that a thread could not be synchronized.
	if _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); !errors.Is(err, unix.EPERM) {
		return errNotInForce
	}
	return nil
}

// ApplyFleet confines this process, for the rest of its life, to what a fleet process needs: it can read
// and write files, move them between the directories, have sockets of networks, and start no process. strict is as for [Apply].
func ApplyFleet(r FleetRights, strict bool) error {
	if text := Missing(); strict && text != "" {
		return errors.New(text)
	}
	var paths []landlock.Rule
	if len(r.Write) > 0 {
		paths = append(paths, landlock.RWDirs(r.Write...).WithRefer())
	}
	for _, name := range r.Read { // what is not there is not needed
		if st, err := os.Stat(name); err == nil && st.IsDir() {
			paths = append(paths, landlock.RODirs(name))
		} else if err == nil {
			paths = append(paths, landlock.ROFiles(name))
		}
	}
	if err := landlock.V11.BestEffort().RestrictPaths(paths...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if !hasLists {
		return nil
	}
	if err := load(fleetCalls(r.Local)); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	// The library does not notice that a thread could not be synchronized.
	if _, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); !errors.Is(err, unix.EPERM) {
		return errNotInForce
	}
	return nil
}

// confineFiles allows files to be read below the directories, and nothing else that
// Landlock knows of.
func confineFiles(read []string) error {
	const access = landlocksys.AccessFSReadFile | landlocksys.AccessFSReadDir
	var open []string
	for _, dir := range read {
		// A directory that this process cannot reach has files that the monitor opens.
		if fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			open = append(open, dir)
		}
	}
	return landlock.V11.BestEffort().Restrict(landlock.PathAccess(access, open...))
}

// load puts a list of system calls in force for all threads of the process.
func load(p seccomp.Policy) error {
	runtime.LockOSThread() // no_new_privs is that of the thread that loads the list
	defer runtime.UnlockOSThread()
	return seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: p})
}

// Limits of the worker. The number of threads is counted for all processes of its user,
// who may not be its own, so that it only stops a flood.
const (
	maxDescriptors = 4096
	maxThreads     = 4096
)

// Limit bounds the descriptors and threads of this process.
func Limit() error {
	for resource, limit := range map[int]uint64{unix.RLIMIT_NOFILE: maxDescriptors, unix.RLIMIT_NPROC: maxThreads} {
		var r unix.Rlimit
		if err := unix.Getrlimit(resource, &r); err != nil {
			return os.NewSyscallError("getrlimit", err)
		}
		r.Max = min(r.Max, limit)
		r.Cur = min(r.Cur, r.Max)
		if err := unix.Setrlimit(resource, &r); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}

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
