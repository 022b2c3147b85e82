package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// peersEnv enables the comparisons with other programs; make bench sets it.
const peersEnv = "FWKNOPD_PEERS"

// peerTurns is how often each of two programs is run, alternating.
const peerTurns = 5

// A job is a run of one of the programs that are compared.
type job struct {
	env  []string
	args []string
	// says must be in the given number of output lines, to verify that the work was done;
	// "" is not checked.
	says  string
	times int
}

// cost is the CPU time and the maximum resident memory of a job.
type cost struct {
	cpu time.Duration
	kib int64
}

// beside builds our program, runs it and a peer alternately on the same input, and logs
// the medians and the ratio. units is the size of the input.
func beside(t *testing.T, units int, unit, peer string, ours, theirs job) (us, them cost) {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "fwknopd")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ours.args = append([]string{bin}, ours.args...)
	var a, b [peerTurns]cost
	for i := range peerTurns {
		a[i], b[i] = ours.run(t, dir), theirs.run(t, dir)
	}
	us, them = median(a[:]), median(b[:])
	t.Logf("%d %ss: %s %v, we %v CPU, %.2f times theirs; %.3f µs a %s, %d MiB resident", units, unit, peer,
		them.cpu.Round(time.Millisecond), us.cpu.Round(time.Millisecond), float64(us.cpu)/float64(them.cpu),
		float64(us.cpu.Microseconds())/float64(units), unit, us.kib>>10)
	return us, them
}

// run runs a job with its output in a file: grep stops at the first match if its output
// is /dev/null.
func (j *job) run(t *testing.T, dir string) cost {
	t.Helper()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(j.args[0], j.args[1:]...)
	cmd.Env = append(os.Environ(), j.env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v", j.args, err)
	}
	if n := linesWith(t, out, j.says); j.says != "" && n != j.times {
		t.Fatalf("%q says %q %d times, not %d", j.args, j.says, n, j.times)
	}
	ru := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), ru.Maxrss}
}

// linesWith counts the lines with a text. It must not read the file into memory: the
// maximum resident memory of a child includes that of the process that forked it.
func linesWith(t *testing.T, f *os.File, text string) (n int) {
	t.Helper()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte(text)) {
			n++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// median returns the medians of both values.
func median(costs []cost) (m cost) {
	slices.SortFunc(costs, func(a, b cost) int { return int(a.kib - b.kib) })
	m.kib = costs[len(costs)/2].kib
	slices.SortFunc(costs, func(a, b cost) int { return int(a.cpu - b.cpu) })
	m.cpu = costs[len(costs)/2].cpu
	return m
}

// wantPeer skips the test unless comparisons are enabled and the peer is installed.
func wantPeer(t *testing.T, name string) {
	t.Helper()
	if os.Getenv(peersEnv) == "" {
		t.Skip("a measurement; run make bench")
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
}
