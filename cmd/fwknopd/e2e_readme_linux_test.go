package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
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
	// The host of README has eth0 with the default route.
	for _, line := range []string{"ip link set " + netlab.ServerIf + " down", "ip link set " + netlab.ServerIf + " name eth0",
		"ip link set eth0 up", "ip route add default via " + s.Client.V4.String()} {
		s.Server.Run(t, line)
	}
	commands, shown := readmeBlock(t)
	client := filepath.Join(t.TempDir(), "fwknop")
	if out, err := exec.Command("go", "build", "-o", client, "../fwknop").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sh := newBareHost(t, s)
	if got := sh.run(commands["init"]); got != shown {
		t.Errorf("%s prints\n%swant\n%s", commands["init"], got, shown)
	}
	if got := sh.run(commands["doctor"]); strings.Contains(got, "\nfix ") {
		t.Errorf("doctor: %s", got)
	}
	if s.canConnect(sshPort) {
		t.Fatal("open before the knock")
	}
	sh.run(commands["start"])
	out, err := s.Client.Command(client, "-n", "alice-laptop", "-a", s.Client.V4.String(), "-D", s.Server.V4.String(),
		"--rc-file", filepath.Join(sh.dir, "alice.rc"), "--no-save-args").CombinedOutput()
	if err != nil {
		t.Fatalf("the client: %v: %s", err, out)
	}
	if !wait.Until(wait.Timeout, func() bool { return s.canConnect(sshPort) }) {
		t.Fatal("not open")
	}
	if got := sh.run(commands["list"]); !strings.Contains(got, "stanza alice-laptop (access.conf:") {
		t.Errorf("grants list: %s", got)
	}
	if got := sh.run(commands["revoke"]); !strings.Contains(got, "closed ") || s.canConnect(sshPort) {
		t.Errorf("grants revoke: %s", got)
	}
	sh.run("fwknopd -K")
	sh.run(commands["remove"])
}

// canConnect reports whether the client gets through to a port.
func (s *site) canConnect(port uint16) bool {
	return netlab.CanConnect(s.Client, s.Server.V4, port, 300*time.Millisecond)
}

// readmeBlock returns the commands of "Protect a port" and what the first one prints.
func readmeBlock(t *testing.T) (commands map[string]string, shown string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## Protect a port\n")
	part, _, _ = strings.Cut(part, "\n**Packages.**")
	commands = make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^# (fwknopd( [^#\n]*[^# \n])?)`).FindAllStringSubmatch(part, -1) {
		for name, in := range map[string]string{"init": " init --port", "doctor": " doctor", "list": " grants list", "revoke": " grants revoke", "remove": " init --remove"} {
			if strings.Contains(m[1], in) {
				commands[name] = m[1]
			}
		}
		if m[1] == "fwknopd" {
			commands["start"] = m[1]
		}
	}
	if len(commands) != 6 {
		t.Fatalf("commands of README: %q", commands)
	}
	_, shown, _ = strings.Cut(part, commands["init"]+"\n")
	shown, _, _ = strings.Cut(shown, "# fwknopd")
	return commands, shown
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
