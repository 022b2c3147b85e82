package jobs

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/fixtures/wait"
)

// roleVariable has the test binary be `fwknopd fleet submit` or `fwknopd fleet work`.
const roleVariable = "FWKNOPD_TEST_FLEET"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "submit":
		os.Exit(Submit(os.Args[1:], os.Stdout, os.Stderr))
	case "work":
		os.Exit(Work(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// start starts a process of the role; it is killed with the test.
func start(t *testing.T, role string, stdout, stderr io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), roleVariable+"="+role, "GOMAXPROCS=1", "TZ=UTC")
	c.Stdout, c.Stderr = stdout, stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			c.Process.Kill()
			c.Wait()
		}
	})
	return c
}

// lines returns where a process writes to, and what has the next line that contains a text.
func lines(t *testing.T) (w io.WriteCloser, next func(containing string) string) {
	t.Helper()
	r, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 1000)
	go func() {
		defer close(all)
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			all <- s.Text()
		}
	}()
	return to, func(containing string) string {
		t.Helper()
		limit := time.After(60 * time.Second)
		for {
			select {
			case line, open := <-all:
				if strings.Contains(line, containing) {
					return line
				}
				if !open {
					t.Fatalf("no line with %q", containing)
				}
			case <-limit:
				t.Fatalf("no line with %q in time", containing)
			}
		}
	}
}

// TestE2EKilledWorkers: a worker that is killed in the middle of a segment, one that is stopped by
// SIGTERM, and a submitter that is killed and started again change nothing in the report.
func TestE2EKilledWorkers(t *testing.T) {
	if os.Getenv("FWKNOPD_E2E") == "" {
		t.Skip("set FWKNOPD_E2E=1")
	}
	t.Run("files", func(t *testing.T) { testKilledWorkers(t, nil, nil) })
	t.Run("upload", func(t *testing.T) { testKilledWorkers(t, []string{"--upload"}, []string{"--root", t.TempDir()}) })
}

// testKilledWorkers starts submitters and workers with these options.
func testKilledWorkers(t *testing.T, submit, work []string) {
	dir := t.TempDir()
	name := filepath.Join(dir, "kern.log")
	text, err := os.ReadFile(archive(t, 20000)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Repeat(text, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	o := optionsFor([]string{name})
	o.JSON, o.Verbose, o.Now = false, true, time.Now().UTC()
	var stdout, stderr, got bytes.Buffer
	if err := osreport.Run(t.Context(), o, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	args := append(submit, "--os", "-v", "--listen", "127.0.0.1:0", "--dir", filepath.Join(dir, "jobs"), name)

	log, next := lines(t)
	first := start(t, "submit", io.Discard, log, args...)
	join := next("fleet work --join")
	join = join[strings.Index(join, "--join ")+len("--join "):]
	queue := joined(t, join)
	killInSegment(t, join, queue, work)
	taken := infoOf(t, queue).Delivered.Consumer
	worker := start(t, "work", io.Discard, os.Stderr, append(work, "--join", join)...)
	wait.For(t, "a second segment", func() bool { return infoOf(t, queue).Delivered.Consumer > taken })
	worker.Process.Signal(syscall.SIGTERM)
	if err := worker.Wait(); err != nil {
		t.Errorf("worker: %v", err)
	}
	first.Process.Kill()
	first.Wait()

	log, next = lines(t)
	second := start(t, "submit", &got, log, args...)
	again := next("fleet work --join")
	if token, _, _ := strings.Cut(join, "@"); !strings.Contains(again, token) {
		t.Errorf("another token: %s", again)
	}
	join = again[strings.Index(again, "--join ")+len("--join "):]
	killInSegment(t, join, joined(t, join), work) // its segment is given to others after ackWait
	workers := []*exec.Cmd{start(t, "work", io.Discard, os.Stderr, append(work, "--join", join)...), start(t, "work", io.Discard, os.Stderr, append(work, "--join", join)...)}
	if err := second.Wait(); err != nil {
		t.Errorf("submit: %v", err)
	}
	for _, w := range workers {
		if err := w.Wait(); err != nil {
			t.Errorf("worker: %v", err)
		}
	}
	if got.String() != stdout.String() {
		t.Errorf("%d bytes of report, want %d", got.Len(), stdout.Len())
	}
	if left, err := os.ReadDir(filepath.Join(dir, "jobs")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// joined connects as a worker does, to look at the queue.
func joined(t *testing.T, join string) jetstream.Consumer {
	t.Helper()
	token, address, err := ParseJoin(join)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := Join(t.Context(), token, address, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var queue jetstream.Consumer
	wait.For(t, "the queue", func() bool {
		queue, err = js.Consumer(t.Context(), segmentStream, workers)
		return err == nil
	})
	return queue
}

func infoOf(t *testing.T, queue jetstream.Consumer) *jetstream.ConsumerInfo {
	t.Helper()
	info, err := queue.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// killInSegment starts workers until one is killed in the middle of a segment.
func killInSegment(t *testing.T, join string, queue jetstream.Consumer, work []string) {
	t.Helper()
	for range 20 {
		before := infoOf(t, queue)
		w := start(t, "work", io.Discard, os.Stderr, append(work, "--join", join)...)
		wait.For(t, "a segment", func() bool { return infoOf(t, queue).Delivered.Consumer > before.Delivered.Consumer })
		w.Process.Signal(syscall.SIGSTOP)
		inside := infoOf(t, queue).NumAckPending > before.NumAckPending
		w.Process.Kill()
		w.Wait()
		if inside {
			return
		}
	}
	t.Fatal("no worker was killed in a segment")
}
