package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// hopsEnv enables the count of functions on the way of one packet, line or file, and names the
// folder for the lists of them; make hops sets it.
const hopsEnv = "FWKNOPD_HOPS"

// TestHops counts the functions of the project, and their files, that one input makes run: those
// covered in a run with it that a run without it does not cover, both counted from the start of the
// processes. What the start, an idle daemon or an empty log needs too is so no part of the way. Of
// an access.conf it counts what check covers inside policy/conf. The limits are what was measured,
// and a little more for a packet, as it depends on time what an idle daemon has run.
func TestHops(t *testing.T) {
	lists := os.Getenv(hopsEnv)
	if lists == "" {
		t.Skip("a measurement; run make hops")
	}
	if err := os.MkdirAll(lists, 0o755); err != nil {
		t.Fatal(err)
	}
	c := buildCovered(t)
	for _, tt := range []struct {
		name             string
		functions, files int
		run              func(*testing.T) hops
	}{
		{"nftables", 370, 113, func(t *testing.T) hops { return c.packet(t, "nftables") }},
		{"iptables", 363, 109, func(t *testing.T) hops { return c.packet(t, "iptables") }},
		{"line", 106, 26, c.line},
		{"access", 114, 18, c.access},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.run(t)
			t.Logf("%d functions in %d files", len(h), h.files())
			if len(h) > tt.functions || h.files() > tt.files {
				t.Errorf("more than %d functions in %d files", tt.functions, tt.files)
			}
			if err := os.WriteFile(filepath.Join(lists, tt.name), []byte(h.String()), 0o644); err != nil {
				t.Error(err)
			}
		})
	}
}

// A covered is a program that counts what runs.
type covered struct{ program, dir string }

// writeCounts has a covered program write its counters, which counts.go does.
const writeCounts = syscall.SIGPWR

// buildCovered builds the program with counters in all packages.
func buildCovered(t *testing.T) covered {
	t.Helper()
	netlab.Need(t, "go")
	c := covered{dir: t.TempDir()}
	for dir := c.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777); err != nil { // for the worker, which is not root
			t.Fatal(err)
		}
	}
	c.program = filepath.Join(c.dir, "fwknopd")
	out, err := exec.Command("go", "build", "-tags", "hops", "-ldflags", "-X main.countsDir="+c.dir, "-cover", "-covermode", "atomic",
		"-coverpkg", "fwknopd/...", "-o", c.program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return c
}

// packet is the way of a captured SPA packet to the rule in the kernel, through both processes.
func (c covered) packet(t *testing.T, firewall string) hops {
	return c.daemon(t, firewall, true).without(c.daemon(t, firewall, false))
}

// daemon is what runs in both processes until a rule is there for a packet, or for as long as that
// may take without one.
func (c covered) daemon(t *testing.T, firewall string, knocks bool) hops {
	s := newSite(t, firewall)
	s.program = c.program
	s.configure("", stanza(""))
	s.launchWith("-f")
	s.waitFor("Starting fwknopd main event loop.")
	s.state()
	begun := time.Now()
	if knocks {
		s.knock(ask()...)
		if !s.open() {
			t.Fatal("the port is not open")
		}
	}
	wait.For(t, "the time that a packet takes", func() bool { return time.Since(begun) > 2*time.Second })
	h := make(hops)
	for _, pid := range []int{s.cmd.Process.Pid, s.worker()} {
		h.add(t, c.counters(t, pid))
	}
	return h
}

// counters has a process write its counters, and returns the folder with them.
func (c covered) counters(t *testing.T, pid int) string {
	t.Helper()
	if err := syscall.Kill(pid, writeCounts); err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("%s/%d", c.dir, pid)
	wait.For(t, "the counters", func() bool {
		st, err := os.Stat(dir + "/done")
		return err == nil && st.Size() > 0
	})
	return dir
}

// line is the way of a line of a log through --os.
func (c covered) line(t *testing.T) hops {
	const syn = "Jul 10 12:00:00 host kernel: [12345.678901] DROP IN=eth0 OUT= MAC=00:00:5e:00:53:01:00:00:5e:00:53:02:08:00 SRC=192.0.2.7 DST=192.0.2.1 " +
		"LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=52303 DF PROTO=TCP SPT=50874 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B40402080A3E5A1F4E0000000001030307)\n"
	log := filepath.Join(t.TempDir(), "log")
	run := func(text string) hops {
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return c.command(t, "--os", log)
	}
	return run(syn).without(run(""))
}

// access is the way of an access.conf with one stanza, and of a fwknopd.conf, inside policy/conf.
func (c covered) access(t *testing.T) hops {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	ran := c.command(t, "check", "-c", file("fwknopd.conf", "PCAP_INTF lo\n"), "-a", file("access.conf", stanza("")))
	for f := range ran {
		if !strings.HasPrefix(f.file, "fwknopd/policy/conf/") {
			delete(ran, f)
		}
	}
	return ran
}

// command runs the program to its end.
func (c covered) command(t *testing.T, args ...string) hops {
	t.Helper()
	counts := t.TempDir()
	cmd := exec.Command(c.program, args...)
	cmd.Env = append(os.Environ(), "GOCOVERDIR="+counts)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	h := make(hops)
	h.add(t, counts)
	return h
}

// hops are functions that ran.
type hops map[function]bool

type function struct{ file, name string }

// add adds what the counters in dir say.
func (h hops) add(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("go", "tool", "covdata", "func", "-i", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] == "0.0%" || f[0] == "total" {
			continue
		}
		place := strings.Split(f[0], ":")
		h[function{place[0], f[1] + ":" + place[1]}] = true
	}
}

func (h hops) without(other hops) hops {
	rest := make(hops)
	for f := range h {
		if !other[f] {
			rest[f] = true
		}
	}
	return rest
}

func (h hops) files() int {
	files := make(map[string]bool)
	for f := range h {
		files[f.file] = true
	}
	return len(files)
}

// String returns one line for each function, in the order of files.
func (h hops) String() string {
	var lines []string
	for f := range h {
		lines = append(lines, f.file+" "+f.name+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
