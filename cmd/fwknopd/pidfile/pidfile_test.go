package pidfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain also runs the helper process, which locks the given pid file and waits.
func TestMain(m *testing.M) {
	path := os.Getenv("PIDFILE_TEST_HOLD")
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := Create(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	os.Stdin.Read(make([]byte, 1))
}

func hold(t *testing.T, path string) (pid int, letGo func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PIDFILE_TEST_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q", line)
	}
	return cmd.Process.Pid, func() { in.Close(); cmd.Wait() }
}

func TestSecondIsRefusedWithThePID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "x.pid")
	pid, letGo := hold(t, path)
	var running *RunningError
	if _, err := Create(path); !errors.As(err, &running) || running.PID != pid {
		t.Errorf("a second start: %v, want the pid %d", err, pid)
	}
	if owner, err := Owner(path); err != nil || owner != pid {
		t.Errorf("owner %d, %v; want %d", owner, err, pid)
	}
	if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(pid) {
		t.Errorf("after a look the file says %q, %v", text, err)
	}
	letGo()
	// The owner was killed and left the file: its number is ignored.
	if owner, err := Owner(path); err != nil || owner != 0 {
		t.Errorf("owner of a left file: %d, %v", owner, err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatalf("a left file is not taken over: %v", err)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := Owner(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestLinksAndOthersAreRefused(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.pid")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(link); err == nil {
		t.Error("a symbolic link was taken")
	}
	if text, _ := os.ReadFile(target); string(text) != "precious" {
		t.Errorf("the target of a link was written: %q", text)
	}
	if _, err := Create(dir); err == nil {
		t.Error("a folder was taken")
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]int{"12\n": 12, " 7": 7, "": 0, "x": 0, "-3": 0, "0": 0, strings.Repeat("9", 40): 0} {
		if got, err := readPID(strings.NewReader(text)); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}
