package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// workerMode is the environment variable that makes this test program a worker.
const workerMode = "MONITOR_TEST_WORKER"

// lifetime is that of a worker that lives for a while.
const lifetime = 4800 * time.Millisecond

// runWorker plays a worker, as the mode says.
func runWorker(mode string) {
	switch mode {
	case "monitor":
		runMonitor()
	case "daemon":
		runDaemon()
	}
	conn, err := Parent()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if mode == "violates" {
		conn.Write(frame(`{"id":1,"op":"exec"}`))
		wait.Killed()
	}
	c := NewClient(conn)
	switch mode {
	case "dies":
	case "lives":
		wait.At(time.Now().Add(lifetime))
	case "ends":
		os.Exit(0)
	case "waits":
		c.Waiting(ctx, []string{"eth0", "wlan0"})
		c.Waiting(ctx, []string{})
		c.Ready(ctx)
		<-c.Done()
	case "says ready":
		c.Ready(ctx)
	case "grants":
		c.Ready(ctx)
		if err := apply(c, ssh(1, time.Now().Add(time.Minute))); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	case "leaves a child":
		child := exec.Command("sleep", "600")
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Println(child.Process.Pid)
	case "hangs up":
		c.Close()
		wait.Killed()
	case "obeys":
		c.Ready(ctx)
		<-c.Done()
		os.Exit(0)
	case "answers":
		c.Alive()
		c.Ready(ctx)
		for range c.Notices() {
			c.Alive()
		}
		os.Exit(0)
	case "hangs": // its reader works, its main loop does not
		c.Alive()
		c.Ready(ctx)
		wait.Killed()
	case "loads":
		c.Ready(ctx)
		for range c.Notices() {
			c.Loading()
		}
		wait.Killed()
	case "stops":
		c.Alive()
		c.Ready(ctx)
		unix.Kill(os.Getpid(), unix.SIGSTOP)
		wait.Killed()
	case "stays":
		c.Ready(ctx)
		wait.Killed()
	}
	os.Exit(7)
}

// runMonitor starts a worker, says which, and waits to be killed.
func runMonitor() {
	w, err := Spawn(workerCommand("stays"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	m, err := New(ctx, Config{Firewall: new(enforce.Recorder), Policy: testPolicy})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	m.serve(ctx, w.Conn, hooks{ready: func() { fmt.Println(w.Pid) }})
	os.Exit(1)
}

func workerCommand(mode string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), workerMode+"="+mode)
	return cmd
}

// workers starts one for each mode, the last for all that follow.
func workers(modes ...string) (start func() (*Worker, error), starts *int) {
	starts = new(int)
	return func() (*Worker, error) {
		mode := modes[min(*starts, len(modes)-1)]
		*starts++
		if mode == "does not start" {
			return nil, os.ErrPermission
		}
		return Spawn(workerCommand(mode))
	}, starts
}

func TestSupervise(t *testing.T) {
	const interval = 4 * time.Second // a worker that dies at once is dead before, also on a loaded machine
	for _, c := range []struct {
		modes    string
		restarts string        // what WorkerStarted counts
		pauses   time.Duration // between them, and lives, at least
		died     string
	}{
		{"dies", "[0 1 2 3]", 2 * interval, "exit status 7"},
		{"does not start", "[]", 2 * interval, "permission denied"},
		{"lives,lives,dies", "[0 1 1 2 3]", 2*lifetime + 2*interval, "exit status 7"},
		{"says ready,says ready,says ready,dies", "[0 1 1 1 2 3]", 2 * interval, "exit status 7"},
		{"violates", "[0 1 2 3]", 2 * interval, errProtocol.Error()},
	} {
		t.Run(c.modes, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			start, starts := workers(strings.Split(c.modes, ",")...)
			begin := time.Now()
			err := r.Supervise(ctx, Supervision{Start: start, Interval: interval, Retries: 3})
			took := time.Since(begin)
			r.events.drain()
			if !errors.Is(err, ErrGaveUp) || !strings.Contains(err.Error(), c.died) || took < c.pauses || took > c.pauses+wait.Timeout {
				t.Errorf("%s: %v after %v", c.modes, err, took)
			}
			var counts []int
			for _, ev := range r.of(WorkerStarted) {
				counts = append(counts, ev.Count)
			}
			if fmt.Sprint(counts) != c.restarts || r.count(WorkerDied) != *starts || r.count(WorkerGaveUp) != 1 {
				t.Errorf("%s: restarts %v, want %s; %d died, %d gave up", c.modes, counts, c.restarts, r.count(WorkerDied), r.count(WorkerGaveUp))
			}
		})
	}
}

// TestEnded: what the daemon decides on the end of a worker, ends Supervise or does not.
func TestEnded(t *testing.T) {
	final := errors.New("final")
	for _, c := range []struct{ modes, want string }{
		{"dies", "exit status 7"},
		{"does not start", "permission denied"},
		{"ends", "it ended without a reason"},
		{"violates", errProtocol.Error()},
		{"hangs up,dies", "it hung up and did not end"},
	} {
		r := newRig(t)
		start, starts := workers(strings.Split(c.modes, ",")...)
		var ends []string
		err := r.Supervise(ctx, Supervision{Start: start, Interval: 10 * time.Millisecond, Ended: func(err error) error {
			if ends = append(ends, err.Error()); len(ends) < 2 {
				return nil
			}
			return final
		}})
		r.events.drain()
		if err != final || *starts != 2 || !strings.Contains(ends[0], c.want) || r.count(WorkerDied) != 1 {
			t.Errorf("%s: %v after %d starts: %q, %d died", c.modes, err, *starts, ends, r.count(WorkerDied))
		}
	}
}

