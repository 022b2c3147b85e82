package jobs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/replay"
)

// knocks writes a log of sequences and of scans between them, and an access file, and returns the options
// of a replay of both and of captures with SPA packets.
func knocks(t *testing.T, lines int) []string {
	t.Helper()
	var text bytes.Buffer
	for i := range lines {
		port := [...]int{1001, 23, 1002, 445, 1003, 8080, 3389}[i%7]
		fmt.Fprintf(&text, "2023-11-14T%02d:%02d:%02d.000000+00:00 gate kernel: DROP IN=eth0 OUT= SRC=10.0.0.%d DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=50 "+
			"ID=%d DF PROTO=TCP SPT=%d DPT=%d WINDOW=64240 RES=0x00 SYN URGP=0 \n", i/3600, i/60%60, i%60, i/70%50+i%7%2*100, i&0xffff, 1024+i%50000, port)
		if i%970 == 0 {
			text.WriteString("2023-11-14T22:13:11.000000+00:00 gate kernel: DROP IN=eth0 OUT= SRC=192.0.2. DST=198.51.100.1 LEN=44\n")
		}
	}
	dir := t.TempDir()
	log, access, conf := filepath.Join(dir, "kern.log"), filepath.Join(dir, "access.conf"), filepath.Join(dir, "fwknopd.conf")
	stanzas, err := os.ReadFile("../../../fixtures/replay/access.conf")
	if err != nil {
		t.Fatal(err)
	}
	stanzas = append([]byte("SOURCE: 10.0.0.0/24;\nSHARED_SEQUENCE: tcp/1001, tcp/1002, tcp/1003;\nOPEN_PORTS: tcp/22;\nKNOCK_INTERVAL: 10;\nFW_ACCESS_TIMEOUT: 30;\n\n"), stanzas...)
	for name, data := range map[string][]byte{log: text.Bytes(), access: stanzas, conf: []byte("PCAP_FILTER udp port 62201;\n")} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	captures, err := filepath.Glob("../../../fixtures/spa/pcap/c-udp*.pcap")
	if err != nil || len(captures) < 5 {
		t.Fatal(captures, err)
	}
	return append([]string{"-c", conf, "-a", access, "--all-modes", "--as-given", "--fail-on", "granted", log}, captures...)
}

// TestSameReplay: one, two and five workers give the decisions of one process, and its exit code, also where
// one more worker ends on the way.
func TestSameReplay(t *testing.T) {
	args := knocks(t, 8000)
	var stdout, stderr bytes.Buffer
	code := replay.Replay(args, nil, &stdout, &stderr)
	if n := strings.Count(stdout.String(), " granted "); n < 100 || code != 4 || !strings.Contains(stderr.String(), "malformed netfilter") {
		t.Fatalf("exit %d, %d granted: %s", code, n, stderr.String())
	}
	for _, workers := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			s := newReplaySite(t, args)
			ctx, cancel := context.WithCancel(t.Context())
			ended := []<-chan error{s.worker(ctx, t, 1)} // ends somewhere in the middle
			for range workers {
				ended = append(ended, s.worker(t.Context(), t, 2))
			}
			done := make(chan int, 1)
			go func() { done <- s.Replay.Exit(s.serve(t.Context(), s.Server)) }()
			cancel()
			if got := <-done; got != code || s.stdout.String() != stdout.String() || s.stderr.String() != stderr.String() {
				t.Errorf("exit %d, want %d\n%.1000s\nwant %.1000s\n%s\nwant %s", got, code, s.stdout.String(), stdout.String(), s.stderr.String(), stderr.String())
			}
			for _, e := range ended {
				if err := <-e; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func newReplaySite(t *testing.T, args []string) *site {
	t.Helper()
	return newSite(t, osreport.Options{}, t.TempDir(), func(s *Submitter) {
		o, code := cli.Begin(cli.FleetSubmit, append([]string{"--replay", "--listen", "127.0.0.1:0"}, args...), s.Stdout, s.Stderr)
		if o == nil {
			t.Fatal(code)
		}
		s.Options = osreport.FromFlags(o, nil)
		if err := s.configure(o); err != nil {
			t.Fatal(err)
		}
	})
}
