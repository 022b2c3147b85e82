package control

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/pidfile"
)

// A daemon is what a pid file leads to.
type daemon struct {
	pidFile string
	exists  bool // the pid file does
	pid     int  // of the main process; 0: it does not run
	worker  int  // of the unprivileged half; 0: there is none
}

// find only reads. A number in a pid file counts if its process holds the lock on
// the file and is an fwknopd: nobody else is ever taken for the daemon.
func find(path string) (daemon, error) {
	d := daemon{pidFile: path, exists: true}
	pid, err := pidfile.Owner(path)
	if errors.Is(err, fs.ErrNotExist) {
		d.exists = false
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if pid > 0 && isOurs(pid) {
		d.pid, d.worker = pid, workerOf(pid)
	}
	return d, nil
}

// isOurs reports that a process runs this program, or one that is called fwknopd:
// an older version, the 2.6 daemon. Where we may not see what it runs (a container
// without CAP_SYS_PTRACE), what it calls itself has to do.
func isOurs(pid int) bool {
	if sameProgram(pid, os.Getpid()) {
		return true
	}
	exe, err := os.Readlink(procFile(pid, "exe"))
	return err == nil && isName(exe) || isName(calledAs(pid))
}

func isName(path string) bool { return strings.HasPrefix(filepath.Base(path), "fwknopd") }

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

// workerOf is the child that runs the same program as its parent; what else the
// monitor starts are commands.
func workerOf(pid int) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil || parentOf(child) != pid {
			continue
		}
		if sameProgram(child, pid) || isName(calledAs(child)) {
			return child
		}
	}
	return 0
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

// hold takes hold of the process that d found, and makes sure that it is still the
// one: nil if it has ended meanwhile.
func (d daemon) hold() (*process, error) {
	fd, err := unix.PidfdOpen(d.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	p := &process{fd}
	if again, err := find(d.pidFile); err != nil || again.pid != d.pid {
		p.close()
		return nil, err
	}
	return p, nil
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
