package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// knockStanza returns a stanza with a shared sequence that opens the test port.
func knockStanza() string {
	return fmt.Sprintf("SOURCE: ANY;\nSHARED_SEQUENCE: tcp/7000, tcp/8000, tcp/9000;\nOPEN_PORTS: tcp/%d;\nFW_ACCESS_TIMEOUT: 30;\n", e2ePort)
}

// kernelLines returns a sequence as the kernel logs it.
func kernelLines(src netip.Addr) string {
	var b strings.Builder
	for i, port := range []int{7000, 8000, 9000} {
		fmt.Fprintf(&b, "%s lab kernel: [  100.%06d] IN=srv0 OUT= SRC=%s DST=10.77.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=%d DF PROTO=TCP SPT=40000 DPT=%d WINDOW=64240 RES=0x00 SYN URGP=0 \n",
			time.Now().Format(time.Stamp), i+1, src, i+1, port)
	}
	return b.String()
}

func TestE2ECaptureFiles(t *testing.T) {
	t.Parallel()
	t.Run("tcpdump", func(t *testing.T) {
		netlab.Need(t, "tcpdump")
		s := newSite(t, "iptables")
		file := filepath.Join(s.dir, "sniff.pcap")
		s.configure("AUTH_MODE FILE_PCAP;\nPCAP_PKT_FILE "+file+";\n", stanza(""))
		s.start() // before the file exists
		dump := s.Server.Command("tcpdump", "-Z", "root", "-i", netlab.ServerIf, "-U", "-w", file, "udp port 62201")
		if err := dump.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dump.Process.Kill(); dump.Wait() })
		if !wait.Until(wait.Timeout, func() bool { st, err := os.Stat(file); return err == nil && st.Size() > 0 }) {
			t.Fatal("tcpdump writes nothing")
		}
		s.knock(ask()...)
		if !s.open() {
			t.Error("not open")
		}
	})
}

func TestE2EFIFO(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	fifo := filepath.Join(s.dir, "fifo")
	s.configure("AUTH_MODE KNOCK;\nENABLE_SYSLOG_FILE N;\nKNOPMD_FIFO "+fifo+";\n", knockStanza())
	s.start()
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString(kernelLines(s.Client.V4)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if !s.open() {
		t.Error("not open")
	}
}

func TestE2EUnixSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	path := filepath.Join(s.dir, "feed.sock")
	s.configure("AUTH_MODE SOCKET;\nFWKNOP_SERV_SOCK "+path+";\n", stanza(""))
	s.start()
	packet := filepath.Join(s.dir, "packet")
	s.knock(append(ask(), "--test", "-B", packet)...)
	text, err := os.ReadFile(packet)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s:17:%s\n", s.Client.V4, strings.TrimSpace(string(text))); err != nil {
		t.Fatal(err)
	}
	if !s.open() {
		t.Error("not open")
	}
}

// A restarted daemon continues where it stopped, also in each of several sources.
func TestE2EGoesOnInLog(t *testing.T) {
	t.Parallel()
	t.Run("one source", func(t *testing.T) { goesOnInLog(t, "AUTH_MODE KNOCK;\n") })
	t.Run("several", func(t *testing.T) { goesOnInLog(t, "INGEST UDP,KNOCK,FILE_PCAP;\nPCAP_PKT_FILE none.pcap;\n") })
}

