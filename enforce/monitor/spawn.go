package monitor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Worker is a running worker process.
type Worker struct {
	Conn *net.UnixConn
	Wait func() error // until it has ended; called once
	Kill func() error
	Pid  int
}

// workerFD is the descriptor of the socket in a process started by [SpawnWith].
const workerFD = 3

// Spawn starts cmd as a worker, see [SpawnWith], with the socket of its requests.
func Spawn(cmd *exec.Cmd) (*Worker, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	w, err := SpawnWith(cmd, ours, theirs)
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return w, nil
}

// SpawnWith starts cmd as a process that is not trusted: with its end of a socket, theirs, as
// descriptor workerFD, in front of cmd.ExtraFiles, without a way to gain privileges by running
// another program (see noNewPrivs), and with SIGKILL when this process ends. The process also ends
// by itself when its socket closes. It leads a session and process group of its own, which ends
// with it (see killRest). SpawnWith closes theirs, and after an error ours.
func SpawnWith(cmd *exec.Cmd, ours *net.UnixConn, theirs *os.File) (*Worker, error) {
	defer theirs.Close()
	cmd.ExtraFiles = append([]*os.File{theirs}, cmd.ExtraFiles...)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig, cmd.SysProcAttr.Setsid = syscall.SIGKILL, true
	started, died := make(chan error, 1), make(chan error, 1)
	onOwnThread(func() {
		// The kernel sends Pdeathsig when the thread that started the child ends, so
		// this one must not end before. No_new_privs is the thread's too, and the
		// child's from its first one on: it could set it for one of its threads only.
		err := noNewPrivs()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			killRest(cmd.Process.Pid)
			died <- cmd.Wait()
		}
	})
	if err := <-started; err != nil {
		ours.Close()
		return nil, err
	}
	return &Worker{
		Conn: ours,
		Wait: func() error { return <-died },
		Kill: cmd.Process.Kill,
		Pid:  cmd.Process.Pid,
	}, nil
}

// onOwnThread calls f in a goroutine whose thread is used for nothing else and ends with
// it. It is not the first thread of the process, which cannot end and whose state is
// what the kernel shows as the state of the process.
func onOwnThread(f func()) {
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if onFirstThread() {
			onOwnThread(f) // gets another one, as this goroutine keeps this one meanwhile
			runtime.UnlockOSThread()
			close(locked)
			return
		}
		close(locked)
		f()
	}()
	<-locked
}

func socketpair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "worker socket")
	if ours, err = unixConn(fds[0]); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// unixConn returns fd as a connection and closes fd.
func unixConn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("descriptor %d is not a unix socket", fd)
	}
	return u, nil
}

// Parent returns the worker's end of the socket, in a process started by [Spawn].
func Parent() (*net.UnixConn, error) { return unixConn(workerFD) }

// Pair returns both ends of a socket, for tests and for a daemon that is one process.
func Pair() (server, client *net.UnixConn, err error) {
	server, other, err := socketpair()
	if err != nil {
		return nil, nil, err
	}
	defer other.Close()
	conn, err := net.FileConn(other)
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	return server, conn.(*net.UnixConn), nil
}
