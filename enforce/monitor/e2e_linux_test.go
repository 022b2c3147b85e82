package monitor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/nftables"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// Environment of a daemon.
const (
	daemonFirewall = "MONITOR_TEST_FIREWALL"
	daemonSocket   = "MONITOR_TEST_SOCKET"
)

// listSuffix names the daemon's other socket, where each connection gets a list of what
// is open.
const listSuffix = ".list"

// runDaemon is a daemon without ingesters: it supervises a worker, serves each
// connection to its socket as a worker, and prints "worker PID" and its events.
func runDaemon() {
	fw, err := openFirewall(os.Getenv(daemonFirewall))
	if err == nil {
		err = fw.Setup(ctx)
	}
	var table *conntrack.Table
	if err == nil {
		table, err = conntrack.Open([]uint16{22})
	}
	var m *Monitor
	if err == nil {
		m, err = New(ctx, Config{Firewall: fw, Policy: testPolicy, Established: table.Established, Events: func(ev Event) { fmt.Println(ev.Kind, ev.Grant.Src, ev.Err) }})
	}
	var l, lists *net.UnixListener
	if err == nil {
		lists, err = net.ListenUnix("unix", &net.UnixAddr{Name: os.Getenv(daemonSocket) + listSuffix, Net: "unix"})
	}
	if err == nil {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: os.Getenv(daemonSocket), Net: "unix"})
	}
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	go m.Supervise(ctx, Supervision{Start: func() (*Worker, error) {
		w, err := Spawn(workerCommand("stays"))
		if err == nil {
			fmt.Println("worker", w.Pid)
		}
		return w, err
	}})
	go answerLists(lists, m)
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			os.Exit(1)
		}
		go m.Serve(ctx, conn)
	}
}

func answerLists(l *net.UnixListener, m *Monitor) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			fmt.Println("failed", err)
			return
		}
		if open, err := m.List(ctx); err != nil {
			fmt.Println("no list", err)
		} else {
			json.NewEncoder(conn).Encode(open)
		}
		conn.Close()
	}
}

func openFirewall(name string) (enforce.Backend, error) {
	if name == "nftables" {
		return nftables.New(nftables.Config{})
	}
	return iptables.New(ctx, iptables.Config{Path: name})
}

// A protectedHost is a server whose firewall drops everything, with a daemon.
type protectedHost struct {
	*netlab.Lab
	*Client
	t        testing.TB
	firewall string
	socket   string
	daemon   *exec.Cmd

	mu    sync.Mutex
	lines []string
}

const ruleset = `flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}
`

func newProtectedHost(t testing.TB, firewall string) *protectedHost {
	t.Helper()
	netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
	f := &protectedHost{Lab: netlab.New(t), t: t, firewall: firewall, socket: filepath.Join(t.TempDir(), "s")}
	f.protect()
	netlab.Serve(t, f.Server, "tcp", 22)
	f.start()
	return f
}

// protect loads what a user has, and flushes all else.
func (f *protectedHost) protect() {
	f.t.Helper()
	if f.firewall == "nftables" {
		f.Server.RunInput(f.t, ruleset, "nft -f -")
		return
	}
	f.Server.Run(f.t, f.firewall+" -F")
	f.Server.Run(f.t, f.firewall+" -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
	f.Server.Run(f.t, f.firewall+" -P INPUT DROP")
}

// start starts the daemon, and waits until it serves.
func (f *protectedHost) start() {
	f.t.Helper()
	os.Remove(f.socket)
	os.Remove(f.socket + listSuffix)
	before := f.lastWorker()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	f.daemon = f.Server.Command(self)
	f.daemon.Env = append(os.Environ(), workerMode+"=daemon", daemonFirewall+"="+f.firewall, daemonSocket+"="+f.socket)
	f.daemon.Stderr = os.Stderr
	out, err := f.daemon.StdoutPipe()
	if err == nil {
		err = f.daemon.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); f.read(out) }()
	cmd := f.daemon
	f.t.Cleanup(func() { cmd.Process.Kill(); <-read; cmd.Wait() })
	f.worker(before) // is running
	var conn *net.UnixConn
	wait.For(f.t, f.socket, func() bool {
		conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: f.socket, Net: "unix"})
		return err == nil
	})
	f.Client = NewClient(conn)
	f.t.Cleanup(func() { f.Client.Close(); <-f.Client.Done() })
}

// open is the daemon's [Monitor.List].
func (f *protectedHost) open() (gs []enforce.Grant) {
	f.t.Helper()
	var err error
	if !wait.Until(wait.Timeout, func() bool { gs, err = f.list(); return err == nil }) {
		f.t.Fatal(err)
	}
	return gs
}

// list asks once. There is no answer if the listing took longer than the monitor waits, as on
// a loaded machine.
func (f *protectedHost) list() (gs []enforce.Grant, err error) {
	conn, err := net.Dial("unix", f.socket+listSuffix)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	err = json.NewDecoder(conn).Decode(&gs)
	return gs, err
}

