package top

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/pty"
	"fwknopd/fixtures/wait"
)

// TestMain lets the test binary be fwknopd top.
func TestMain(m *testing.M) {
	if args := os.Getenv("FWKNOPD_TOP"); args != "" {
		os.Exit(Run(strings.Fields(args), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestCost: with 100 decisions a second the view takes less than 1 % of a processor. A span is
// 30 seconds:
//
//	FWKNOPD_E2E=1 go test -count=1 -v -run '^TestCost$' ./cmd/fwknopd/top
func TestCost(t *testing.T) {
	if os.Getenv("FWKNOPD_E2E") == "" {
		t.Skip("FWKNOPD_E2E=1 runs what takes long")
	}
	const span, rate, limit = 30 * time.Second, 100, 0.01
	feed, conf := serve(t)
	screen, pid := inTerminal(t, conf)
	wait.For(t, "the view", func() bool { return strings.Contains(screen.String(), "sources 2") })
	stop := make(chan struct{})
	defer close(stop)
	go decide(feed, time.Second/rate, stop)
	wait.At(time.Now().Add(2 * time.Second))
	// What else the machine does only adds to it, so that the least of some spans is what it costs.
	share := 1.0
	for range 3 {
		before, begin := processorTime(t, pid), time.Now()
		wait.At(begin.Add(span))
		share = min(share, (processorTime(t, pid)-before).Seconds()/time.Since(begin).Seconds())
		t.Logf("%d decisions a second: %.2f %% of a processor", rate, 100*share)
		if share <= limit {
			break
		}
	}
	if share > limit {
		t.Errorf("more than %.0f %%", 100*limit)
	}
	if !strings.Contains(screen.String(), "203.0.113.77") {
		t.Error("the view shows no decision")
	}
}

// serve serves what fake has on a control socket, and returns the feed and a configuration.
func serve(t *testing.T) (*control.Feed, string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "fwknopd.conf")
	if err := os.WriteFile(conf, []byte("FWKNOP_RUN_DIR "+dir+";\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, grants := newFake(), new(enforce.Recorder)
	f.status.Grants = 1
	if err := grants.Apply(t.Context(), f.grants[0]); err != nil {
		t.Fatal(err)
	}
	feed := new(control.Feed)
	stop, err := control.Serve(filepath.Join(dir, "fwknopd.sock"), grants, control.Host{
		State: func() control.State { return control.State{} }, Line: func(string) (int, error) { return 0, nil }, Feed: feed,
		Status: func(context.Context) report.Status { return f.status },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return feed, conf
}

// decide adds a decision at each interval.
func decide(feed *control.Feed, interval time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case at := <-tick.C:
			feed.Add(fmt.Appendf(nil, `{"v":1,"timestamp":%q,"event_type":"decision","verdict":"refused","reason":"spa.port","src_ip":"203.0.113.77","src_port":%d,`+
				`"dest_ip":"198.51.100.1","dest_port":62201,"proto":"UDP","stanza":3,"stanza_name":"alice","user":"user%d","mode":"spa","detail":{"port":"tcp/3306"}}`,
				at.UTC().Format(time.RFC3339Nano), 1024+n%60000, n))
		}
	}
}

// inTerminal starts fwknopd top in a new terminal of 120 by 40 characters.
func inTerminal(t *testing.T, conf string) (screen *netlab.Output, pid int) {
	t.Helper()
	master, slave := pty.Open(t)
	pty.Resize(t, master, 120, 40)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "FWKNOPD_TOP=-c "+conf, "TERM=xterm-256color", "NO_COLOR=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	slave.Close()
	screen = new(netlab.Output)
	go io.Copy(screen, master)
	return screen, cmd.Process.Pid
}

// processorTime returns how long a process has run so far.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system int64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond // the kernel counts in hundredths of a second
}
