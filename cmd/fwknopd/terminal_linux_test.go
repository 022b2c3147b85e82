package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/pty"
	"fwknopd/fixtures/short"
	"fwknopd/fixtures/wait"
)

// TestColors: verdicts have colors on a terminal, unless the user or the terminal wants none,
// and never in a file.
func TestColors(t *testing.T) {
	short.Skip(t)
	if args := os.Getenv("FWKNOPD_COLORS"); args != "" {
		os.Exit(run(strings.Fields(args), os.Stdin, os.Stdout, os.Stderr))
	}
	const (
		conf    = " -c ../../fixtures/replay/fwknopd.conf -a ../../fixtures/replay/access.conf "
		capture = "../../fixtures/spa/pcap/"
		replay  = "replay" + conf + capture + "c-udp-cbc-key24.pcap " + capture + "c-port-denied.pcap"
		check   = "check --offline" + " -c /dev/null -a ../../fixtures/replay/access3.conf"
	)
	for _, tt := range []struct {
		args     string
		env      []string
		terminal bool
		want     []string // nil: no color
	}{
		{replay, []string{"TERM=xterm"}, true, []string{"\x1b[32mgranted\x1b[0m spa.granted", "\x1b[31mrefused\x1b[0m spa."}},
		{replay, []string{"TERM=xterm", "NO_COLOR=1"}, true, nil},
		{replay, []string{"TERM=dumb"}, true, nil},
		{replay, []string{"TERM=xterm"}, false, nil},
		{replay + " --format jsonl", []string{"TERM=xterm"}, true, nil},
		{check, []string{"TERM=xterm"}, true, []string{"\x1b[32mvalid\x1b[0m, "}},
		{check, []string{"TERM=xterm"}, false, nil},
	} {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestColors$")
		cmd.Env = append(append(os.Environ(), "NO_COLOR=", "FWKNOPD_COLORS="+tt.args), tt.env...)
		out := ""
		if tt.terminal {
			out = inTerminal(t, cmd)
		} else {
			b, _ := cmd.Output()
			out = string(b)
		}
		if !strings.Contains(out, "granted") && !strings.Contains(out, "valid") || tt.want == nil && strings.Contains(out, "\x1b") {
			t.Errorf("%v %s: %q", tt.env, tt.args, out)
		}
		for _, w := range tt.want {
			if !strings.Contains(out, w) {
				t.Errorf("%v %s: no %q in %q", tt.env, tt.args, w, out)
			}
		}
	}
}

// inTerminal returns what a program writes to a terminal that is its standard output.
func inTerminal(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	master, slave := pty.Open(t)
	cmd.Stdout = slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out, _ := io.ReadAll(master) // ends with EIO when the program has ended
	cmd.Wait()
	return string(out)
}

// TestPipeShowsProgress: while a pipe is read, the terminal shows how much was; at its end the
// report stands alone.
func TestPipeShowsProgress(t *testing.T) {
	if args := os.Getenv("FWKNOPD_PROGRESS"); args != "" {
		os.Exit(run(strings.Fields(args), os.Stdin, os.Stdout, os.Stderr))
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestPipeShowsProgress$")
	cmd.Env = append(os.Environ(), "FWKNOPD_PROGRESS=--os -", "TERM=xterm")
	master, slave := pty.Open(t)
	var report strings.Builder
	cmd.Stdout, cmd.Stderr = &report, slave
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(wait.Timeout, func() { cmd.Process.Kill() }) // ends the reads below
	defer deadline.Stop()
	slave.Close()
	if _, err := in.Write([]byte(strings.Repeat("no record of a firewall\n", 1<<15))); err != nil {
		t.Error(err)
	}
	var seen strings.Builder
	for b := make([]byte, 4096); !strings.Contains(seen.String(), "kB"); {
		n, err := master.Read(b)
		if seen.Write(b[:n]); err != nil {
			t.Fatalf("%v: no progress in %q", err, seen.String())
		}
	}
	in.Close()
	rest, _ := io.ReadAll(master)
	if err := cmd.Wait(); err != nil || !strings.Contains(string(rest), "records = ") || !strings.HasPrefix(report.String(), "[+] ") {
		t.Errorf("%v\n%s\n%q", err, report.String(), rest)
	}
}
