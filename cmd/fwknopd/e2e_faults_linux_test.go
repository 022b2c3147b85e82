package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// With too few descriptors the daemon says so and ends, or it grants; it never runs
// without a source or a firewall. With fewer than eight a Go program does not start.
func TestE2EFewDescriptors(t *testing.T) {
	netlab.Need(t, "prlimit")
	refused, granted := 0, 0
	for _, n := range []int{8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 48, 64} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newSite(t, "nftables")
			s.configure("", stanza(""))
			s.inside = []string{"prlimit", fmt.Sprintf("--nofile=%d", n)}
			s.launch()
			ended := make(chan error, 1)
			go func() { ended <- s.cmd.Wait() }()
			const ready = "Starting fwknopd main event loop."
			select {
			case err := <-ended:
				lines := strings.Split(strings.TrimSpace(s.out.String()), "\n")
				if last := lines[len(lines)-1]; err == nil || !strings.Contains(last, "too many open files") {
					t.Errorf("%v, last words %q", err, last)
				}
				refused++
			case <-saidSoon(s, ready):
				s.knock(ask()...)
				if !s.open() {
					t.Error("runs, and does not open the port")
				}
				granted++
				s.cmd.Process.Signal(unix.SIGTERM)
				<-ended
			}
		})
	}
	if refused == 0 || granted == 0 {
		t.Errorf("%d refused to start, %d granted: the limits are not of both kinds", refused, granted)
	}
}

// saidSoon is closed when the daemon says text; if it does not in time, never.
func saidSoon(s *site, text string) <-chan struct{} {
	said := make(chan struct{})
	go func() {
		if wait.Until(wait.Timeout, func() bool { return strings.Contains(s.out.String(), text) }) {
			close(said)
		}
	}()
	return said
}

// A worker whose user has no inotify instance left follows its log by polling.
func TestE2ENoInotify(t *testing.T) {
	s := newSite(t, "nftables")
	log := filepath.Join(s.dir, "fw.log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.configure("AUTH_MODE KNOCK;\nWORKER_USER nobody;\nIPT_SYSLOG_FILE "+log+";\n", knockStanza())
	useUpInotify(t, 65534)
	s.start()
	for _, port := range []string{"SPT=40000", "SPT=50000"} { // also after a rotation
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(strings.ReplaceAll(kernelLines(s.Client.V4), "SPT=40000", port)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if !s.open() {
			t.Fatal("not open")
		}
		if out, code := s.command(append([]string{"grants", "revoke", "--all"}, s.args()...)...); code != 0 {
			t.Fatalf("revoke: %d %s", code, out)
		}
		if err := os.Rename(log, log+".1"); err != nil {
			t.Fatal(err)
		}
	}
}

// useUpInotify takes all the inotify instances that a user may have, until the test ends.
func useUpInotify(t *testing.T, uid int) {
	t.Helper()
	var taken []int
	t.Cleanup(func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
	})
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread has another user and ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- errno
			return
		}
		for {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
			if err != nil {
				if errors.Is(err, unix.EMFILE) {
					err = nil
				}
				done <- err
				return
			}
			taken = append(taken, fd)
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(taken) == 0 {
		t.Fatal("no instance could be taken")
	}
}

// An interface that gets another name is gone; what has the old name then is captured.
func TestE2EInterfaceRenamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	s.Server.Run(t, "ip link set "+netlab.ServerIf+" down")
	s.Server.Run(t, "ip link set "+netlab.ServerIf+" name other0")
	s.waitFor("interface " + netlab.ServerIf + " is gone")
	s.Server.Run(t, "ip link set other0 up")
	s.Server.Run(t, "ip link set other0 down")
	s.Server.Run(t, "ip link set other0 name "+netlab.ServerIf)
	s.Server.Run(t, "ip link set "+netlab.ServerIf+" up")
	s.waitFor("interface " + netlab.ServerIf + " is back")
	s.opensInTime(t)
}

// A firewall program that takes its time: "opened" is said when the port is open, not
// before, and the port is shut in time.
func TestE2ESlowFirewall(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	dir := t.TempDir()
	for _, name := range []string{"iptables", "ip6tables", "iptables-restore", "ip6tables-restore"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("#!/bin/sh\n[ ! -e %s/slow ] || sleep 1\nexec %s \"$@\"\n", dir, real)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const seconds = 4
	s.configure("iptablesCmd "+dir+"/iptables;\n", strings.Replace(stanza(""), "FW_ACCESS_TIMEOUT 60", fmt.Sprint("FW_ACCESS_TIMEOUT ", seconds), 1))
	s.start()
	if err := os.WriteFile(filepath.Join(dir, "slow"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const opened = "opened 10.77.0.2 tcp/2222"
	for range 2 {
		before, began := s.said(opened), time.Now()
		s.knock(ask()...)
		wait.For(t, "a grant", func() bool { return s.said(opened) > before })
		if !netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 200*time.Millisecond) {
			t.Error("said to be open, and is not")
		}
		wait.For(t, "the end of the grant", s.shut)
		// The end is counted in whole seconds of the clock.
		if took := time.Since(began); took < (seconds-1)*time.Second || took > (seconds+4)*time.Second {
			t.Errorf("shut after %v", took)
		}
	}
}
