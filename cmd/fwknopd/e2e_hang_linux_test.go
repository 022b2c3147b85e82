package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
)

// hangingIPTables makes programs that are iptables until the file hang exists: then they
// never end if its text is in their name or arguments. It returns the directory.
func hangingIPTables(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"iptables", "ip6tables", "iptables-restore", "ip6tables-restore"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		text := fmt.Sprintf("#!/bin/sh\nif [ -e %[1]s/hang ] && echo \"$0 $*\" | grep -q -e \"$(cat %[1]s/hang)\"; then sleep 600; fi\nexec %[2]s \"$@\"\n", dir, real)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ends stops the daemon and returns how long that took.
func (s *site) ends(signals ...syscall.Signal) time.Duration {
	s.t.Helper()
	begin := time.Now()
	for _, sig := range signals {
		if err := s.cmd.Process.Signal(sig); err != nil {
			s.t.Fatal(err)
		}
		if len(signals) > 1 {
			wait.Until(500*time.Millisecond, func() bool { return false })
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		s.t.Error("the daemon does not end")
	}
	return time.Since(begin)
}

// The daemon ends within five seconds of SIGTERM whatever hangs, at once at the second
// signal, and leaves no program behind.
func TestE2EEndsWhateverHangs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, firewall, access string
		hang                   string // of iptables, once the daemon runs
		set                    func(s *site)
		signals                []syscall.Signal
		limit                  time.Duration
	}{
		{name: "iptables-restore", hang: "restore"},
		{name: "every iptables", hang: "."},
		{name: "every iptables, two signals", hang: ".", signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, limit: 2 * time.Second},
		{name: "opening command", firewall: "external_cmd", access: "EXTERNAL_CMD_OPEN /bin/sleep 600\nEXTERNAL_CMD_CLOSE /bin/true\nEXTERNAL_CMD_ALARM 500"},
		{name: "closing command", firewall: "external_cmd", access: "EXTERNAL_CMD_OPEN /bin/true\nEXTERNAL_CMD_CLOSE /bin/sleep 600\nEXTERNAL_CMD_ALARM 500"},
		{name: "command that ignores SIGTERM", firewall: "external_cmd",
			access: "EXTERNAL_CMD_OPEN /bin/true\nEXTERNAL_CMD_CLOSE %s/stubborn\nEXTERNAL_CMD_ALARM 500"},
		{name: "stopped worker", set: func(s *site) { syscall.Kill(s.worker(), syscall.SIGSTOP) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, "iptables")
			dir := hangingIPTables(t)
			stubborn := "#!/bin/sh\ntrap '' TERM INT\nsleep 600\nsleep 600\n"
			if err := os.WriteFile(filepath.Join(s.dir, "stubborn"), []byte(stubborn), 0o755); err != nil {
				t.Fatal(err)
			}
			access := strings.ReplaceAll(c.access, "%s", s.dir)
			server := "iptablesCmd " + dir + "/iptables;\n"
			if c.firewall != "" {
				s.firewall, server = c.firewall, ""
			}
			s.configure(server, stanza(access))
			s.start()
			if c.hang == "" && c.set == nil {
				s.knock(ask()...)
				s.waitFor("spa.granted")
			}
			if c.hang != "" {
				s.knock(ask()...)
				if !s.open() {
					t.Fatal("not open")
				}
				if err := os.WriteFile(filepath.Join(dir, "hang"), []byte(c.hang), 0o600); err != nil {
					t.Fatal(err)
				}
				s.knock("-A", fmt.Sprintf("tcp/%d", e2ePort), "-f", "100")
				wait.For(t, "a program that hangs", func() bool { return len(sleepers(dir)) > 0 })
				began := time.Now()
				out, code := s.command(append([]string{"grants", "list", "--json"}, s.args()...)...)
				if code != 0 || !strings.Contains(out, `"unconfirmed":"the firewall does not answer`) || !strings.Contains(out, s.Client.V4.String()) {
					t.Errorf("grants list: %d, %s", code, out)
				}
				out, code = s.command(append([]string{"grants", "revoke", "--all"}, s.args()...)...)
				if code == 0 || !strings.Contains(out, "the firewall does not answer") {
					t.Errorf("grants revoke: %d, %s", code, out)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("list and revoke took %v", took)
				}
			}
			if c.set != nil {
				c.set(s)
			}
			if c.signals == nil {
				c.signals, c.limit = []syscall.Signal{syscall.SIGTERM}, 5*time.Second
			}
			if took := s.ends(c.signals...); took > c.limit+time.Second { // a loaded machine
				t.Errorf("took %v", took)
			}
			if left := sleepers(dir, s.dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// sleepers returns the command lines of processes that name one of the directories.
func sleepers(dirs ...string) (lines []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range found {
		text, _ := os.ReadFile(name)
		line := strings.ReplaceAll(string(text), "\x00", " ")
		for _, dir := range dirs {
			if strings.HasPrefix(line, "/bin/sh "+dir) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// A program of the firewall that hangs at the start ends the start after IPT_CMD_ALARM,
// with its name and status 1.
func TestE2EStartWhileFirewallHangs(t *testing.T) {
	t.Parallel()
	for _, hang := range []string{"--version", "restore", "."} {
		s := newSite(t, "iptables")
		dir := hangingIPTables(t)
		s.configure("iptablesCmd "+dir+"/iptables;\nIPT_CMD_ALARM 2;\n", stanza(""))
		if err := os.WriteFile(filepath.Join(dir, "hang"), []byte(hang), 0o600); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		out, code := s.startVia(nil, "-f")
		if took := time.Since(begin); code != 1 || !strings.Contains(out, "killed, it had not ended in time (2s)") || !strings.Contains(out, dir+"/iptables") || took > 10*time.Second {
			t.Errorf("%s: status %d after %v:\n%s", hang, code, took, out)
		}
	}
}

// The worker starts while the firewall is looked at: confined as the monitor, without rights and
// without a source. A start that fails ends it.
func TestE2EWorkerStartsAhead(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	dir := hangingIPTables(t)
	s.configure("iptablesCmd "+dir+"/iptables;\nIPT_CMD_ALARM 5;\n", stanza(""))
	if err := os.WriteFile(filepath.Join(dir, "hang"), []byte("restore"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.launch()
	wait.For(t, "a program that hangs", func() bool { return len(sleepers(dir)) > 0 })
	wait.For(t, "a worker", func() bool { return s.worker() != 0 })
	worker := s.worker()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", worker))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Seccomp:\t2\n", "NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the worker has not %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "Uid:\t0\t") {
		t.Errorf("the worker is root:\n%s", text)
	}
	sockets := make(map[string]bool) // descriptors of one have the same target
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", worker))
	for _, name := range files {
		if target, _ := os.Readlink(name); strings.HasPrefix(target, "socket:") {
			sockets[target] = true
		}
	}
	if len(sockets) != 1 {
		t.Errorf("the worker has %d sockets, want that of its requests: %v", len(sockets), sockets)
	}
	s.waitFor("had not ended in time")
	if !wait.Until(wait.Timeout, func() bool { return !alive(worker) }) {
		t.Error("the worker lives on")
	}
}

// A worker that ends between its early start and its service is replaced: the next one gets the packet
// socket, and the monitor keeps neither a socket nor a process of the first. A SIGHUP meanwhile has its
// effect.
func TestE2EWorkerEndsAhead(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	dir := slowIPTables(t)
	s.configure("iptablesCmd "+dir+"/iptables;\nIPT_CMD_ALARM 60;\n", stanza(""))
	s.launch()
	wait.For(t, "a program that waits", func() bool { return len(sleepers(dir+"/iptables-restore")) > 0 })
	wait.For(t, "a worker", func() bool { return s.worker() != 0 })
	wait.For(t, "a packet socket", func() bool { return s.packetSockets(s.cmd.Process.Pid) == 1 })
	first := s.worker()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait.For(t, "the end of the worker", func() bool { return !alive(first) })
	s.configure("iptablesCmd "+dir+"/iptables;\nIPT_CMD_ALARM 60;\n", stanza("NAME renamed"))
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "wait")); err != nil {
		t.Fatal(err)
	}
	s.waitFor("Starting fwknopd main event loop.")
	s.waitFor("configuration loaded again")
	s.state()
	if ours, its := s.packetSockets(s.cmd.Process.Pid), s.packetSockets(s.worker()); ours != 0 || its != 1 {
		t.Errorf("the monitor has %d packet sockets, the worker %d, want 0 and 1", ours, its)
	}
	s.knock(ask()...)
	if !s.open() {
		t.Error("not open")
	}
	s.grants(0, "renamed", "list")
	if n := s.said("the worker ended before its work began, another one is started: signal: killed"); n != 1 {
		t.Errorf("the end of the first worker was said %d times", n)
	}
	s.stop()
}

// slowIPTables is [hangingIPTables] whose programs for changes wait until the file wait is removed.
func slowIPTables(t *testing.T) string {
	t.Helper()
	dir := hangingIPTables(t)
	for _, name := range []string{"iptables-restore", "ip6tables-restore"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("#!/bin/sh\nwhile [ -e %s/wait ]; do sleep 0.05; done\nexec %s \"$@\"\n", dir, real)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "wait"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// packetSockets counts the AF_PACKET sockets of a process.
func (s *site) packetSockets(pid int) (n int) {
	s.t.Helper()
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/packet", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	known := make(map[string]bool)
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			known["socket:["+fields[len(fields)-1]+"]"] = true
		}
	}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, name := range files {
		if target, _ := os.Readlink(name); known[target] {
			n++
		}
	}
	return n
}