func goesOnInLog(t *testing.T, mode string) {
	s := newSite(t, "nftables")
	file := filepath.Join(s.dir, "kern.log")
	add := func(text string) {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	add(kernelLines(netip.MustParseAddr("10.77.0.99"))) // ignored: logged before the first start
	s.configure(mode+"IPT_SYSLOG_FILE "+file+";\n", knockStanza())
	s.start()
	s.stop()
	add(kernelLines(s.Client.V4))
	s.start()
	if !s.open() {
		t.Error("a knock while the daemon was away is not seen")
	}
	if strings.Contains(s.out.String(), "10.77.0.99") || strings.Contains(s.events(), "10.77.0.99") {
		t.Error("what was in the log before the first start was read")
	}
}

// Kernel messages reach the daemon through a systemd journal, also those logged while
// the daemon does not run.
func TestE2EJournal(t *testing.T) {
	s := newSite(t, "nftables")
	netlab.KernelLog(t)
	s.inside = netlab.Journal(t)
	s.Server.RunInput(t, "insert rule inet filter input tcp dport { 7000, 8000, 9000 } log prefix \"DROP \" drop\n", "nft -f -")
	sequence := func() {
		for _, port := range []uint16{7000, 8000, 9000} {
			netlab.CanConnect(s.Client, s.Server.V4, port, 50*time.Millisecond)
		}
	}
	granted := func(n int) func() bool {
		return func() bool { return strings.Count(s.events(), `"verdict":"granted","reason":"knock.granted"`) == n }
	}
	s.configure("INGEST JOURNAL,UDP;\n", knockStanza())
	s.start()
	sequence()
	if !s.open() || !wait.Until(wait.Timeout, granted(1)) {
		t.Fatal("not open")
	}
	worker := s.worker()
	syscall.Kill(worker, syscall.SIGKILL)
	wait.For(t, "another worker at work", func() bool { return s.said("] at work") == 2 })
	s.state()
	if !wait.Until(wait.Timeout, func() bool { return len(s.children("journalctl")) == 1 }) {
		t.Errorf("%d journalctl run for one worker", len(s.children("journalctl")))
	}
	for _, pid := range s.children("journalctl") {
		if uid := statusOf(t, pid)["Uid"]; uid == "" || strings.HasPrefix(uid, "0") {
			t.Errorf("journalctl runs as %q", uid)
		}
	}
	s.stop()
	sequence()
	s.start()
	if !wait.Until(wait.Timeout, granted(2)) {
		t.Error("a knock while the daemon was away is not seen")
	}
}

// Kernel messages reach the daemon through /dev/kmsg, also those logged while the worker or
// the daemon does not run. What root writes there with the kernel's priority does not count.
func TestE2EKMSG(t *testing.T) {
	s := newSite(t, "nftables")
	netlab.KernelLog(t)
	s.Server.RunInput(t, "insert rule inet filter input tcp dport { 7000, 8000, 9000 } log prefix \"DROP \" drop\n", "nft -f -")
	sequence := func() {
		for _, port := range []uint16{7000, 8000, 9000} {
			netlab.CanConnect(s.Client, s.Server.V4, port, 50*time.Millisecond)
		}
	}
	count := func(what string) int { return strings.Count(s.events(), what) }
	granted := func(n int) func() bool {
		return func() bool { return count(`"verdict":"granted","reason":"knock.granted"`) == n }
	}
	s.configure("INGEST KMSG,UDP;\n", knockStanza())
	sequence() // before the start: not read
	s.start()

	forged := netip.MustParseAddr("10.77.0.66")
	for line := range strings.Lines(kernelLines(forged)) {
		_, text, _ := strings.Cut(line, "] ")
		if err := os.WriteFile("/dev/kmsg", []byte("<4>DROP "+text), 0); err != nil {
			t.Fatal(err)
		}
	}
	if !wait.Until(wait.Timeout, func() bool { return count("knock.forged_line") > 0 }) {
		t.Error("a forged record is not named")
	}
	sequence()
	if !s.open() || !wait.Until(wait.Timeout, granted(1)) {
		t.Fatal("not open")
	}
	if strings.Contains(s.events(), `"granted","reason":"knock.granted","src_ip":"`+forged.String()) {
		t.Error("a record that a program wrote opens")
	}
	s.state()
	if s.said("state: 3 events of log lines that show that a program wrote them") == 0 {
		t.Errorf("the forged records are not counted:\n%s", s.out.String())
	}

	s.stop()
	sequence()
	s.start()
	if !wait.Until(wait.Timeout, granted(2)) {
		t.Error("a knock while the daemon was away is not seen")
	}
}

func TestE2EIPv6(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.configure("", stanza(""))
		s.start()
		packet := filepath.Join(s.dir, "packet")
		s.knockFrom(s.Client.V4, s.Server.V4, append(ask(), "--test", "-B", packet)...)
		text, err := os.ReadFile(packet)
		if err != nil {
			t.Fatal(err)
		}
		// The Debian client has no IPv6 support, but its packet may be sent over IPv6.
		s.Client.Do(func() {
			c, err := net.Dial("udp", netip.AddrPortFrom(s.Server.V6, spaPort).String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprint(c, strings.TrimSpace(string(text)))
		})
		if !s.open() {
			t.Error("not open")
		}
	})
}

