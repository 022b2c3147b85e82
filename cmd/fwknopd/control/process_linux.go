package control

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// executablePath returns the executable of a process; "" if it cannot be read.
func executablePath(pid int) string {
	exe, err := os.Readlink(procFile(pid, "exe"))
	if err != nil {
		return ""
	}
	return exe
}

// argv0 returns the first argument of a process; "" if it cannot be read.
func argv0(pid int) string {
	argv, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil {
		return ""
	}
	name, _, _ := bytes.Cut(argv, []byte{0})
	return string(name)
}

// sameExecutable reports whether two processes run the same file.
func sameExecutable(a, b int) bool {
	first, err := os.Stat(procFile(a, "exe"))
	if err != nil {
		return false
	}
	second, err := os.Stat(procFile(b, "exe"))
	return err == nil && os.SameFile(first, second)
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

func childrenOf(pid int) (children []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil && parentOf(child) == pid {
			children = append(children, child)
		}
	}
	return children
}

// parentOf returns the parent's pid; 0 for a process that has exited.
func parentOf(pid int) int {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0
	}
	// pid (name) state ppid …; the name may contain any byte, also parentheses.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	ppid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return ppid
}

// A process is a handle on a process. Unlike a pid it is not reused when the process
// has exited.
type process struct{ pidfd int }

// openProcess returns nil for a process that has exited.
func openProcess(pid int) (*process, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &process{pidfd}, nil
}

func (p *process) close() { unix.Close(p.pidfd) }

func (p *process) signal(sig unix.Signal) error {
	err := unix.PidfdSendSignal(p.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil // it has exited
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// waitExit waits at most d and reports whether the process has exited.
func (p *process) waitExit(d time.Duration) bool {
	until := time.Now().Add(d)
	for {
		fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(time.Until(until).Milliseconds(), 0)))
		if errors.Is(err, unix.EINTR) && time.Now().Before(until) {
			continue
		}
		return err == nil && n == 1
	}
}
