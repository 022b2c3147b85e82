package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// executablePath returns the executable of a process; "" if it cannot be read.
func executablePath(pid int) string {
	path, err := unix.SysctlArgs("kern.proc.pathname", pid)
	if err != nil {
		return ""
	}
	return path
}

// sameExecutable compares paths: FreeBSD has no /proc/PID/exe to compare inodes by.
func sameExecutable(a, b int) bool {
	name := executablePath(a)
	return name != "" && name == executablePath(b)
}

// argv0 returns the first argument of a process; "" if it cannot be read.
func argv0(pid int) string {
	argv, err := unix.SysctlRaw("kern.proc.args", pid)
	if err != nil {
		return ""
	}
	name, _, _ := bytes.Cut(argv, []byte{0})
	return string(name)
}

func childrenOf(pid int) []int {
	table, err := unix.SysctlRaw("kern.proc.proc")
	if err != nil {
		return nil
	}
	return childrenIn(table, pid)
}

// childrenIn parses an array of struct kinfo_proc (sys/user.h): the first four bytes
// are its size, ki_pid and ki_ppid follow eight pointers.
func childrenIn(table []byte, pid int) (children []int) {
	const pidAt, parentAt, end = 72, 76, 80
	for len(table) >= end {
		size := int(binary.NativeEndian.Uint32(table))
		if size < end || size > len(table) {
			break
		}
		if int(binary.NativeEndian.Uint32(table[parentAt:])) == pid {
			children = append(children, int(binary.NativeEndian.Uint32(table[pidAt:])))
		}
		table = table[size:]
	}
	return children
}

// exitPoll is how often waitExit looks for the process.
const exitPoll = 20 * time.Millisecond

// A process is identified by its pid, which the system may reuse: FreeBSD has no
// pidfd. [daemon.openProcess] verifies the pid right before use.
type process struct{ pid int }

// openProcess returns nil for a process that has exited.
func openProcess(pid int) (*process, error) {
	p := &process{pid}
	if !p.exists() {
		return nil, nil
	}
	return p, nil
}

func (p *process) close() {}

func (p *process) exists() bool { return !errors.Is(unix.Kill(p.pid, 0), unix.ESRCH) }

func (p *process) signal(sig unix.Signal) error {
	err := unix.Kill(p.pid, sig)
	if errors.Is(err, unix.ESRCH) {
		return nil // it has exited
	}
	return os.NewSyscallError("kill", err)
}

// waitExit waits at most d and reports whether the process has exited.
func (p *process) waitExit(d time.Duration) bool {
	for until := time.Now().Add(d); p.exists(); time.Sleep(exitPoll) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}
