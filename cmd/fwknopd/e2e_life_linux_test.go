package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// Whichever process is killed, grants expire on time and the rest continues.
func TestE2EKilled(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"monitor", "worker", "both"} {
		t.Run(who, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				s.configure("", stanza(""))
				s.start()
				s.knock(append(ask(), "-f", "4")...)
				end := time.Now().Add(4 * time.Second)
				if !s.open() {
					t.Fatal("not open")
				}
				worker := s.worker()
				if worker == 0 {
					t.Fatal("there is no worker")
				}
				if who != "worker" {
					s.cmd.Process.Kill()
					s.cmd.Wait()
				}
				if who != "monitor" {
					syscall.Kill(worker, syscall.SIGKILL)
				}
				if who != "worker" && !wait.Until(time.Second, func() bool { return !alive(worker) }) {
					t.Error("the worker outlives its monitor")
				}
				if who == "worker" {
					if !wait.Until(wait.Timeout, func() bool { w := s.worker(); return w != 0 && w != worker }) {
						t.Fatal("no new worker")
					}
				}
				wait.At(end.Add(1200 * time.Millisecond))
				if !s.shut() {
					t.Error("open a second after its time")
				}
				if who == "worker" {
					s.knock(ask()...)
					if !s.open() {
						t.Error("the new worker opens nothing")
					}
				}
			})
		})
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// No grant is lost by a reload, a restart or the actions of other programs.
func TestE2EGrantsStay(t *testing.T) {
	t.Parallel()
	flush := map[string]string{"iptables": "iptables -F FWKNOP_INPUT", "nftables": "nft flush chain inet filter fwknop_input"}
	each(t, func(t *testing.T, s *site) {
		s.configure("RULES_CHECK_THRESHOLD 0;\n", stanza("")) // the kernel says that rules have changed
		s.start()
		s.knock(ask()...)
		if !s.open() {
			t.Fatal("not open")
		}
		s.Server.Run(t, flush[s.firewall])
		if !s.open() {
			t.Error("not open again after a flush by another program")
		}
		s.write("access.conf", stanza("REQUIRE_USERNAME nobody_else"))
		s.reload()
		if !s.open() {
			t.Error("a reload closed it")
		}
		s.knock(ask()...)
		s.waitFor("spa.user")
		s.write("access.conf", "SOURCE ANY\nNONSENSE\n")
		s.waitFor("the old one stays in force") // without a signal: the file changed
		s.stop()
		if !s.open() {
			t.Error("the end of the daemon closed it")
		}
		s.write("access.conf", stanza(""))
		s.start()
		s.waitFor("took over")
		if !s.open() {
			t.Error("a restart closed it")
		}
		out, code := s.command(s.args("--fw-list")...)
		if code != 0 || !strings.Contains(out, " "+s.Client.V4.String()+" ") || !strings.Contains(out, "_exp_") {
			t.Errorf("--fw-list: %d\n%s", code, out)
		}
		if out, code = s.command("grants", "revoke", "-c", filepath.Join(s.dir, "fwknopd.conf"), "--src", s.Client.V4.String()); code != 0 {
			t.Errorf("grants revoke: %d\n%s", code, out)
		}
		if !wait.Until(2*time.Second, s.shut) {
			t.Error("a revoked grant is open")
		}
	})
}