func (f *protectedHost) read(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		f.mu.Lock()
		f.lines = append(f.lines, s.Text())
		f.mu.Unlock()
	}
}

// said counts lines of the daemon that begin so.
func (f *protectedHost) said(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// wantSaid waits for a line that begins so, and wants no second one.
func (f *protectedHost) wantSaid(prefix string) {
	f.t.Helper()
	wait.For(f.t, prefix, func() bool { return f.said(prefix) > 0 })
	f.mu.Lock()
	lines := slices.Clone(f.lines)
	f.mu.Unlock()
	if f.said(prefix) != 1 {
		f.t.Errorf("not %q once, but %q", prefix, lines)
	}
}

// worker waits for a worker other than that, and returns its process id.
func (f *protectedHost) worker(other string) (pid string) {
	f.t.Helper()
	wait.For(f.t, "a worker but "+other, func() bool { pid = f.lastWorker(); return pid != other && pid != "" })
	return pid
}

// lastWorker is the process id of the worker that was started last, "" before the first.
func (f *protectedHost) lastWorker() (pid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.lines {
		if p, ok := strings.CutPrefix(line, "worker "); ok {
			pid = p
		}
	}
	return pid
}

// reachable tries whether the client gets in, for a moment.
func (f *protectedHost) reachable() bool {
	return netlab.CanConnect(f.Lab.Client, f.Server.V4, 22, 150*time.Millisecond)
}

func (f *protectedHost) grant(life time.Duration) enforce.Grant {
	f.t.Helper()
	g := enforce.Grant{Src: f.Lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(life).Round(0), Stanza: 3}
	if f.reachable() {
		f.t.Fatal("open before")
	}
	if err := apply(f.Client, g); err != nil {
		f.t.Fatal(err)
	}
	if !f.reachable() {
		f.t.Fatal("not open")
	}
	return g
}

// wantRepair flushes, and waits until the port is open again.
func (f *protectedHost) wantRepair() {
	f.t.Helper()
	f.protect()
	begin := time.Now()
	for !f.reachable() {
		if time.Since(begin) > 5*time.Second { // a loaded machine; else it is some milliseconds
			f.t.Fatalf("not open five seconds after a flush; the daemon logged %q", f.lines)
		}
	}
	f.t.Logf("open %v after a flush", time.Since(begin).Round(time.Millisecond))
}

// wantEnd checks that the port is open until shortly before the end, and shut
// within a second of it.
func (f *protectedHost) wantEnd(g enforce.Grant) {
	f.t.Helper()
	wait.At(g.Expires.Add(-600 * time.Millisecond))
	if !f.reachable() {
		f.t.Error("shut too early")
	}
	wait.At(g.Expires.Add(enforcetest.KernelLate))
	if f.reachable() {
		f.t.Error("open a second after its time")
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = unix.Kill(n, unix.SIGKILL)
	}
	if err != nil {
		t.Fatalf("kill worker %s: %v", pid, err)
	}
}

var firewalls = []string{"nftables", "iptables-nft", "iptables-legacy"}

// eachFirewall runs a test with a protectedHost for each of the firewalls.
func eachFirewall(t *testing.T, firewalls []string, test func(t *testing.T, f *protectedHost)) {
	for _, firewall := range firewalls {
		t.Run(firewall, func(t *testing.T) {
			t.Parallel()
			test(t, newProtectedHost(t, firewall))
		})
	}
}

func TestE2EKilled(t *testing.T) {
	for _, firewall := range firewalls {
		for _, who := range []string{"worker", "monitor", "both"} {
			t.Run(firewall+"/"+who, func(t *testing.T) {
				t.Parallel()
				f := newProtectedHost(t, firewall)
				g := f.grant(4 * time.Second)
				pid := f.worker("")
				if who != "monitor" {
					kill(t, pid)
				}
				if who != "worker" {
					f.daemon.Process.Kill()
					f.daemon.Wait()
				} else {
					f.worker(pid) // there is another one
				}
				f.wantEnd(g)
			})
		}
	}
}

func TestE2EFlushed(t *testing.T) {
	eachFirewall(t, firewalls, func(t *testing.T, f *protectedHost) {
		g := f.grant(8 * time.Second)
		for range 3 {
			f.wantRepair()
		}
		wait.For(t, "three repairs", func() bool { return f.said("repaired") >= 3 }) // said when they are done
		if f.said("contested") > 0 {
			t.Errorf("the daemon logged %q", f.lines)
		}
		f.wantEnd(g)
	})
}

func TestE2ERestarted(t *testing.T) {
	eachFirewall(t, firewalls, func(t *testing.T, f *protectedHost) {
		g := f.grant(7 * time.Second)
		f.daemon.Process.Kill()
		f.daemon.Wait()
		f.start()
		f.wantSaid("adopted 10.77.0.2")
		open := f.open()
		if len(open) != 1 || open[0].Key() != g.Key() || open[0].Stanza != 3 || open[0].Expires.Sub(g.Expires).Abs() > 20*time.Millisecond {
			t.Errorf("open is %+v, want %+v", open, g)
		}
		f.wantRepair()
		f.wantEnd(g)
		f.wantSaid("expired 10.77.0.2")
	})
}

// TestE2EMany: grants of mixed lengths end within a second of their time, also
// behind long ones.
func TestE2EMany(t *testing.T) {
	const many, longest = 3000, 30 * time.Second
	eachFirewall(t, firewalls, func(t *testing.T, f *protectedHost) {
		var wg sync.WaitGroup
		start := time.Now()
		wg.Add(many)
		opened := func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		}
		for n := range many {
			src := netip.AddrFrom4([4]byte{10, 200, byte(n >> 8), byte(n)})
			life := longest - time.Duration(n*7919%20000)*time.Millisecond
			g := enforce.Grant{Src: src, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: start.Add(life), Stanza: 3}
			wait.For(t, "room for a request", func() bool { return submit(f.Client, g, opened) })
		}
		wg.Wait()
		t.Logf("%d opened in %v", many, time.Since(start).Round(time.Millisecond))
		late, most := time.Duration(0), 0
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		left, last, stall := many, time.Now(), time.Duration(0) // how long a loaded machine kept us from looking
		for ; left > 0 && time.Since(start) < longest+2*time.Second+stall; <-tick.C {
			asked := time.Now()
			open := f.open()
			left, most = len(open), max(most, len(open))
			stall, last = max(stall, asked.Sub(last)), asked
			for _, g := range open {
				late = max(late, asked.Sub(g.Expires))
			}
		}
		t.Logf("at most %d open, the latest %v after its time, looked at every %v", most, late.Round(time.Millisecond), stall.Round(time.Millisecond))
		if left != 0 || late > time.Second+2*stall || most < many*9/10 {
			t.Errorf("%d left", left)
		}
		if f.said("repaired")+f.said("contested")+f.said("failed") > 0 {
			t.Error("the daemon treated its own changes as those of others")
		}
	})
}

