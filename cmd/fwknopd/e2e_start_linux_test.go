package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A trap is a fault that keeps the daemon from starting.
type trap struct {
	server string                       // configuration; %s is the directory of the site
	args   []string                     // of the daemon
	via    []string                     // command prefix that starts it
	set    func(t *testing.T, s *site)  // sets up the fault
	reason func(s *site) (words string) // what the daemon must print
}

func says(words string) func(*site) string { return func(*site) string { return words } }

func makeDir(name string) func(t *testing.T, s *site) {
	return func(t *testing.T, s *site) {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// mountTiny mounts a file system over the directory of the digest cache.
func mountTiny(options string, fill bool) func(t *testing.T, s *site) {
	return func(t *testing.T, s *site) {
		dir := filepath.Join(s.dir, "digests")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
		if fill {
			_ = os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 64<<10), 0o600) // as much as fits
		}
		if options == "ro" {
			if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// takePort listens on the port of the daemon.
func takePort(t *testing.T, s *site) {
	s.Server.Do(func() {
		c, err := net.ListenPacket("udp", fmt.Sprintf(":%d", spaPort))
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.Close() })
	})
}

// lockDigests locks the digest file as another daemon would.
func lockDigests(t *testing.T, s *site) {
	f, err := os.OpenFile(filepath.Join(s.dir, "digest.cache"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
}

var traps = map[string]trap{
	"interface on the command line": {args: []string{"-i", "nosuch0"}, reason: says("PCAP: nosuch0: no such interface")},
	"interface with EXIT_AT_INTF_DOWN": {server: "PCAP_INTF nosuch1;\nEXIT_AT_INTF_DOWN Y;\n",
		reason: says("PCAP: nosuch1: no such interface")},
	"no NET_RAW": {via: []string{"setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"},
		reason: says("operation not permitted")},
	"UDP port taken":       {server: "AUTH_MODE UDP;\n", set: takePort, reason: says("address already in use")},
	"-U with a taken port": {args: []string{"-U"}, set: takePort, reason: says("address already in use")},
	"digest file is a directory": {server: "DIGEST_FILE %[1]s/digests;\n", set: makeDir("digests"),
		reason: func(s *site) string { return s.dir + "/digests" }},
	"digest partition is full":      {server: "DIGEST_FILE %[1]s/digests/cache;\n", set: mountTiny("", true), reason: says("no space left on device")},
	"digest partition is read-only": {server: "DIGEST_FILE %[1]s/digests/cache;\n", set: mountTiny("ro", false), reason: says("read-only file system")},
	"digest file in use":            {server: "DIGEST_FILE %[1]s/digest.cache;\n", set: lockDigests, reason: says("digest.cache")},
	"log is a directory": {server: "AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE %[1]s/kern.log;\n", set: makeDir("kern.log"),
		reason: func(s *site) string { return s.dir + "/kern.log" }},
	"capture is a directory": {server: "AUTH_MODE FILE_PCAP;\nPCAP_PKT_FILE %[1]s/x.pcap;\n", set: makeDir("x.pcap"),
		reason: func(s *site) string { return s.dir + "/x.pcap" }},
	"worker user is root": {server: "WORKER_USER root;\n", reason: says("WORKER_USER is root")},
}

// A fault at start is reported in one line, with exit code 1, in the foreground and in
// the background.
func TestE2EStartErrors(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "setpriv")
	for name, c := range traps {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "nftables")
			if strings.Contains(c.server, "%") {
				c.server = fmt.Sprintf(c.server, s.dir)
			}
			access := stanza("")
			if strings.Contains(c.server, "KNOCK") {
				access = knockStanza()
			}
			s.configureOnly(c.server, access)
			if c.set != nil {
				c.set(t, s)
			}
			for i := range 3 {
				for _, how := range [][]string{{"-f"}, nil} {
					out, code := s.startVia(c.via, append(append([]string(nil), how...), c.args...)...)
					lines := strings.Split(strings.TrimSpace(out), "\n")
					if last := lines[len(lines)-1]; code != 1 || !strings.Contains(last, c.reason(s)) {
						t.Errorf("start %d %v: exit code %d, last words %q, want %q\n%s", i, how, code, last, c.reason(s), out)
					}
				}
			}
		})
	}
}

