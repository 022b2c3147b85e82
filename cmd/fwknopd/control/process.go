package control

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	return sameProgram(pid, os.Getpid()) || isName(programOf(pid)) || isName(calledAs(pid))
}

func isName(path string) bool { return strings.HasPrefix(filepath.Base(path), "fwknopd") }

// workerOf is the child that runs the same program as its parent; what else the
// monitor starts are commands.
func workerOf(pid int) int {
	for _, child := range childrenOf(pid) {
		if sameProgram(child, pid) || isName(calledAs(child)) {
			return child
		}
	}
	return 0
}

// hold takes hold of the process that d found, and makes sure that it is still the
// one: nil if it has ended meanwhile.
func (d daemon) hold() (*process, error) {
	p, err := openProcess(d.pid)
	if p == nil {
		return nil, err
	}
	if again, err := find(d.pidFile); err != nil || again.pid != d.pid {
		p.close()
		return nil, err
	}
	return p, nil
}
