package iptables

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A program that is started when its context has ended already is killed, with its
// children; a process that the thread had started for something else is not.
func TestLimitedKillsItsOwn(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	ending, cancel := context.WithCancel(ctx)
	var started *exec.Cmd
	_, err := limited(ending, &tool{path: "x", alarm: time.Minute}, func() (struct{}, error) {
		cancel()
		started = exec.Command("/bin/sh", "-c", "sleep 60 & wait")
		_, err := started.Output() // waits for the child, which has the pipe too
		return struct{}{}, err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("limited = %v", err)
	}
	if status := started.ProcessState; status == nil || !status.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("the program ended as %v", status)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, other.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil); err != nil || info.Signo != 0 {
		t.Errorf("another child of the thread ended: %v, signal %d", err, info.Signo)
	}
}

// What succeeds when its time is up has succeeded, and its end is waited for.
func TestLimitedSucceeds(t *testing.T) {
	ending, cancel := context.WithCancel(ctx)
	got, err := limited(ending, &tool{path: "x", alarm: time.Minute}, func() (int, error) {
		cancel()
		return 7, nil
	})
	if got != 7 || err != nil {
		t.Errorf("limited = %d, %v", got, err)
	}
}