// TestE2EPostponed: a grant stays open for as long as a connection through it lives,
// and ends soon after.
func TestE2EPostponed(t *testing.T) {
	eachFirewall(t, firewalls, func(t *testing.T, f *protectedHost) {
		g := f.grant(4 * time.Second)
		var conn net.Conn
		f.Lab.Client.Do(func() {
			var err error
			if conn, err = net.DialTimeout("tcp", netip.AddrPortFrom(f.Server.V4, 22).String(), time.Second); err != nil {
				t.Fatal(err)
			}
		})
		defer conn.Close()
		for range 3 {
			wait.At(g.Expires.Add(time.Second))
			if !f.reachable() {
				t.Fatalf("shut while a connection lives; the daemon logged %q", f.lines)
			}
			g.Expires = g.Expires.Add(5 * time.Second)
		}
		conn.Close()
		if !wait.Until(extension+2*time.Second, func() bool { return f.said("expired") > 0 }) || f.reachable() {
			t.Errorf("open without a connection; the daemon logged %q", f.lines)
		}
		if f.said("postponed") != 1 || f.said("expired") != 1 {
			t.Errorf("the daemon logged %q", f.lines)
		}
	})
}

// TestE2EIdle: a monitor sleeps when nothing is open, and also while a grant is, if
// its kernel tells of changes.
func TestE2EIdle(t *testing.T) {
	eachFirewall(t, []string{"nftables", "iptables-nft"}, func(t *testing.T, f *protectedHost) {
		for _, state := range []string{"nothing open", "a grant open"} {
			wait.Idle(t, 3*time.Second, 2, map[string]func() int{state: func() int { return wait.Wakeups(t, f.daemon.Process.Pid) }})
			if state == "nothing open" {
				f.grant(time.Minute)
			}
		}
	})
}

// BenchmarkGrant is the time from a worker's request until the port is open, and what the daemon and
// the programs that it runs take of a processor for it.
func BenchmarkGrant(b *testing.B) {
	for _, firewall := range firewalls {
		b.Run(firewall, func(b *testing.B) {
			f := newProtectedHost(b, firewall)
			before, n := cpu(b, f.daemon.Process.Pid), 0
			for b.Loop() {
				g := enforce.Grant{Src: netip.AddrFrom4([4]byte{10, 201, byte(n >> 8), byte(n)}), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
				if err := apply(f.Client, g); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(cpu(b, f.daemon.Process.Pid)-before)/1e6/float64(n), "cpu-ms/op")
		})
	}
}

// cpu is what a process and the programs it ran have used, to a hundredth of a
// second.
func cpu(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	ticks := 0
	for _, field := range strings.Fields(rest)[11:15] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
