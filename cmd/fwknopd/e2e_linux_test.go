package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// The end-to-end tests run the program as an administrator would, in private networks,
// with Debian's client.

const (
	e2ePort = 2222 // the port that clients request, where a server listens
	spaPort = 62201
	spaKey  = "a passphrase of the tests"
	hmacKey = "another passphrase of the tests"
)

// program builds the program once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fwknopd-e2e-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // for the worker, which is not root
		return "", err
	}
	bin := filepath.Join(dir, "fwknopd")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return bin, nil
})

// firewalls load default-drop input rules that accept SPA packets and established
// connections.
var firewalls = map[string]func(t testing.TB, ns *netlab.NS){
	"iptables": func(t testing.TB, ns *netlab.NS) {
		ns.Tables(t, "iptables", "-P INPUT DROP", "-P FORWARD DROP", "-A INPUT -i lo -j ACCEPT",
			"-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
			"-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
			fmt.Sprintf("-A INPUT -p udp --dport %d -j ACCEPT", spaPort), "-A INPUT -p icmpv6 -j ACCEPT")
	},
	"nftables": func(t testing.TB, ns *netlab.NS) {
		ns.RunInput(t, fmt.Sprintf(`table inet filter {
	chain input {
		type filter hook input priority filter; policy drop
		iif lo accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		udp dport %d accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop
		ct state established,related accept
	}
}
`, spaPort), "nft -f -")
	},
}

// A site is a network with a daemon in it.
type site struct {
	*netlab.Lab
	t        testing.TB
	dir      string
	firewall string
	inside   []string // command prefix that runs the daemon in another namespace
	program  string   // the daemon; "" for that of program()
	cmd      *exec.Cmd
	out      netlab.Output
}

// newSite creates a network with a firewall and a server on the test port.
func newSite(t testing.TB, firewall string) *site {
	t.Helper()
	return newSiteWith(t, firewall, firewalls[firewall])
}

// newSiteWith is newSite for FIREWALL_TYPE firewall on a server whose firewalls load makes.
func newSiteWith(t testing.TB, firewall string, load func(testing.TB, *netlab.NS)) *site {
	t.Helper()
	netlab.Need(t, "fwknop", "iptables", "ip6tables", "nft", "go")
	s := &site{Lab: netlab.New(t), t: t, firewall: firewall, dir: t.TempDir()}
	// The worker needs access to the files that it follows.
	for dir := s.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	load(t, s.Server)
	netlab.Serve(t, s.Server, "tcp", e2ePort)
	return s
}

// configure writes both files, with these lines in addition to those of all tests.
func (s *site) configure(server, access string) {
	s.t.Helper()
	s.write("fwknopd.conf", fmt.Sprintf(`PCAP_INTF %s;
FIREWALL_TYPE %s;
FWKNOP_DIR %[3]s/log;
FWKNOP_LIB_DIR %[3]s/lib;
FWKNOP_RUN_DIR %[3]s/run;
FLUSH_IPT_AT_INIT N;
FLUSH_IPT_AT_EXIT N;
SANDBOX on;
%[4]s`, netlab.ServerIf, s.firewall, s.dir, server))
	s.write("access.conf", access)
}

// stanza returns an access stanza that opens the test port.
func stanza(more string) string {
	return fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/%d\nKEY %s\nHMAC_KEY %s\nFW_ACCESS_TIMEOUT 60\n%s\n", e2ePort,
		strings.ReplaceAll(spaKey, " ", "_"), strings.ReplaceAll(hmacKey, " ", "_"), more)
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// args returns the arguments of the daemon and of the commands that act on it.
func (s *site) args(more ...string) []string {
	return append([]string{"-c", filepath.Join(s.dir, "fwknopd.conf"), "-a", filepath.Join(s.dir, "access.conf")}, more...)
}

// start runs the daemon in the foreground and waits until it is ready.
func (s *site) start(more ...string) {
	s.t.Helper()
	s.launch(more...)
	s.waitFor("Starting fwknopd main event loop.")
	s.confined()
}

// launch runs the daemon in the foreground, with all its messages.
func (s *site) launch(more ...string) {
	s.t.Helper()
	s.launchWith(append([]string{"-f", "-v", "-v"}, more...)...)
}