// A user who may write to the folder of access.conf puts one of his own in its place: it is
// not loaded, the old one stays in force, and no daemon starts with it.
func TestE2EConfigurationOfAnother(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "setpriv")
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	if err := os.Chmod(s.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(s.dir, "ran")
	attack := fmt.Sprintf("SOURCE ANY\nKEY %s\nHMAC_KEY %s\nENABLE_CMD_EXEC Y\n", strings.ReplaceAll(spaKey, " ", "_"), strings.ReplaceAll(hmacKey, " ", "_"))
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", "umask 077; cat >his && mv -f his access.conf")
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(attack)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.waitFor("the old one stays in force")
	s.knock("--server-cmd", "touch "+ran)
	s.knock(ask()...)
	if !s.open() {
		t.Error("the old configuration is not in force")
	}
	if exists(ran) {
		t.Error("a command of the new configuration ran")
	}
	s.stop()
	for _, want := range []string{s.dir + ": may be written by others than its owner (mode 0777): chmod go-w " + s.dir, "access.conf: belongs to user 65534, not to root: chown root "} {
		if s.said(want) == 0 {
			t.Errorf("the daemon does not say %q:\n%s", want, s.out.String())
		}
		if out, code := s.startVia(nil, "-f"); code != 78 || !strings.Contains(out, want) {
			t.Errorf("start: exit code %d, want 78 and %q:\n%s", code, want, out)
		}
	}
	if out, code := s.command(append([]string{"check"}, s.args()...)...); code != 78 || !strings.Contains(out, "chown root") {
		t.Errorf("check: exit code %d:\n%s", code, out)
	}
}

