package ingest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/parse"
)

// forgedRecord is the text of a packet in a log of the kernel, with its identification.
const forgedRecord = "DROP IN=eth0 OUT= MAC=00:00:00:00:00:00:00:00:00:00:00:00:08:00 SRC=192.0.2.66 DST=10.99.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=%d DF PROTO=TCP SPT=40000 DPT=5001 WINDOW=64240 RES=0x00 SYN URGP=0 "

// forgeries are what a user without rights sends to the socket of a syslog daemon, before
// the record. counts is for those that a plain log cannot tell from the kernel's lines, as
// README says.
var forgeries = []struct {
	head           string
	counts, kernel bool // counts in the log of all lines; also in that of kern.*
}{
	{"<13>%s kernel: ", true, false},
	{"<4>%s kernel: ", true, true},
	{"<13>%s kernel[1]: ", false, false},
	{"<13>%s kernel: [ 1234.567890] ", true, false},
	{"<13>%s app: ", false, false},
	{"<13>%s app: kernel: ", false, false},
	{"<13>%s app[1]: kernel: [ 1.000000] ", false, false},
	{"<13>%s app: hello\n%[1]s gate kernel: ", false, false},
	{"<13>%s app: hello\r%[1]s gate kernel: ", false, false},
	{"<13>%s app: x\x00%[1]s gate kernel: ", false, false},
	{"<13>%s app: x\u2028%[1]s gate kernel: ", false, false},
	{"<13>%s app:\t\tkernel: ", false, false},
	{"<13>%s kern.warn kernel: ", false, false},
	{"<13>%s [kernel] ", false, false},
	{"<13>%s my kernel: ", false, false},
	{"<13>%s app kernel: kernel: ", false, false},
	{"<13>%s app: " + strings.Repeat("A", 8192) + "\n%[1]s gate kernel: ", false, false},
}

// unprivileged runs f in a thread whose user and group are not root.
func unprivileged(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		const id = 65534
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, id, id, id); errno != 0 {
				done <- errno
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// TestAttackForgedThroughRsyslog: what a user without rights sends to rsyslog counts as the
// kernel's in no form but those that README names, and is counted as forged if it shows
// that a program wrote it.
func TestAttackForgedThroughRsyslog(t *testing.T) {
	netlab.Need(t, "rsyslogd")
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // the sender, which is not root, must reach the socket
		ok(t, os.Chmod(d, 0o755))
	}
	conf, all, kern := filepath.Join(dir, "rsyslog.conf"), filepath.Join(dir, "all.log"), filepath.Join(dir, "kern.log")
	ok(t, os.WriteFile(conf, fmt.Appendf(nil, `module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="%[1]s/log")
$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat
*.* %[1]s/all.log
kern.* %[1]s/kern.log
`, dir), 0o600))
	start(t, exec.Command("rsyslogd", "-n", "-f", conf, "-i", filepath.Join(dir, "pid")))
	socket := filepath.Join(dir, "log")
	wait.For(t, "rsyslog listens", func() bool { _, err := os.Stat(socket); return err == nil })
	ok(t, unprivileged(func() error {
		c, err := net.Dial("unixgram", socket)
		if err != nil {
			return err
		}
		defer c.Close()
		for i, f := range forgeries {
			text := strings.ReplaceAll(f.head, "%s", "Jul  3 04:05:06")
			text = strings.ReplaceAll(text, "%[1]s", "Jul  3 04:05:06") + fmt.Sprintf(forgedRecord, 1000+i)
			if _, err := c.Write([]byte(text)); err != nil {
				return err
			}
		}
		_, err = c.Write([]byte("<4>Jul  3 04:05:06 last: line"))
		return err
	}))
	for _, path := range []string{all, kern} {
		wait.For(t, "the last line", func() bool { text, _ := os.ReadFile(path); return strings.Contains(string(text), "last: line") })
	}
	for path, want := range map[string]func(i int) bool{
		all:  func(i int) bool { return forgeries[i].counts },
		kern: func(i int) bool { return forgeries[i].kernel },
	} {
		counted := kernelPackets(t, path)
		for i, f := range forgeries {
			if got := slices.Contains(counted, uint16(1000+i)); got != want(i) {
				t.Errorf("%s: %.60q counts as the kernel's: %v", filepath.Base(path), f.head, got)
			}
		}
	}
}

// kernelPackets returns the identifications of the packets of a log that count as written
// by the kernel.
func kernelPackets(t *testing.T, path string) (ids []uint16) {
	t.Helper()
	r, err := Read([]string{path}, ReadOptions{})
	ok(t, err)
	defer r.Close()
	for ev := (parse.Event{}); ; {
		switch err := r.Next(t.Context(), &ev); {
		case errors.Is(err, io.EOF):
			return ids
		case err != nil && !errors.Is(err, parse.ErrSkip):
			t.Fatal(err)
		case err == nil && ev.Origin == parse.OriginKernel:
			ids = append(ids, ev.ID)
		}
	}
}