// launchWith runs the daemon with the options.
func (s *site) launchWith(options ...string) {
	s.t.Helper()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	s.out = netlab.Output{}
	bin = cmp.Or(s.program, bin)
	argv := append(slices.Clone(s.inside), bin)
	argv = append(argv, s.args(options...)...)
	s.cmd = s.Server.Command(argv[0], argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd := s.cmd
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("the daemon said:\n%s", s.out.String())
		}
	})
}

// confined fails the test if the worker is not in its sandbox, unless it is a hostile one.
func (s *site) confined() {
	s.t.Helper()
	pid := s.worker()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || s.program != "" {
		return // it has finished
	}
	for _, want := range []string{"Seccomp:\t2\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(text), want) {
			s.t.Errorf("the worker has not %q:\n%s", want, text)
		}
	}
}

// waitFor waits until the output of the daemon contains text.
func (s *site) waitFor(text string) {
	s.t.Helper()
	if !wait.Until(wait.Timeout, func() bool { return strings.Contains(s.out.String(), text) }) {
		s.t.Fatalf("the daemon never said %q; it said:\n%s", text, s.out.String())
	}
}

func (s *site) said(text string) int { return strings.Count(s.out.String(), text) }

// reload has the daemon read its configuration again, and waits until the worker has too.
// Signals are handled in order.
func (s *site) reload() {
	s.t.Helper()
	reloads := s.said("configuration loaded again")
	s.cmd.Process.Signal(syscall.SIGHUP)
	wait.For(s.t, "a reload", func() bool { return s.said("configuration loaded again") > reloads })
	s.state()
}

// state waits until the worker reports its state, which it does after it has loaded the
// configuration and reported all its decisions.
func (s *site) state() {
	s.t.Helper()
	states := s.said("state: knock sequences")
	s.cmd.Process.Signal(syscall.SIGUSR1)
	wait.For(s.t, "the worker's state", func() bool { return s.said("state: knock sequences") > states })
	s.confined()
}

// stop stops the daemon as a service manager would.
func (s *site) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			s.t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		s.t.Fatal("the daemon does not end")
	}
}

// knock sends the packet that the Debian client makes for args.
func (s *site) knock(args ...string) {
	s.t.Helper()
	s.knockFrom(s.Client.V4, s.Server.V4, args...)
}

func (s *site) knockFrom(from, to netip.Addr, args ...string) {
	s.t.Helper()
	all := append([]string{"-D", to.String(), "-a", from.String(), "--use-hmac", "--no-save-args",
		"--key-rijndael", strings.ReplaceAll(spaKey, " ", "_"), "--key-hmac", strings.ReplaceAll(hmacKey, " ", "_")}, args...)
	cmd := s.Client.Command("fwknop", all...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("fwknop %v: %v\n%s", args, err, out)
	}
}

// ask returns the client arguments that request the test port.
func ask() []string { return []string{"-A", fmt.Sprintf("tcp/%d", e2ePort)} }

// open reports whether the port opens for the client.
func (s *site) open() bool {
	return wait.Until(wait.Timeout, func() bool {
		return netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 200*time.Millisecond)
	})
}

// shut reports whether the port is closed.
func (s *site) shut() bool {
	return !netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 300*time.Millisecond)
}

// worker returns the pid of the unprivileged process.
func (s *site) worker() int { return workerOf(s.cmd.Process.Pid) }

// workerOf returns the pid of the worker of a monitor, 0 if there is none.
func workerOf(monitor int) int {
	for _, pid := range childrenOf(monitor, "fwknopd: worker") {
		return pid
	}
	return 0
}

// children returns the pids of those programs that the monitor runs under a name.
func (s *site) children(name string) []int { return childrenOf(s.cmd.Process.Pid, name) }

// childrenOf returns the pids of a process's children whose command lines begin with name.
func childrenOf(parent int, name string) (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, f := range strings.Fields(string(text)) {
			argv, _ := os.ReadFile("/proc/" + f + "/cmdline")
			if strings.HasPrefix(string(argv), name) {
				pid, _ := strconv.Atoi(f)
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// statusOf returns the lines of a process's status file by their names.
func statusOf(t testing.TB, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	status := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	return status
}

// events returns the event log.
func (s *site) events() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log", "events.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// command runs the program with an action and returns its output and exit code.
func (s *site) command(args ...string) (string, int) {
	s.t.Helper()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.Server.Command(bin, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// each runs a test with both firewalls.
func each(t *testing.T, test func(t *testing.T, s *site)) {
	for _, firewall := range []string{"iptables", "nftables"} {
		t.Run(firewall, func(t *testing.T) { test(t, newSite(t, firewall)) })
	}
}
