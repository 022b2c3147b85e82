package control

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/fixtures/wait"
)

// The test binary acts as a daemon if this variable is set to one of: obedient, stubborn (to
// SIGTERM), careless (leaves its pid file), worker, ask (the control socket), or echo
// (print the command line).
const playEnv = "CONTROL_TEST_PLAY"

const pidEnv = "CONTROL_TEST_PIDFILE"

func TestMain(m *testing.M) {
	switch how := os.Getenv(playEnv); how {
	case "":
		os.Exit(m.Run())
	case "echo":
		dir, _ := os.Getwd()
		fmt.Printf("%q in %s\n", os.Args[1:], dir)
	case "ask":
		_, err := ask(os.Getenv(pidEnv), request{Do: "list"})
		fmt.Printf("refused: %v\n", err)
		if err == nil {
			os.Exit(1)
		}
	case "worker":
		wait.Killed()
	default:
		play(how)
	}
}

// play locks the pid file, as the daemon does, and starts a worker.
func play(how string) {
	f, err := pidfile.Create(os.Getenv(pidEnv))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	worker := exec.Command("/proc/self/exe")
	worker.Env = []string{playEnv + "=worker"}
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := worker.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGWINCH)
	fmt.Println("ready")
	for sig := range signals {
		switch {
		case sig == syscall.SIGHUP:
			fmt.Println("hangup")
		case sig == syscall.SIGWINCH:
			fmt.Println("alive")
		case how == "stubborn":
		case how == "careless":
			os.Exit(0)
		default:
			f.Remove()
			os.Exit(0)
		}
	}
}

// A played daemon is a process that acts as the daemon.
type played struct {
	*exec.Cmd
	out *bufio.Reader
}

// start starts such a daemon with the given program, "" for the test binary.
func start(t *testing.T, program, how, pidFile string) *played {
	t.Helper()
	if program == "" {
		program = "/proc/self/exe"
	}
	cmd := exec.Command(program)
	cmd.Env = []string{playEnv + "=" + how, pidEnv + "=" + pidFile}
	p := run(t, cmd)
	p.expect(t, "ready\n")
	return p
}

// run starts a process that is killed at the end of the test.
func run(t *testing.T, cmd *exec.Cmd) *played {
	t.Helper()
	p := &played{Cmd: cmd}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	return p
}

func (p *played) expect(t *testing.T, want string) {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if line != want {
		t.Fatalf("the daemon says %q (%v), want %q", line, err, want)
	}
}

func (p *played) alive() bool {
	return p.Process.Signal(syscall.Signal(0)) == nil && !zombie(p.Process.Pid)
}

// zombie reports whether a process has exited: it has no executable.
func zombie(pid int) bool { return executablePath(pid) == "" }

// A place is a configuration in a temporary directory.
type place struct{ dir, conf, pidFile string }

// newPlace writes a server file of the 2.6 daemon, or one of 1.9 with further lines.
func newPlace(t *testing.T, twoSix bool, more ...string) place {
	t.Helper()
	dir := t.TempDir()
	p := place{dir, filepath.Join(dir, "fwknop.conf"), filepath.Join(dir, "fwknopd.pid")}
	if twoSix {
		p.conf = filepath.Join(dir, "fwknopd.conf")
	}
	text := fmt.Sprintf("FWKNOP_DIR %s;\nFWKNOP_LIB_DIR %[1]s;\nFWKNOP_RUN_DIR %[1]s;\n", dir)
	if twoSix {
		text = "FWKNOP_RUN_DIR " + dir + ";\n"
	}
	text += strings.Join(more, "\n") + "\n"
	if err := os.WriteFile(p.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a command line of fwknopd with that configuration.
func (p place) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	o, err := cli.Parse(cli.Daemon, append([]string{"-c", p.conf}, args...))
	if err != nil {
		t.Fatal(err)
	}
	act := Action(o)
	if act == nil {
		t.Fatalf("%q is no action", args)
	}
	var out, errs bytes.Buffer
	code = act(&out, &errs)
	return code, out.String(), errs.String()
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%v\nwant:\n%v", what, got, want)
	}
}
