package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/readme"
	"fwknopd/fixtures/wait"
)

// sshPort is the port that README protects.
const sshPort = 22

// TestE2EReadme: what "Protect a port" in README says happens, command by command, with the
// output that it shows.
func TestE2EReadme(t *testing.T) {
	s := newSite(t, "nftables")
	netlab.Need(t, "unshare", "nsenter")
	netlab.Serve(t, s.Server, "tcp", sshPort)
	readme.Address(t, s.Lab)
	guide := readme.Protect(t, "../../README.md")
	client := filepath.Join(t.TempDir(), "fwknop")
	if out, err := exec.Command("go", "build", "-o", client, "../fwknop").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sh := newBareHost(t, s)
	if got := sh.run(guide.Init); got != guide.InitPrints {
		t.Errorf("%s prints\n%swant\n%s", guide.Init, got, guide.InitPrints)
	}
	if got := sh.run(guide.Doctor); strings.Contains(got, "\nfix ") {
		t.Errorf("doctor: %s", got)
	}
	if s.canConnect(sshPort) {
		t.Fatal("open before the knock")
	}
	sh.run(guide.Start)
	knock := append(strings.Fields(guide.Knock)[1:], "-D", s.Server.V4.String(), "--rc-file", filepath.Join(sh.dir, "alice.rc"), "--no-save-args")
	out, err := s.Client.Command(client, knock...).CombinedOutput()
	if err != nil {
		t.Fatalf("the client: %v: %s", err, out)
	}
	if !wait.Until(wait.Timeout, func() bool { return s.canConnect(sshPort) }) {
		t.Fatal("not open")
	}
	if got := sh.run(guide.List); !strings.Contains(got, "stanza alice-laptop (access.conf:") {
		t.Errorf("grants list: %s", got)
	}
	if got := sh.run(guide.Revoke); !strings.Contains(got, "closed ") || s.canConnect(sshPort) {
		t.Errorf("grants revoke: %s", got)
	}
	sh.run("fwknopd -K")
	sh.run(guide.Remove)
}

// canConnect reports whether the client gets through to a port.
func (s *site) canConnect(port uint16) bool {
	return netlab.CanConnect(s.Client, s.Server.V4, port, 300*time.Millisecond)
}

// A bareHost runs commands one after another in the server's namespace, with the program in PATH and
// folders of its own in place of those that the program uses.
type bareHost struct {
	t   *testing.T
	dir string // the working directory
	pid int    // of the process that keeps the mounts
}

func newBareHost(t *testing.T, s *site) *bareHost {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	h := &bareHost{t: t, dir: t.TempDir()}
	keep := s.Server.Command("unshare", "--mount", "--propagation", "private", "sh", "-ec",
		"for d in /etc/fwknop /var/lib /var/log /run; do mount -t tmpfs tmpfs $d; done; echo mounted; PATH="+filepath.Dir(bin)+":$PATH exec sleep 600")
	out, err := keep.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.shell("fwknopd -K") // if it still runs
		keep.Process.Kill()
		keep.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "mounted\n" {
		t.Fatalf("%q, %v", line, err)
	}
	h.pid = keep.Process.Pid
	return h
}

// shell runs a command line and returns what it prints.
func (h *bareHost) shell(line string) (string, error) {
	env := fmt.Sprintf("/proc/%d/environ", h.pid)
	words := []string{"-t", strconv.Itoa(h.pid), "--mount", "--net", "--wd=" + h.dir, "sh", "-c",
		"export \"$(tr '\\0' '\\n' <" + env + " | grep ^PATH=)\"; " + line}
	out, err := exec.Command("nsenter", words...).CombinedOutput()
	return string(out), err
}

// run is shell for a command that has to succeed.
func (h *bareHost) run(line string) string {
	h.t.Helper()
	out, err := h.shell(line)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}
