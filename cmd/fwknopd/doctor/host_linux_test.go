package doctor

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestJudgeRights(t *testing.T) {
	for status, want := range map[string]string{
		"Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n": ok,
		"Name:\tx\nCapEff:\t0000000000001000\n":             fix, // NET_ADMIN alone
		"Name:\tx\nCapEff:\t0000000000000000\n":             fix + " " + fix,
		"Name:\tx\n":                                        warning,
	} {
		if got := states(judgeRights(status)); got != want {
			t.Errorf("%s: %s, want %s", strings.ReplaceAll(status, "\n", " "), got, want)
		}
	}
}

func TestJudgeClock(t *testing.T) {
	if got := states(judgeClock(unix.TIME_OK)); got != ok {
		t.Errorf("synchronised: %s", got)
	}
	if got := states(judgeClock(unix.TIME_ERROR)); got != warning {
		t.Errorf("not synchronised: %s", got)
	}
}

func TestLocalPorts(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for proto, port := range map[string]int{"udp": udp.LocalAddr().(*net.UDPAddr).Port, "tcp": tcp.Addr().(*net.TCPAddr).Port} {
		taken, known := localPorts(proto)
		if !known || !slices.Contains(taken, port) {
			t.Errorf("%s: %d is not among %v", proto, port, taken)
		}
	}
}

func TestLockOwner(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if pid := lockOwner(f.Name()); pid != 0 {
		t.Errorf("not locked, and process %d has it", pid)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if pid := lockOwner(f.Name()); pid != os.Getpid() {
		t.Errorf("process %d has it, not %d", pid, os.Getpid())
	}
}

func TestExamineFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: ok, filepath.Join(dir, "not", "there"): ok, file: fix} {
		if got := examineFolder(path); got.State != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}
