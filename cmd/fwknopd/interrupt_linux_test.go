package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/inputs"
)

// TestInterrupted: an interrupt from the terminal ends --os and replay, which read a pipe that
// stays open, with what they have read, a note, and the exit code of shells.
func TestInterrupted(t *testing.T) {
	if args := os.Getenv("FWKNOPD_INTERRUPTED"); args != "" {
		os.Exit(run(strings.Fields(args), os.Stdin, os.Stdout, os.Stderr))
	}
	const syn = "Nov 14 22:13:21 gw kernel: DROP IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=%d DF " +
		"PROTO=TCP SPT=40000 DPT=1001 WINDOW=5840 RES=0x00 SYN URGP=0 OPT (020405B40402080A0000000100000000010303%02x)\n"
	// More than the pipe holds and the program reads at a time: when it is written, the
	// program has taken the first lines.
	var log strings.Builder
	for i := 0; log.Len() < 1<<20; i++ {
		fmt.Fprintf(&log, syn, i%60000+1, 2)
	}
	page := filepath.Join(t.TempDir(), "page.html")
	for args, want := range map[string]string{
		"--os -":                          "192.0.2.7",
		"stats -":                         "interrupted: this is what was read until then",
		"--os --report " + page + " -":    "",
		"--os --summary --format json - ": `"notes":["interrupted: this is what was read until then"`,
		"replay --all-modes -c ../../fixtures/replay/fwknop.conf -a ../../fixtures/replay/knock.conf -": "",
	} {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestInterrupted$")
		cmd.Env = append(os.Environ(), "FWKNOPD_INTERRUPTED="+args)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write([]byte(log.String())); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Signal(unix.SIGINT); err != nil {
			t.Error(err)
		}
		cmd.Wait()
		code := cmd.ProcessState.ExitCode()
		if code != inputs.ExitInterrupted || !strings.Contains(stderr.String(), ": interrupted: this is what was read until then\n") ||
			!strings.Contains(stderr.String(), " records = ") || !strings.Contains(stdout.String(), want) {
			t.Errorf("%s: exit %d\n%s\n%s", args, code, &stdout, &stderr)
		}
	}
	text, err := os.ReadFile(page)
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(page), "*")); err != nil || len(files) != 1 || !bytes.Contains(text, []byte("interrupted: this is what was read until then")) {
		t.Errorf("%v, %q: %s", err, files, text)
	}
}
