package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/cmd/fwknopd/worker"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/ownprogram"
	"fwknopd/fixtures/wait"
)

// A copy of this test program runs as the daemon; its worker is then this test program
// too, and does what the file planFile beside it says.
const (
	planFile   = "plan"
	resultFile = "result" // what the hostile worker found
)

func init() { playWorker = playHostile }

// plans are what a hostile worker may do, by the content of planFile.
var plans = map[string]func(h *hostile) error{
	"leave a child": (*hostile).leaveChild,
	"attack":        (*hostile).attack,
}

// A hostile is a worker that was taken over.
type hostile struct {
	client *monitor.Client
	conn   *net.UnixConn // of client
	result *os.File
	dir    string // of planFile
}

// log returns the path of the log that the daemon follows.
func (h *hostile) log() string { return filepath.Join(h.dir, "log", "kern.log") }

// playHostile is the main function of a worker. Without a plan it is the honest one.
func playHostile() int {
	program, err := os.Readlink("/proc/self/exe")
	dir := filepath.Dir(program)
	plan, planErr := os.ReadFile(filepath.Join(dir, planFile))
	if err != nil || planErr != nil {
		return worker.Main()
	}
	result, err := os.OpenFile(filepath.Join(dir, resultFile), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return privsep.ExitError
	}
	conn, err := monitor.Parent()
	if err == nil {
		err = plans[string(plan)](&hostile{monitor.NewClient(conn), conn, result, dir})
	}
	fmt.Fprintln(os.Stderr, err)
	return privsep.ExitError
}

// ready reports to the monitor that the worker is at work, and waits for the end of the
// connection.
func (h *hostile) ready() error {
	if err := h.client.Ready(context.Background()); err != nil {
		return err
	}
	<-h.client.Done()
	return nil
}

// leaveChild starts a program that leaves the worker's process group and has the pipe of
// the records.
func (h *hostile) leaveChild() error {
	child := exec.Command("sleep", "600")
	child.ExtraFiles = []*os.File{os.NewFile(privsep.RecordsFD, "records")}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Fprintf(h.result, "%d\n", child.Process.Pid)
	return h.ready()
}

// attack confines itself as an honest worker does, with a log and a capture socket at
// hand, and reports what became of each attack.
func (h *hostile) attack() error {
	ctx, monitor := context.Background(), os.Getppid()
	threads := make(chan func())
	for range 4 { // from before it was confined
		go func() {
			runtime.LockOSThread()
			for f := range threads {
				f()
			}
		}()
	}
	log, err := h.client.Open(ctx, "KNOCK "+h.log())
	if err != nil {
		return err
	}
	capture, err := h.client.Open(ctx, "PCAP "+netlab.ServerIf)
	if err != nil {
		return err
	}
	if err := errors.Join(sandbox.Limit(), sandbox.Apply([]string{filepath.Dir(h.log())}, true)); err != nil {
		return err
	}
	for _, a := range attacks(attackable{log, capture, h.log(), monitor}) {
		done := make(chan error)
		threads <- func() { done <- a.try() }
		fmt.Fprintf(h.result, "%s: %v\n", a.name, <-done)
	}
	return h.ready()
}

// hostile makes the daemon of s a copy of this test program with a hostile worker.
func (s *site) hostile(plan string) {
	s.t.Helper()
	s.program = filepath.Join(s.dir, "fwknopd")
	ownprogram.Copy(s.t, s.program, 0o755)
	for name, text := range map[string]string{planFile: plan, resultFile: ""} {
		s.write(name, text)
		if err := os.Chmod(filepath.Join(s.dir, name), 0o666); err != nil {
			s.t.Fatal(err)
		}
	}
}

// result returns what the hostile worker found.
func (s *site) result() string {
	text, err := os.ReadFile(filepath.Join(s.dir, resultFile))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// A process that a worker left, and that keeps the worker's pipe open, does not keep the
// daemon from ending.
func TestE2EChildHoldsPipe(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.hostile("leave a child")
	s.start()
	pid, err := strconv.Atoi(strings.TrimSpace(s.result()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	s.stop()
	if !alive(pid) {
		t.Error("there was no child that held the pipe")
	}
}

// What the caller of the daemon left open reaches neither the worker nor commands.
func TestE2EInheritedDescriptors(t *testing.T) {
	s := newSite(t, "nftables")
	secret := filepath.Join(s.dir, "secret")
	s.write("secret", "of the caller")
	s.inside = []string{"sh", "-c", fmt.Sprintf(`exec 9<%s 7<%[1]s; exec "$@"`, secret), "sh"}
	record := filepath.Join(s.dir, "record")
	script := filepath.Join(s.dir, "gate")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nls -l /proc/$$/fd > "+record+".new\nmv "+record+".new "+record+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure("", stanza(fmt.Sprintf("CMD_CYCLE_OPEN %[1]s open $IP $PORT\nCMD_CYCLE_CLOSE %[1]s close $IP\nCMD_CYCLE_TIMER 60", script)))
	s.start()
	if held := links(t, s.cmd.Process.Pid); !strings.Contains(held, secret) {
		t.Fatalf("the daemon inherited nothing:\n%s", held)
	}
	if held := links(t, s.worker()); strings.Contains(held, secret) {
		t.Errorf("the worker has it:\n%s", held)
	}
	s.knock(ask()...)
	wait.For(t, "the command", func() bool { _, err := os.Stat(record); return err == nil })
	if held, err := os.ReadFile(record); err != nil || strings.Contains(string(held), secret) {
		t.Errorf("a command has it: %v\n%s", err, held)
	}
}

// links returns what the descriptors of a process lead to, one a line.
func links(t *testing.T, pid int) string {
	t.Helper()
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(names) == 0 {
		t.Fatalf("process %d has no descriptors (%v)", pid, err)
	}
	var all strings.Builder
	for _, name := range names {
		if target, err := os.Readlink(name); err == nil {
			fmt.Fprintf(&all, "%s -> %s\n", name, target)
		}
	}
	return all.String()
}