// TestWaiting: what a worker says it waits for arrives before what it says next.
func TestWaiting(t *testing.T) {
	r := newRig(t)
	start, _ := workers("waits")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var said []string
	err := r.Supervise(ctx, Supervision{Start: start,
		Waiting: func(list []string) { said = append(said, strings.Join(list, "+")) },
		Ready:   func() { said = append(said, "ready"); cancel() }})
	if !errors.Is(err, context.Canceled) || fmt.Sprint(said) != "[eth0+wlan0  ready]" {
		t.Errorf("%v: %q", err, said)
	}
}

// TestDeadlyPacket: workers that die as soon as they are at work are started again and
// again, but not without pause.
func TestDeadlyPacket(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithTimeout(ctx, wait.Timeout)
	defer cancel()
	start, starts := workers("says ready")
	begin := time.Now()
	err := r.Supervise(ctx, Supervision{Interval: time.Minute, Retries: 3, Start: func() (*Worker, error) {
		if *starts == 5 {
			cancel()
		}
		return start()
	}})
	pauses := backoff(0) + backoff(1) + backoff(2) + backoff(3)
	if took := time.Since(begin); !errors.Is(err, context.Canceled) || took < pauses {
		t.Errorf("%v after %d starts in %v, want pauses of %v", err, *starts, took, pauses)
	}
}

// TestGrantsOutliveWorkers: they are looked after when the worker is dead and the
// monitor has given up.
func TestGrantsOutliveWorkers(t *testing.T) {
	r := newRig(t)
	ready := 0
	start, _ := workers("grants", "dies")
	// The second worker has to die before it counts as seen alive, however slow its
	// start is. Its restart is the first one, for which nothing is waited.
	err := r.Supervise(ctx, Supervision{Start: start, Interval: time.Hour, Retries: 1, Ready: func() { ready++ }})
	if !errors.Is(err, ErrGaveUp) || ready != 1 {
		t.Fatalf("%v, ready %d times", err, ready)
	}
	g := ssh(1, time.Time{})
	if !r.isOpen(t, g) {
		t.Fatal("not open")
	}
	r.fw.Disturb()
	wait.For(t, "the grant is repaired", func() bool { return r.isOpen(t, g) })
}

// TestSuperviseEnds: with ctx, the worker ends by itself if it obeys.
func TestSuperviseEnds(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(ctx)
	start, _ := workers("obeys")
	begin := time.Now()
	err := r.Supervise(ctx, Supervision{Start: start, Ready: cancel})
	if !errors.Is(err, context.Canceled) || time.Since(begin) > killGrace || r.count(WorkerDied) != 0 {
		t.Errorf("%v after %v, events %+v", err, time.Since(begin), r.all)
	}
}

// TestNoNewPrivs: no thread of a worker can gain privileges by running a set-user-ID
// program; other children of the monitor can, as sudo must.
func TestNoNewPrivs(t *testing.T) {
	const line = "NoNewPrivs:\t1\n"
	w, err := Spawn(workerCommand("stays"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		w.Kill()
		w.Wait()
		w.Conn.Close()
	}()
	threads := func() (files []string) {
		files, _ = filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", w.Pid))
		return files
	}
	wait.For(t, "it runs Go code", func() bool { return len(threads()) > 2 })
	for _, file := range threads() {
		if text, _ := os.ReadFile(file); !strings.Contains(string(text), line) {
			t.Errorf("%s: without no_new_privs", file)
		}
	}
	for range 20 {
		if text, err := exec.Command("cat", "/proc/self/status").Output(); err != nil || strings.Contains(string(text), line) {
			t.Fatalf("another program: %v, or no_new_privs", err)
		}
	}
}

// TestGroupEndsWithWorker: what a worker started ends with it.
func TestGroupEndsWithWorker(t *testing.T) {
	cmd := workerCommand("leaves a child")
	var out strings.Builder
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second // the child has the pipe too
	w, err := Spawn(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Conn.Close()
	w.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	if !wait.Until(wait.Timeout, func() bool { return ended(pid) }) {
		t.Error("the child of the worker lives on")
		unix.Kill(pid, unix.SIGKILL)
	}
}

// ended reports whether a process has ended, also if it is not reaped yet.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z")
}

// TestWorkerDiesWithMonitor: also when the monitor is killed.
func TestWorkerDiesWithMonitor(t *testing.T) {
	cmd := workerCommand("monitor")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 32)
	n, err := out.Read(buf)
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || convErr != nil {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	if err := unix.Kill(pid, 0); err != nil {
		t.Fatalf("worker %d: %v", pid, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	wait.For(t, "the worker is dead", func() bool { return ended(pid) })
}
