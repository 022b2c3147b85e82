package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/pty"
	"fwknopd/fixtures/wait"
)

// A topView is fwknopd top in a terminal.
type topView struct {
	t      testing.TB
	cmd    *exec.Cmd
	master *os.File
	screen netlab.Output
	before *unix.Termios
	width  int
}

// top starts fwknopd top beside the daemon.
func (s *site) top(env ...string) *topView {
	s.t.Helper()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	master, slave := pty.Open(s.t)
	v := &topView{t: s.t, master: master, cmd: s.Server.Command(bin, append([]string{"top"}, s.args()...)...)}
	v.cmd.Env = append(append(v.cmd.Environ(), "TERM=xterm", "NO_COLOR="), env...)
	v.cmd.Stdin, v.cmd.Stdout, v.cmd.Stderr = slave, slave, slave
	pty.Resize(s.t, master, 120, 40)
	v.before = v.modes()
	if err := v.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { v.cmd.Process.Kill() })
	slave.Close()
	go io.Copy(&v.screen, master)
	return v
}

// modes returns how the terminal treats what is typed.
func (v *topView) modes() *unix.Termios {
	v.t.Helper()
	modes, err := unix.IoctlGetTermios(int(v.master.Fd()), unix.TCGETS)
	if err != nil {
		v.t.Fatal(err)
	}
	return modes
}

// shows waits until the screen, which is painted as a whole after each change of its size, has
// a word and not another one, "" for none.
func (v *topView) shows(word, not string) {
	v.t.Helper()
	wait.For(v.t, word+" on the screen", func() bool {
		painted := len(v.screen.String())
		v.width = 110 + painted%9
		pty.Resize(v.t, v.master, v.width, 40)
		v.cmd.Process.Signal(syscall.SIGWINCH)
		wait.Until(wait.Timeout/30, func() bool { return strings.Contains(v.screen.String()[painted:], "sources") })
		text := v.screen.String()[painted:]
		return strings.Contains(text, word) && (not == "" || !strings.Contains(text, not))
	})
}

// press types keys.
func (v *topView) press(keys string) {
	v.t.Helper()
	if _, err := io.WriteString(v.master, keys); err != nil {
		v.t.Fatal(err)
	}
}

// quits types q and checks that the terminal is as it was.
func (v *topView) quits() {
	v.t.Helper()
	v.press("q")
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("after q: %v", err)
	}
	if after := v.modes(); *after != *v.before {
		v.t.Errorf("the terminal was %+v and is %+v", *v.before, *after)
	}
	wait.For(v.t, "the first screen and the cursor", func() bool {
		text := v.screen.String()
		return strings.LastIndex(text, "\x1b[?1049l") > strings.LastIndex(text, "\x1b[?1049h") && strings.LastIndex(text, "\x1b[?25h") > strings.LastIndex(text, "\x1b[?25l")
	})
}

// A knock appears in the view, a key closes what it has opened, the daemon may end and start
// again, and the end leaves the terminal as it was.
func TestE2ETop(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", namedStanzas())
	s.wants(1, []string{"no running fwknopd detected"}, "top")
	s.start()
	s.confined()
	v := s.top()
	v.shows("nftables", "spa.granted")
	s.knock(ask()...)
	v.shows("spa.granted", "")
	v.shows(fmt.Sprintf("tcp/%d", e2ePort), "")
	v.press("\t\tr")
	v.shows("y/n", "")
	v.press("y")
	v.shows("closed", "y/n")
	if !s.shut() {
		t.Error("open after it was revoked")
	}
	s.stop()
	v.shows("waiting", "")
	s.start()
	v.shows("nftables", "waiting")
	s.knock(ask()...)
	v.shows("opened", "")
	s.confined()
	v.quits()

	plain := s.top("NO_COLOR=1")
	plain.shows("opened", "")
	plain.quits()
	if color := regexp.MustCompile(`\x1b\[[0-9;]*[349][0-7]m`).FindString(plain.screen.String()); color != "" {
		t.Errorf("a color in spite of NO_COLOR: %q", color)
	}
}

// Without a terminal each event is a line or an object, first those of before, until an interrupt
// or until the reader has gone.
func TestE2ETopPlain(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", namedStanzas())
	s.start()
	s.knock(ask()...)
	s.waitFor("opened ")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) (*exec.Cmd, *bufio.Reader, io.Closer) {
		cmd := s.Server.Command(bin, append(append([]string{"top"}, args...), s.args()...)...)
		pipe, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		return cmd, bufio.NewReader(pipe), pipe
	}
	wants := func(r *bufio.Reader, patterns ...string) { // in any order: two processes tell them
		t.Helper()
		for len(patterns) > 0 {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%v before %s", err, patterns)
			}
			patterns = slices.DeleteFunc(patterns, func(p string) bool { return regexp.MustCompile(p).MatchString(line) })
		}
	}
	text, lines, _ := start()
	objects, members, pipe := start("--json", "--last", "0")
	client := regexp.QuoteMeta(s.Client.V4.String())
	wants(lines, `^20\S+Z decision granted from `+client+` spa.granted stanza `, `^20\S+Z grant granted from `+client+` stanza `)
	wait.For(t, "both readers", func() bool { return strings.Count(sockets(t, s), "fwknopd.sock") >= 3 })
	s.grants(0, "^closed ", "revoke", "--all")
	wants(lines, `^20\S+Z grant revoked from `+client)
	wants(members, `^\{"v":1,.*"event_type":"grant","verdict":"revoked",`)
	if err := text.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := text.Wait(); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
	pipe.Close()
	s.knock(ask()...)
	err = objects.Wait()
	if state, ok := objects.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGPIPE {
		t.Errorf("after its reader has gone: %v", err)
	}
}

// sockets returns the table of the connections to sockets in the network namespace of the server.
func sockets(t *testing.T, s *site) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
