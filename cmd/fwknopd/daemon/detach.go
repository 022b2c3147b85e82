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
)

// backgroundEnv tells a process that it was started to be the daemon, and on which
// descriptor somebody waits to hear that it runs.
const backgroundEnv = "FWKNOPD_BACKGROUND"

// readyFD is that descriptor.
const readyFD = 3

// background says whether this process shall leave the work to another one, that
// has no terminal: not in the foreground, not under a service manager, and not if
// it is that other one.
func shouldDetach(o *cli.Options) bool {
	if o.Foreground || o.Test || os.Getenv(backgroundEnv) != "" {
		return false
	}
	return !managed()
}

// managed reports a service manager that wants to keep the process it started.
func managed() bool {
	return os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("INVOCATION_ID") != "" && os.Getppid() == 1
}

// isJournal reports that systemd connected f with its journal (systemd.exec(5),
// JOURNAL_STREAM).
func isJournal(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// detach starts this program again in the background and waits until it runs or
// says why it does not.
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
	text, err := io.ReadAll(io.LimitReader(r, maxMessage))
	note, isReady := strings.CutPrefix(string(text), readyPrefix)
	switch {
	case err != nil:
		return fail(err)
	case isReady:
		if note != "" {
			fmt.Fprintf(stderr, "fwknopd: %s\n", note)
		}
		return exitOK
	case len(text) == 0:
		return fail(fmt.Errorf("the daemon ended: %v", cmd.Wait()))
	}
	fmt.Fprintf(stderr, "fwknopd: %s\n", text)
	return exitError
}

// readyText begins what is said on readyFD if the daemon runs, and what it waits for
// may follow; anything else is why it does not.
const readyPrefix = "ready\n"

// announceReady tells whoever started the daemon in the background that it runs.
func notifyParentReady(waiting string) { notifyParent(readyPrefix + waiting) }

// announce tells whoever started the daemon in the background how it went, once.
func notifyParent(text string) {
	if os.Getenv(backgroundEnv) == "" {
		return
	}
	os.Unsetenv(backgroundEnv)
	f := os.NewFile(readyFD, "ready")
	defer f.Close()
	_, _ = io.WriteString(f, text) // nobody may be waiting any more
}

// inBackground reports a process that detach started.
func inBackground() bool { return os.Getenv(backgroundEnv) != "" }
