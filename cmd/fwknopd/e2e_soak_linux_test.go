package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// soakEnv is the variable with the length of the soak as a Go duration; a few seconds if
// it is not set.
const soakEnv = "FWKNOPD_SOAK"

// The traffic of a day in a short time: 72 valid packets a second for twenty minutes are
// one a second for a day. There is junk too, each packet is replayed, grants open and
// expire, the configuration is reloaded. Memory, descriptors and threads of both
// processes must not grow.
func TestE2ESoak(t *testing.T) {
	span := 12 * time.Second
	if text := os.Getenv(soakEnv); text != "" {
		var err error
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", soakEnv, err)
		}
	}
	s := newSite(t, "nftables")
	log := filepath.Join(s.dir, "kern.log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.configure(fmt.Sprintf("INGEST PCAP,KNOCK;\nIPT_SYSLOG_FILE %s;\n", log), fmt.Sprintf(
		"SOURCE: ANY;\nOPEN_PORTS: tcp/%d;\nKEY: %s;\nHMAC_KEY: %s;\nFW_ACCESS_TIMEOUT: 2;\n", e2ePort, packetKey().Passphrase, packetKey().HMACKey)+knockStanza())
	s.start()
	pids := []int{s.cmd.Process.Pid, s.worker()}

	const perSecond = 72
	junk := []byte(strings.Repeat("Ab3/", 56))
	first := netip.MustParseAddr("10.79.0.1")
	src := first
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var samples [][]footprint
	reload := time.Now()
	for end := time.Now().Add(span); time.Now().Before(end); <-tick.C {
		var packets [][]byte
		for range perSecond / 10 {
			p := packetFor(t, src)
			packets = append(packets, p, junk, p, junk[:150])
			if src = src.Next(); src == netip.MustParseAddr("10.79.255.254") {
				src = first
			}
		}
		post(t, s, packets...)
		s.append(log, kernelLines(s.Client.V4))
		if time.Since(reload) > 30*time.Second {
			reload = time.Now()
			if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(samples); n == 0 || time.Since(samples[n-1][0].at) > span/40 {
			samples = append(samples, footprints(t, pids))
		}
	}
	for i, who := range []string{"monitor", "worker"} {
		early, late := typical(samples[len(samples)/4:len(samples)/2], i), typical(samples[3*len(samples)/4:], i)
		t.Logf("%s over %v: %d to %d KiB, %d to %d descriptors, %d to %d threads", who, span, early.rss, late.rss, early.files, late.files, early.threads, late.threads)
		// Expected growth: a record of 64 bytes for each message.
		if grown := late.rss - early.rss; grown > 16<<10 {
			t.Errorf("%s: memory grew by %d KiB", who, grown)
		}
		if late.files > early.files+4 || late.threads > early.threads+6 {
			t.Errorf("%s: descriptors or threads grew", who)
		}
	}
	if s.worker() != pids[1] {
		t.Error("the worker is another one than at the start")
	}
	got := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.100"), 1)[0]
	post(t, s, packetFor(t, got))
	if !wait.Until(wait.Timeout, func() bool {
		return netlab.CanReach(s.Client, "tcp", got, netip.AddrPortFrom(s.Server.V4, e2ePort), 20*time.Millisecond)
	}) {
		t.Error("a valid packet is not honoured any more")
	}
}

// append appends to a file of the site as a syslog daemon does.
func (s *site) append(name, text string) {
	s.t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// A footprint is the resource use of a process.
type footprint struct {
	at                  time.Time
	rss, files, threads int // KiB, number, number
}

func footprints(t *testing.T, pids []int) []footprint {
	t.Helper()
	var all []footprint
	for _, pid := range pids {
		f := footprint{at: time.Now()}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			w := strings.Fields(line)
			if len(w) < 2 {
				continue
			}
			n, _ := strconv.Atoi(w[1])
			switch w[0] {
			case "VmRSS:":
				f.rss = n
			case "Threads:":
				f.threads = n
			}
		}
		names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		f.files = len(names)
		all = append(all, f)
	}
	return all
}

// typical returns the medians of the samples of one process.
func typical(samples [][]footprint, i int) footprint {
	median := func(of func(footprint) int) int {
		var v []int
		for _, s := range samples {
			v = append(v, of(s[i]))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return footprint{
		rss:     median(func(f footprint) int { return f.rss }),
		files:   median(func(f footprint) int { return f.files }),
		threads: median(func(f footprint) int { return f.threads }),
	}
}
