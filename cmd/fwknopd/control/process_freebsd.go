package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// programOf is the file that a process runs; "" if we may not see it.
func programOf(pid int) string {
	path, err := unix.SysctlArgs("kern.proc.pathname", pid)
	if err != nil {
		return ""
	}
	return path
}

// sameProgram compares names: there is no link to the program of a process.
func sameProgram(a, b int) bool {
	name := programOf(a)
	return name != "" && name == programOf(b)
}

// calledAs is the first word of the command line.
func calledAs(pid int) string {
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

// childrenIn reads an array of struct kinfo_proc of sys/user.h: its size in the first
// four bytes, ki_pid and ki_ppid behind eight pointers.
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

// endPoll is how often a process is looked at that is to end.
const endPoll = 20 * time.Millisecond

// A process is one of a number, which the system may give to another one when it has
// ended: what find saw is asked for once more before each use, see hold.
type process struct{ pid int }

// openProcess returns nil for a process that has ended.
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
		return nil // it has ended, which is what signals are sent for here
	}
	return os.NewSyscallError("kill", err)
}

// ends waits until the process has ended, or d is over.
func (p *process) ends(d time.Duration) bool {
	for until := time.Now().Add(d); p.exists(); time.Sleep(endPoll) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}
