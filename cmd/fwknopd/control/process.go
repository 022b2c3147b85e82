package control

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fwknopd/cmd/fwknopd/pidfile"
)

// A daemon is the running daemon that a pid file belongs to.
type daemon struct {
	pidFile string
	exists  bool // whether the pid file exists
	pid     int  // of the main process; 0: not running
	worker  int  // of the unprivileged process; 0: none
}

// findDaemon returns the daemon that owns the pid file at path. The pid counts only
// if that process holds the lock on the file and runs fwknopd. Nothing is changed.
func findDaemon(path string) (daemon, error) {
	d := daemon{pidFile: path, exists: true}
	pid, err := pidfile.Owner(path)
	if errors.Is(err, fs.ErrNotExist) {
		d.exists = false
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if pid > 0 && isFwknopd(pid) {
		d.pid, d.worker = pid, workerOf(pid)
	}
	return d, nil
}

// isFwknopd reports whether a process runs this program or one named fwknopd, such
// as an older version or the 2.6 daemon. If its executable cannot be read (in a
// container without CAP_SYS_PTRACE), argv[0] decides.
func isFwknopd(pid int) bool {
	return sameExecutable(pid, os.Getpid()) || isFwknopdName(executablePath(pid)) || isFwknopdName(argv0(pid))
}

func isFwknopdName(path string) bool { return strings.HasPrefix(filepath.Base(path), "fwknopd") }

// workerOf returns the child that runs the same program as its parent, 0 if there is
// none. All other children of the monitor are commands.
func workerOf(pid int) int {
	for _, child := range childrenOf(pid) {
		if sameExecutable(child, pid) || isFwknopdName(argv0(child)) {
			return child
		}
	}
	return 0
}

// openProcess opens a handle on the process of d and verifies that it still owns the
// pid file. It returns nil if the process has exited.
func (d daemon) openProcess() (*process, error) {
	p, err := openProcess(d.pid)
	if p == nil {
		return nil, err
	}
	if again, err := findDaemon(d.pidFile); err != nil || again.pid != d.pid {
		p.close()
		return nil, err
	}
	return p, nil
}
