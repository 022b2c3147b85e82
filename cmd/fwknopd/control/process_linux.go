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

// programOf is the file that a process runs; "" if we may not see it.
func programOf(pid int) string {
	exe, err := os.Readlink(procFile(pid, "exe"))
	if err != nil {
		return ""
	}
	return exe
}

// calledAs is the first word of the command line.
func calledAs(pid int) string {
	argv, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil {
		return ""
	}
	name, _, _ := bytes.Cut(argv, []byte{0})
	return string(name)
}

func sameProgram(a, b int) bool {
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

// parentOf is 0 for a process that is gone.
func parentOf(pid int) int {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0
	}
	// pid (name) state ppid …; the name may hold anything, brackets too.
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

// A process is one that keeps its identity: its number may be given to another one
// when it has ended, this handle is not.
type process struct{ fd int }

// openProcess returns nil for a process that has ended.
func openProcess(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &process{fd}, nil
}

func (p *process) close() { unix.Close(p.fd) }

func (p *process) signal(sig unix.Signal) error {
	err := unix.PidfdSendSignal(p.fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil // it has ended, which is what signals are sent for here
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// ends waits until the process has ended, or d is over.
func (p *process) ends(d time.Duration) bool {
	until := time.Now().Add(d)
	for {
		fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(time.Until(until).Milliseconds(), 0)))
		if errors.Is(err, unix.EINTR) && time.Now().Before(until) {
			continue
		}
		return err == nil && n == 1
	}
}
