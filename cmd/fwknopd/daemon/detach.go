package daemon

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// backgroundEnv is set in the environment of a process that detach started as the
// daemon.
const backgroundEnv = "FWKNOPD_BACKGROUND"

// readyFD is the descriptor on which the parent of such a process waits for the result
// of the start.
const readyFD = 3

// shouldDetach reports whether this process must start the daemon in the background:
// not with --foreground or --test, not under a service manager, and not if it is the
// background process itself.
func shouldDetach(o *cli.Options) bool {
	if o.Foreground || o.Test || os.Getenv(backgroundEnv) != "" {
		return false
	}
	return !managed()
}

// managed reports whether a service manager supervises this process.
func managed() bool {
	return os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("INVOCATION_ID") != "" && os.Getppid() == 1
}

// isJournal reports whether f is connected to the systemd journal (systemd.exec(5),
// JOURNAL_STREAM).
func isJournal(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// detach starts this program in the background and waits until it runs or reports why
// it does not.
func detach(stderr io.Writer) int {
	fail := func(err error) int {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	program, err := ownProgram()
	if err != nil {
		return fail(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	cmd := exec.Command(program)
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), backgroundEnv+"=1")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fail(err)
	}
	text, err := io.ReadAll(io.LimitReader(r, privsep.MaxMessage))
	note, isReady := strings.CutPrefix(string(text), readyPrefix)
	switch {
	case err != nil:
		return fail(err)
	case isReady:
		if note != "" {
			fmt.Fprintf(stderr, "fwknopd: %s\n", conf.Printable(note))
		}
		return exitOK
	case len(text) == 0:
		return fail(fmt.Errorf("the daemon ended: %v", cmd.Wait()))
	}
	fmt.Fprintf(stderr, "fwknopd: %s\n", text)
	return exitError
}

// readyPrefix begins the message on readyFD if the daemon runs; what the worker waits
// for may follow. Any other message is the reason of a failed start.
const readyPrefix = "ready\n"

// notifyParent sends text to the process that called detach. Only the first call has an
// effect.
func notifyParent(text string) {
	if os.Getenv(backgroundEnv) == "" {
		return
	}
	os.Unsetenv(backgroundEnv)
	f := os.NewFile(readyFD, "ready")
	defer f.Close()
	_, _ = io.WriteString(f, text) // the parent may have ended
}

// inBackground reports whether detach started this process.
func inBackground() bool { return os.Getenv(backgroundEnv) != "" }
