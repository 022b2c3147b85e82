package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peersEnv enables the comparisons with other programs, and names the file for the table
// of their results; make bench sets it.
const peersEnv = "FWKNOPD_PEERS"

// peerTurns is how often each of two programs is run, alternating.
const peerTurns = 5

// TestBeside measures the rows of the table in README: the CPU time that we and another
// program take for the same input.
func TestBeside(t *testing.T) {
	file := os.Getenv(peersEnv)
	if file == "" {
		t.Skip("a measurement; run make bench")
	}
	b := &bench{program: buildProgram(t)}
	t.Run("replay of valid packets", func(t *testing.T) { replayBesideC(t, b, 20_000, 0) })
	t.Run("replay of noise", func(t *testing.T) { replayBesideC(t, b, 5_000, 99) })
	t.Run("os of a capture", func(t *testing.T) { osCaptureBesideP0f(t, b) })
	t.Run("os of a log", func(t *testing.T) { osLogBesideGrep(t, b) })
	t.Run("page of a log", func(t *testing.T) { pageBesideText(t, b) })
	if err := os.WriteFile(file, []byte(b.table(t)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// buildProgram builds the program as make build does.
func buildProgram(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fwknopd")
	revision := firstLine("git", "describe", "--tags", "--always", "--dirty")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.revision="+revision, "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// firstLine returns the first line that a program prints, whatever its exit code.
func firstLine(name string, args ...string) string {
	out, _ := exec.Command(name, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// A bench is a run of the comparisons.
type bench struct {
	program string // ours
	rows    []string
	peers   []string // their versions
}

// A comparison is one row. ours has no name of the program.
type comparison struct {
	work         string
	units        int // size of the input
	unit         string
	peer         string // name and version
	ours, theirs job
}

// beside runs our program and a peer alternately on the same input, logs the medians and
// the ratio, and adds the row.
func (b *bench) beside(t *testing.T, c comparison) (us, them cost) {
	t.Helper()
	dir := t.TempDir()
	c.ours.args = append([]string{b.program}, c.ours.args...)
	var ours, theirs [peerTurns]cost
	for i := range peerTurns {
		ours[i], theirs[i] = c.ours.run(t, dir), c.theirs.run(t, dir)
	}
	us, them = median(ours[:]), median(theirs[:])
	ratio := float64(us.cpu) / float64(them.cpu)
	t.Logf("%d %ss: %s %v, we %v CPU, %.2f times theirs; %.3f µs a %s, %d MiB resident", c.units, c.unit, c.peer,
		them.cpu.Round(time.Millisecond), us.cpu.Round(time.Millisecond), ratio,
		float64(us.cpu.Microseconds())/float64(c.units), c.unit, us.kib>>10)
	b.rows = append(b.rows, fmt.Sprintf("| %s | %v | %v | %.2f | `%s` | `%s` |\n", c.work,
		us.cpu.Round(time.Millisecond), them.cpu.Round(time.Millisecond), ratio, c.ours.command(), c.theirs.command()))
	if !slices.Contains(b.peers, c.peer) {
		b.peers = append(b.peers, c.peer)
	}
	return us, them
}

// command is the command line of a job with the last elements of the paths.
func (j *job) command() string {
	var words []string
	for _, arg := range j.args {
		if filepath.IsAbs(arg) {
			arg = filepath.Base(arg)
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// table returns the rows with the versions of all that was measured.
func (b *bench) table(t *testing.T) string {
	t.Helper()
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Log(err)
	}
	return "| work | ours | theirs | ratio | our command | their command |\n|---|---|---|---|---|---|\n" + strings.Join(b.rows, "") +
		fmt.Sprintf("\nCPU time, medians of %d turns. %s; beside %s. %s, kernel %s, %d processors.\n", peerTurns,
			firstLine(b.program, "-V"), strings.Join(b.peers, ", "), runtime.Version(), strings.TrimSpace(string(kernel)), runtime.NumCPU())
}

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
	return cost{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), int64(ru.Maxrss)}
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

// wantPeer skips the test unless the peer is installed.
func wantPeer(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
}