// configureOnly is configure for server lines that may include PCAP_INTF.
func (s *site) configureOnly(server, access string) {
	s.t.Helper()
	s.configure(server, access)
	if !strings.Contains(server, "PCAP_INTF") {
		return
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("fwknopd.conf", strings.Replace(string(text), "PCAP_INTF "+netlab.ServerIf+";\n", "", 1))
}

// startVia starts the daemon through a command and waits for that to exit.
func (s *site) startVia(via []string, args ...string) (string, int) {
	s.t.Helper()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	argv := append(append(append([]string(nil), via...), bin), s.args(args...)...)
	cmd := s.Server.Command(argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		<-ended
		s.t.Errorf("it does not end:\n%s", out.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// linkUp creates the interface towards the client again, with the same name.
func (s *site) linkUp() {
	s.t.Helper()
	s.Server.Run(s.t, fmt.Sprintf("ip link add %s type veth peer name %s netns %s", netlab.ServerIf, netlab.ClientIf, s.Client.Name))
	s.Server.Run(s.t, "ip addr add 10.77.0.1/24 dev "+netlab.ServerIf)
	s.Server.Run(s.t, "ip link set "+netlab.ServerIf+" up")
	s.Client.Run(s.t, "ip addr add 10.77.0.2/24 dev "+netlab.ClientIf)
	s.Client.Run(s.t, "ip link set "+netlab.ClientIf+" up")
}

func (s *site) opensInTime(t *testing.T) {
	t.Helper()
	if !wait.Until(wait.Timeout, func() bool {
		s.knock(ask()...)
		return netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 200*time.Millisecond)
	}) {
		t.Error("not open")
	}
}

// The daemon waits for a configured interface that does not exist yet: it is logged once,
// shown by -S, sent to the service manager, and captured when it appears.
func TestE2EInterfaceNotThereYet(t *testing.T) {
	s := newSite(t, "nftables")
	s.Server.Run(t, "ip link del "+netlab.ServerIf)
	s.configure("", stanza(""))
	notify := notifySocket(t, s.dir)
	s.start()
	waiting := "PCAP: " + netlab.ServerIf + ": no such interface, waiting for it"
	s.waitFor(waiting)
	if out, code := s.command(s.args("-S")...); code != 0 || !strings.Contains(out, waiting) {
		t.Errorf("-S: %d\n%s", code, out)
	}
	if out, code := s.command(s.args("-S", "--format", "json")...); code != 0 || !strings.Contains(out, `"waiting":"`+waiting+`"`) {
		t.Errorf("-S --format json: %d\n%s", code, out)
	}
	if got := notify(t, "READY=1"); !strings.Contains(got, "STATUS="+waiting) {
		t.Errorf("the service manager is told %q", got)
	}
	s.linkUp()
	s.waitFor("interface is there, capturing")
	s.opensInTime(t)
	if n := strings.Count(s.out.String(), waiting); n != 1 {
		t.Errorf("said %d times that it waits", n)
	}
	if out, _ := s.command(s.args("-S")...); strings.Contains(out, "waiting") {
		t.Errorf("-S still says\n%s", out)
	}
}

// The command that starts a background daemon prints what the daemon waits for.
func TestE2EBackgroundWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.Server.Run(t, "ip link del "+netlab.ServerIf)
	s.configure("", stanza(""))
	out, code := s.startVia(nil)
	t.Cleanup(func() { s.command(s.args("-K")...) })
	if code != 0 || !strings.Contains(out, "no such interface, waiting for it") {
		t.Errorf("%d %s", code, out)
	}
	s.linkUp()
	s.opensInTime(t)
}

// A worker that dies while its interface does not exist does not stop the daemon: the
// next worker waits.
func TestE2EWorkerDiesWithoutInterface(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start("-i", netlab.ServerIf)
	worker := s.worker()
	s.Server.Run(t, "ip link del "+netlab.ServerIf)
	s.waitFor("waiting for it")
	syscall.Kill(worker, syscall.SIGKILL)
	s.waitFor("the worker died: signal: killed")
	if !wait.Until(wait.Timeout, func() bool { return strings.Count(s.out.String(), "at work") == 2 }) {
		t.Fatal("no second worker")
	}
	s.linkUp()
	s.opensInTime(t)
}

// The death of a worker is logged with the reason, and the worker is restarted, again and
// again if it cannot work.
func TestE2EWorkerDies(t *testing.T) {
	s := newSite(t, "nftables")
	s.configure("KNOPWATCHD_CHECK_INTERVAL 1;\nDIGEST_FILE "+s.dir+"/digests/digest.cache;\n", stanza(""))
	s.start()
	worker := s.worker()
	syscall.Kill(worker, syscall.SIGABRT) // makes a Go program crash with a stack trace
	s.waitFor("the worker died: exit status 2: SIGABRT: abort")
	if !wait.Until(wait.Timeout, func() bool { w := s.worker(); return w != 0 && w != worker }) {
		t.Fatal("no new worker")
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "digests")); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(s.worker(), syscall.SIGKILL)
	s.waitFor("digest.cache")
	if s.cmd.ProcessState != nil || !alive(s.cmd.Process.Pid) {
		t.Error("the daemon ended")
	}
}

// notifySocket acts as the service manager that the next start notifies.
func notifySocket(t testing.TB, dir string) (read func(t testing.TB, want string) string) {
	t.Helper()
	path := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func(t testing.TB, want string) string {
		t.Helper()
		buf := make([]byte, 4096)
		for {
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("no %s: %v", want, err)
			}
			if got := string(buf[:n]); strings.Contains(got, want) {
				return got
			}
		}
	}
}

// isCalled returns the names of a process that pgrep and ps show.
func isCalled(t *testing.T, pid int) (comm, argv0 string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		t.Fatal(err)
	}
	argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(argv), "\x00")
	return strings.TrimSpace(string(text)), first
}