// The daemon in the background, controlled from a second process.
func TestE2EBackground(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	s.configure("", stanza(""))
	pidFile := filepath.Join(s.dir, "run", "fwknopd.pid")
	daemon := func() int {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return 0
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return pid
	}
	t.Cleanup(func() {
		if pid := daemon(); pid != 0 && alive(pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if out, code := s.command(s.args("--Status")...); code != 1 || !strings.Contains(out, "No running fwknopd detected.") {
		t.Errorf("status before: %d %s", code, out)
	}
	// Relative paths must still be valid after a restart.
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.Server.Command(bin, "-c", "fwknopd.conf", "-a", "access.conf")
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	pid := daemon()
	if pid == 0 || !alive(pid) {
		t.Fatal("nothing runs")
	}
	if out, code := s.command(s.args("--Status")...); code != 0 || !strings.Contains(out, fmt.Sprintf("Detected fwknopd is running (pid=%d).", pid)) {
		t.Errorf("status: %d %s", code, out)
	}
	if out, code := s.command(s.args()...); code != 1 || !strings.Contains(out, fmt.Sprintf("pid=%d", pid)) {
		t.Errorf("second start: %d %s", code, out)
	}
	s.knock(ask()...)
	if !s.open() {
		t.Error("not open")
	}
	if out, code := s.command(s.args("--Restart")...); code != 0 {
		t.Errorf("restart: %d %s", code, out)
	}
	if !wait.Until(wait.Timeout, func() bool { return daemon() != 0 && alive(daemon()) }) {
		t.Error("nothing runs after a restart")
	}
	if out, code := s.command(s.args("--Kill")...); code != 0 {
		t.Errorf("kill: %d %s", code, out)
	}
	if !wait.Until(wait.Timeout, func() bool { return !alive(pid) }) {
		t.Error("it lives")
	}
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file stays: %v", err)
	}
}

// A knock logged by the kernel opens the port, also if only root may read the log.
func TestE2EKnockInLog(t *testing.T) {
	t.Parallel()
	for name, perm := range map[string]os.FileMode{"readable": 0o644, "root only": 0o600, "tail library": 0o644} {
		t.Run(name, func(t *testing.T) {
			netlab.Need(t, "iptables")
			log := netlab.KernelLog(t)
			s := newSite(t, "iptables")
			file := filepath.Join(s.dir, "kern.log")
			if err := os.WriteFile(file, nil, perm); err != nil {
				t.Fatal(err)
			}
			prefix := s.Server.Name
			s.Server.Run(t, "iptables -A INPUT -p tcp --syn -j LOG --log-prefix "+prefix)
			log.Follow(t, file, prefix)
			follower := "own"
			if name == "tail library" {
				follower = "tail"
			}
			s.configure("AUTH_MODE KNOCK;\nLOG_FOLLOWER "+follower+";\nIPT_SYSLOG_FILE "+file+";\n",
				fmt.Sprintf("SOURCE: ANY;\nSHARED_SEQUENCE: tcp/7000, tcp/8000, tcp/9000;\nOPEN_PORTS: tcp/%d;\nFW_ACCESS_TIMEOUT: 30;\n", e2ePort))
			s.start()
			for _, port := range []uint16{7000, 8000, 9000} {
				netlab.CanConnect(s.Client, s.Server.V4, port, 50*time.Millisecond)
			}
			if !s.open() {
				t.Error("not open")
			}
		})
	}
}

// A worker that is stopped is replaced.
func TestE2EStoppedWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("KNOPWATCHD_CHECK_INTERVAL 1;\n", stanza(""))
	s.start()
	worker, ready := s.worker(), s.said("at work")
	if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.waitFor("the worker did not answer for 10s")
	if !wait.Until(wait.Timeout, func() bool { w := s.worker(); return w != 0 && w != worker }) {
		t.Fatal("no new worker")
	}
	wait.For(t, "the new worker", func() bool { return s.said("at work") > ready })
	s.state()
	s.knock(ask()...)
	if !s.open() {
		t.Error("the new worker opens nothing")
	}
	s.stop()
}

// An idle daemon does not wake up, whatever its sources, but to ask its worker once in
// KNOPWATCHD_CHECK_INTERVAL.
func TestE2EIdle(t *testing.T) {
	wakeups := make(map[string]func() int)
	for _, c := range []struct{ name, firewall, server string }{
		{"sniffing", "nftables", ""},
		{"listening", "iptables", "AUTH_MODE UDP;\n"},
		{"following", "nftables", "AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE %s;\n"},
	} {
		s := newSite(t, c.firewall)
		log := filepath.Join(s.dir, "kern.log")
		if err := os.WriteFile(log, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		access := stanza("")
		if strings.Contains(c.server, "KNOCK") {
			c.server, access = fmt.Sprintf(c.server, log), knockStanza()
		}
		s.configure("KNOPWATCHD_CHECK_INTERVAL 600;\n"+c.server, access)
		s.start()
		for name, pid := range map[string]int{c.name + ": monitor": s.cmd.Process.Pid, c.name + ": worker": s.worker()} {
			wakeups[name] = func() int { return wait.Wakeups(t, pid) }
		}
	}
	wait.Idle(t, 4*time.Second, 2, wakeups)
}
