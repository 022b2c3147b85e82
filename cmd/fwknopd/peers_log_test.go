package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// osLogLines is the size of the log for the measurement of --os.
const osLogLines = 1_000_000

// osLogBesideGrep compares the speed of --os on a Netfilter log with grep counting lines
// of the same file.
func osLogBesideGrep(t *testing.T, b *bench) {
	wantPeer(t, "grep")
	log := filepath.Join(t.TempDir(), "net.log")
	writeNetLog(t, log, osLogLines)
	us, _ := b.beside(t, comparison{
		work: fmt.Sprintf("`--os` of a log of %d lines", osLogLines), units: osLogLines, unit: "line", peer: firstLine("grep", "--version"),
		ours:   job{args: []string{"--os", log}, says: fmt.Sprintf("%d records", osLogLines), times: 1},
		theirs: job{env: []string{"LC_ALL=C"}, args: []string{"grep", "-c", "SYN", log}},
	})
	if us.kib > 64<<10 {
		t.Errorf("%d MiB resident, want at most 64", us.kib>>10)
	}
}

// pageLines is the size of the log for the measurement of --report.
const pageLines = 5_000_000

// pageBesideText compares the page that --os --report writes of a log with the text report of the
// same file, and bounds its memory and size.
func pageBesideText(t *testing.T, b *bench) {
	dir := t.TempDir()
	log, page := filepath.Join(dir, "net.log"), filepath.Join(dir, "page.html")
	writeNetLog(t, log, pageLines)
	says := fmt.Sprintf("%d records", pageLines)
	us, _ := b.beside(t, comparison{
		work: fmt.Sprintf("`--os --report` of a log of %d lines", pageLines), units: pageLines, unit: "line", peer: "our own `--os`",
		ours:   job{args: []string{"--os", log, "--report", page}, says: says, times: 1},
		theirs: job{args: []string{b.program, "--os", log}, says: says, times: 1},
	})
	if us.kib > 128<<10 {
		t.Errorf("%d MiB resident, want at most 128", us.kib>>10)
	}
	if info, err := os.Stat(page); err != nil || info.Size() > 1<<20 {
		t.Errorf("the page: %v, %v", info, err)
	}
}

// writeNetLog writes a log like that of a border router: six of ten lines are SYNs, from
// 50,000 sources, the others UDP, ICMP, and lines of other programs.
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
