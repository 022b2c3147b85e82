package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// peersEnv switches on the measurements beside other programs: make bench sets it.
const peersEnv = "FWKNOPD_PEERS"

// osLogLines is the size of the log that --os is measured with.
const osLogLines = 1_000_000

// TestOSLogBesideGrep measures the CPU time of --os on a Netfilter log beside
// grep counting lines of the same file, turn by turn.
func TestOSLogBesideGrep(t *testing.T) {
	if os.Getenv(peersEnv) == "" {
		t.Skip("a measurement; run make bench")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "fwknopd")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	log := filepath.Join(dir, "net.log")
	writeNetLog(t, log, osLogLines)
	var grep, ours []time.Duration
	var peak int64
	for range 5 {
		cpu, _ := usage(t, dir, []string{"LC_ALL=C"}, "grep", "-c", "SYN", log)
		grep = append(grep, cpu)
		cpu, rss := usage(t, dir, nil, bin, "--os", log)
		ours = append(ours, cpu)
		peak = max(peak, rss)
	}
	slices.Sort(grep)
	slices.Sort(ours)
	g, o := grep[len(grep)/2], ours[len(ours)/2]
	t.Logf("%d lines: grep -c %v, --os %v CPU: %.2f times grep; %d MiB resident", osLogLines, g, o, float64(o)/float64(g), peak>>10)
	if peak > 64<<10 {
		t.Errorf("%d MiB resident, want at most 64", peak>>10)
	}
}

// usage runs a program with its output in a file (grep stops at the first match
// when it writes to /dev/null) and returns its CPU time and peak resident KiB.
func usage(t *testing.T, dir string, env []string, name string, args ...string) (time.Duration, int64) {
	t.Helper()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, io.Discard
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	ru := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), ru.Maxrss
}

// writeNetLog writes a log like a border router's: six SYNs in ten lines from
// 50,000 sources, UDP, ICMP, and what other programs say.
func writeNetLog(t *testing.T, name string, lines int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	systems := []string{
		"LEN=60 TOS=0x00 PREC=0x00 TTL=%d ID=%d DF PROTO=TCP SPT=%d DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B40402080A%08X0000000001030307) ",
		"LEN=60 TOS=0x00 PREC=0x00 TTL=%d ID=%d DF PROTO=TCP SPT=%d DPT=443 WINDOW=29200 RES=0x00 SYN URGP=0 OPT (020405B40402080A%08X000000000103030A) ",
		"LEN=60 TOS=0x00 PREC=0x00 TTL=%d ID=%d DF PROTO=TCP SPT=%d DPT=25 WINDOW=5840 RES=0x00 SYN URGP=0 OPT (020405B40402080A%08X0000000001030302) ",
	}
	type host struct{ ip, system string }
	hosts := make([]host, 50_000)
	for i := range hosts {
		ip := fmt.Sprintf("%d.%d.%d.%d", 1+rng.IntN(222), rng.IntN(256), rng.IntN(256), 1+rng.IntN(254))
		hosts[i] = host{ip, systems[rng.IntN(len(systems))]}
	}
	start := time.Date(2026, 7, 3, 0, 0, 0, 0, time.UTC)
	for i := range lines {
		h := hosts[rng.IntN(len(hosts))]
		stamp := start.Add(time.Duration(i/20) * time.Second).Format(time.Stamp)
		head := stamp + " gate kernel: [12345.678901] DROP IN=eth0 OUT= MAC=00:a0:cc:28:42:5a:00:01:5c:22:2e:42:08:00 SRC=" + h.ip + " DST=10.10.10.10 "
		switch r := rng.IntN(100); {
		case r < 60:
			fmt.Fprintf(w, head+h.system+"\n", 46+rng.IntN(18), rng.IntN(1<<16), 1024+rng.IntN(60000), 1+rng.Uint32()>>1)
		case r < 85:
			fmt.Fprintf(w, head+"LEN=78 TOS=0x00 PREC=0x00 TTL=112 ID=%d PROTO=UDP SPT=%d DPT=137 LEN=58 \n", rng.IntN(1<<16), 1024+rng.IntN(60000))
		case r < 90:
			fmt.Fprintf(w, head+"LEN=84 TOS=0x00 PREC=0x00 TTL=52 ID=%d DF PROTO=ICMP TYPE=8 CODE=0 ID=%d SEQ=1 \n", rng.IntN(1<<16), rng.IntN(1<<16))
		default:
			fmt.Fprintf(w, "%s gate sshd[%d]: Failed password for invalid user admin from %s port 4711 ssh2\n", stamp, rng.IntN(30000), h.ip)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