// Both processes are named fwknopd, also in the background and after a restart.
func TestE2EProcessNames(t *testing.T) {
	t.Parallel()
	for _, generation := range []string{"fwknopd.conf", "fwknop.conf"} { // -R of 1.9 starts another process
		t.Run(generation, func(t *testing.T) {
			s := newSite(t, "nftables")
			s.configure("ENABLE_SPA_PACKET_AGING Y;\n", stanza(""))
			access := "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: a-passphrase-of-the-tests;\nHMAC_KEY: another-one-of-the-tests;\n"
			conf := filepath.Join(s.dir, generation)
			if generation == "fwknop.conf" {
				if err := os.Rename(filepath.Join(s.dir, "fwknopd.conf"), conf); err != nil {
					t.Fatal(err)
				}
				s.write("access.conf", access)
			}
			run := func(more ...string) {
				t.Helper()
				if out, code := s.command(append([]string{"-c", conf, "-a", filepath.Join(s.dir, "access.conf")}, more...)...); code != 0 {
					t.Fatalf("%v: %d %s", more, code, out)
				}
			}
			pid := func() int {
				text, _ := os.ReadFile(filepath.Join(s.dir, "run", "fwknopd.pid"))
				n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				return n
			}
			run()
			t.Cleanup(func() { s.command("-c", conf, "-K") })
			bin, err := program()
			if err != nil {
				t.Fatal(err)
			}
			for _, when := range []string{"started", "restarted"} {
				main := pid()
				if !wait.Until(wait.Timeout, func() bool { main = pid(); return main != 0 && alive(main) && workerOf(main) != 0 }) {
					t.Fatalf("%s: nothing runs", when)
				}
				if comm, argv0 := isCalled(t, main); comm != "fwknopd" || argv0 != bin {
					t.Errorf("%s: the monitor is called %q, %q", when, comm, argv0)
				}
				if comm, argv0 := isCalled(t, workerOf(main)); comm != "fwknopd" || argv0 != "fwknopd: worker" {
					t.Errorf("%s: the worker is called %q, %q", when, comm, argv0)
				}
				if when == "started" {
					run("-R")
				}
			}
		})
	}
}

// The demonstration's live round opens a port and closes it again, and leaves no folder.
func TestE2EDemo(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "nft", "go")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("connect to port 22: open ")) || !bytes.Contains(out, []byte("closed again")) {
		t.Errorf("%v\n%s", err, out)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left %v (%v)", left, err)
	}
}

// What init writes for both sides opens the port to the client of Debian, and what it removes
// opens it no more.
func TestE2EInit(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(s.dir, "rc")
	port := fmt.Sprintf("tcp/%d", e2ePort)
	said := s.Server.Run(t, strings.Join([]string{bin, "init --port", port, "--name alice --dir", s.dir, "--client", rc, "--server", s.Server.V4.String()}, " "))
	if !strings.Contains(said, "interface "+netlab.ServerIf) {
		t.Errorf("init chose another interface:\n%s", said)
	}
	server, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("fwknopd.conf", fmt.Sprintf(string(server)+"FIREWALL_TYPE nftables;\nFWKNOP_DIR %[1]s/log;\nFWKNOP_LIB_DIR %[1]s/lib;\nFWKNOP_RUN_DIR %[1]s/run;\nEVENT_LOG %[1]s/events;\nSANDBOX on;\n", s.dir))
	s.start()
	knock := func() {
		t.Helper()
		s.Client.Run(t, fmt.Sprintf("fwknop -n alice --rc-file %s -a %s --no-save-args", rc, s.Client.V4))
	}
	if !s.shut() {
		t.Fatal("the port is open before the knock")
	}
	knock()
	if !s.open() {
		t.Fatal("the port does not open")
	}
	// The daemon would go on with its only stanza.
	removing := s.Server.Command(bin, "init", "--remove", "alice", "--dir", s.dir)
	if out, err := removing.CombinedOutput(); err == nil || !strings.Contains(string(out), "is the only stanza, and the daemon (pid") {
		t.Errorf("the only stanza of a running daemon: %v\n%s", err, out)
	}
	access, err := os.ReadFile(filepath.Join(s.dir, "access.conf"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("access.conf", stanza("NAME bob")+"\n"+string(access))
	s.Server.Run(t, strings.Join([]string{bin, "init --remove alice --dir", s.dir}, " "))
	s.reload()
	refused := s.said("refused spa.hmac_mismatch")
	knock()
	wait.For(t, "a refusal", func() bool { return s.said("refused spa.hmac_mismatch") > refused })
	why := s.Server.Run(t, fmt.Sprintf("%s why %s -c %s/fwknopd.conf", bin, s.Client.V4, s.dir))
	for _, want := range []string{" granted spa.granted stanza alice (line 2) ", " refused spa.hmac_mismatch stanza bob (line 1)", "remedy: client and server need the same HMAC_KEY"} {
		if !strings.Contains(why, want) {
			t.Errorf("why has no %q:\n%s", want, why)
		}
	}
}
