package ingest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// start runs a program in the background until the test ends.
func start(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	cmd.Stderr = os.Stderr
	ok(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	return cmd
}

// TestFollowTcpdump follows what tcpdump writes, through a rotation that tcpdump
// does not know of and one by another tcpdump.
func TestFollowTcpdump(t *testing.T) {
	netlab.Need(t, "tcpdump")
	lab := netlab.New(t)
	path := filepath.Join(t.TempDir(), "spa.pcap")
	p := tapPcap(t, path, FollowOptions{})
	tcpdump := func() *exec.Cmd {
		return start(t, lab.Server.Command("tcpdump", "-Z", "root", "-q", "-n", "-U", "-w", path, "-i", netlab.ServerIf, "udp port 62201"))
	}
	knock := func(name string) func() {
		return func() { send(t, lab.Client, lab.Server.V4, 62201, name) }
	}
	first := tcpdump()
	p.until("first", knock("first"))
	for i := range 20 {
		send(t, lab.Client, lab.Server.V4, 62201, fmt.Sprint(i))
		p.first(fmt.Sprint(i))
	}
	ok(t, os.Rename(path, path+".1"))
	knock("into the renamed file")()
	p.want("into the renamed file")
	first.Process.Signal(syscall.SIGTERM)
	first.Wait()
	tcpdump()
	p.until("second", knock("second"))
}

const ulogdConf = `[global]
logfile="%[1]s/ulogd.log"
loglevel=3
plugin="%[2]s/ulogd_inppkt_NFLOG.so"
plugin="%[2]s/ulogd_raw2packet_BASE.so"
plugin="%[2]s/ulogd_output_PCAP.so"
stack=log1:NFLOG,base1:BASE,pcap1:PCAP
[log1]
group=7
[pcap1]
file="%[1]s/ulogd.pcap"
sync=1
`

// TestFollowUlogd follows what ulogd writes of NFLOG packets, over a SIGHUP.
func TestFollowUlogd(t *testing.T) {
	netlab.Need(t, "ulogd", "iptables")
	plugins, err := filepath.Glob("/usr/lib/*/ulogd/ulogd_output_PCAP.so")
	if err != nil || len(plugins) == 0 {
		t.Skip("ulogd has no PCAP plugin here")
	}
	lab, dir := netlab.New(t), t.TempDir()
	conf, path := filepath.Join(dir, "ulogd.conf"), filepath.Join(dir, "ulogd.pcap")
	ok(t, os.WriteFile(conf, fmt.Appendf(nil, ulogdConf, dir, filepath.Dir(plugins[0])), 0o600))
	lab.Server.Run(t, "iptables -A INPUT -p udp --dport 62201 -j NFLOG --nflog-group 7")
	p := tapPcap(t, path, FollowOptions{RawIP: true})
	ulogd := start(t, lab.Server.Command("ulogd", "-c", conf, "-p", filepath.Join(dir, "pid")))
	knock := func(name string) func() {
		return func() { send(t, lab.Client, lab.Server.V4, 62201, name) }
	}
	p.until("first", knock("first"))
	ok(t, os.Rename(path, path+".1"))
	knock("before the signal")()
	p.want("before the signal")
	ulogd.Process.Signal(syscall.SIGHUP)
	p.until("reopened", knock("reopened"))
}

// TestNFLOG reads a group and checks who may.
func TestNFLOG(t *testing.T) {
	netlab.Need(t, "iptables")
	lab := netlab.New(t)
	lab.Server.Run(t, "iptables -A INPUT -p udp -j NFLOG --nflog-group 9 --nflog-prefix SPA-in")
	var first, second *os.File
	var err, err2 error
	lab.Server.Do(func() {
		first, err = openNFLOG(9)
		second, err2 = openNFLOG(9)
	})
	ok(t, err)
	n, err := newNFLOG(9, first, ReadOptions{Match: []string{"SPA"}, Filter: mustFilter(t, "udp port 62201")})
	ok(t, err)
	if err2 == nil {
		second.Close()
		t.Error("a second reader was let in")
	} else if !strings.Contains(err2.Error(), "another program") {
		t.Error(err2)
	}
	p := newTap(t, n)
	send(t, lab.Client, lab.Server.V4, 62202, "filtered out")
	send(t, lab.Client, lab.Server.V4, 62201, "packet")
	p.want("packet")
	const burst = 100 // far less than the queues of the kernel hold
	for i := range 2000 {
		send(t, lab.Client, lab.Server.V4, 62201, fmt.Sprint(i))
		if i%burst == burst-1 {
			for j := range burst {
				p.first(fmt.Sprint(i - burst + 1 + j))
			}
		}
	}
	if c := n.Stats().Counts(); c.Events != 2001 || c.NotOurs != 1 || c.Lost != 0 {
		t.Errorf("counts %+v", c)
	}
	ok(t, n.Close())
	if err := <-p.err; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
}

// TestNFLOGLost overflows the receive buffer.
func TestNFLOGLost(t *testing.T) {
	netlab.Need(t, "iptables")
	lab := netlab.New(t)
	lab.Server.Run(t, "iptables -A INPUT -p udp -j NFLOG --nflog-group 9")
	var conn *netlink.Conn
	var err error
	lab.Server.Do(func() { conn, err = bindNFLOG(9) })
	ok(t, err)
	n, err := newNFLOG(9, conn, ReadOptions{})
	ok(t, err)
	defer n.Close()
	ok(t, conn.SetReadBuffer(16<<10))
	const sent = 500
	for i := range sent {
		send(t, lab.Client, lab.Server.V4, 62201, fmt.Sprint(i))
	}
	wait.For(t, "an overflow", func() bool {
		_, rows, _ := strings.Cut(lab.Server.Run(t, "cat /proc/net/netlink"), "\n")
		for row := range strings.Lines(rows) { // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
			if f := strings.Fields(row); f[1] == fmt.Sprint(unix.NETLINK_NETFILTER) && f[8] != "0" {
				return true
			}
		}
		return false
	})
	p := newTap(t, n)
	p.until("last", func() { send(t, lab.Client, lab.Server.V4, 62201, "last") })
	if c := n.Stats().Counts(); c.Lost == 0 || c.Lost+c.Events < sent {
		t.Errorf("counts %+v", c)
	}
}

const rsyslogConf = `module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="%[1]s/log")
$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat
local0.* %[1]s/kern.log
`

// TestFollowRsyslog follows what rsyslog writes, through logrotate's steps: rename,
// more lines, SIGHUP.
func TestFollowRsyslog(t *testing.T) {
	netlab.Need(t, "rsyslogd", "logger")
	dir := t.TempDir()
	conf, path := filepath.Join(dir, "rsyslog.conf"), filepath.Join(dir, "kern.log")
	ok(t, os.WriteFile(conf, fmt.Appendf(nil, rsyslogConf, dir), 0o600))
	rsyslog := start(t, exec.Command("rsyslogd", "-n", "-f", conf, "-i", filepath.Join(dir, "pid")))
	f, err := followLog(path, FollowOptions{})
	ok(t, err)
	p := newTap(t, f)
	logs := func(port int) func() {
		return func() {
			text := logLine(port)
			out, err := exec.Command("logger", "-u", filepath.Join(dir, "log"), "-p", "local0.warning", "-t", "kernel", text[strings.Index(text, "["):]).CombinedOutput()
			if err != nil {
				t.Logf("logger: %s", out)
			}
		}
	}
	p.until("1", logs(1))
	ok(t, os.Rename(path, path+".1"))
	logs(2)()
	p.want("2")
	rsyslog.Process.Signal(syscall.SIGHUP)
	wait.For(t, "the old file is closed", func() bool {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", rsyslog.Process.Pid))
		ok(t, err)
		return !slices.ContainsFunc(files, func(file string) bool { to, _ := os.Readlink(file); return to == path+".1" })
	})
	logs(3)()
	p.want("3")
}