// The worker runs without privileges.
func TestE2EWorkerHasNoRights(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	pid := s.worker()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"CapEff:": "0000000000000000", "CapPrm:": "0000000000000000", "CapAmb:": "0000000000000000", "NoNewPrivs:": "1"}
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) > 1 && want[f[0]] != "" {
			if f[1] != want[f[0]] {
				t.Errorf("%s %s, want %s", f[0], f[1], want[f[0]])
			}
			delete(want, f[0])
		}
		if len(f) == 5 && (f[0] == "Uid:" || f[0] == "Gid:") {
			for _, id := range f[1:] {
				if id == "0" {
					t.Errorf("the worker runs as root: %s", line)
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("the kernel does not say %v", want)
	}
}

func TestE2EExternalCommands(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	record := filepath.Join(s.dir, "record")
	script := filepath.Join(s.dir, "gate")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >> "+record+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure("", stanza(fmt.Sprintf("CMD_CYCLE_OPEN %[1]s open $IP $PORT $PROTO\nCMD_CYCLE_CLOSE %[1]s close $IP\nCMD_CYCLE_TIMER 2", script)))
	s.start()
	s.knock(ask()...)
	want := fmt.Sprintf("open %s %d 6\nclose %s\n", s.Client.V4, e2ePort, s.Client.V4)
	if !wait.Until(wait.Timeout, func() bool { text, _ := os.ReadFile(record); return string(text) == want }) {
		text, _ := os.ReadFile(record)
		t.Errorf("the commands wrote %q, want %q", text, want)
	}
}

// The daemon notifies the service manager when it is ready, reloads and stops.
func TestE2EServiceManager(t *testing.T) {
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	path := filepath.Join(s.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s.start()
	hear := func(want string) {
		t.Helper()
		buf := make([]byte, 256)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
			t.Errorf("the manager heard %q, %v; want %s", buf[:n], err, want)
		}
	}
	hear("READY=1")
	s.write("access.conf", stanza("")+"\n# changed\n")
	hear("RELOADING=1")
	hear("READY=1")
	s.stop()
	hear("STOPPING=1")
}

// TestE2ECopies checks captures on all interfaces of a host where a packet passes
// several: the copies do not count as replays.
func TestE2ECopies(t *testing.T) {
	t.Parallel()
	move := func(t *testing.T, ns *netlab.NS, addr netip.Addr, from, to string) {
		ns.Run(t, "ip addr flush dev "+from)
		ns.Run(t, fmt.Sprintf("ip addr add %s/24 dev %s", addr, to))
		ns.Run(t, "ip link set "+to+" up")
	}
	for name, build := range map[string]func(t *testing.T, s *site){
		"bridge": func(t *testing.T, s *site) {
			s.Server.AddLink(t, "br0 type bridge")
			s.Server.Run(t, "ip link set "+netlab.ServerIf+" master br0")
			move(t, s.Server, s.Server.V4, netlab.ServerIf, "br0")
		},
		"macvlan": func(t *testing.T, s *site) {
			s.Server.AddLink(t, "link "+netlab.ServerIf+" name mac0 type macvlan mode bridge")
			move(t, s.Server, s.Server.V4, netlab.ServerIf, "mac0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "nftables")
			build(t, s)
			s.configure("", stanza(""))
			s.write("any.conf", "PCAP_INTF any;\n")
			s.start("-O", filepath.Join(s.dir, "any.conf"))
			s.knock(ask()...)
			if !s.open() {
				t.Fatal("not open")
			}
			if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			s.waitFor(" copies of packets that were recorded more than once")
			if name == "bridge" && !strings.Contains(s.out.String(), " 1 copies of ") {
				t.Error("the copy was not counted")
			}
			if strings.Contains(s.out.String(), "spa.replay") {
				t.Error("a copy is called a replay")
			}
		})
	}
}
