package main

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A daemon in the foreground continues when the reader of its output exits.
func TestE2EReaderGone(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.Server.Command(bin, s.args("-f", "-v", "-v")...)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	w.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.Contains(lines.Text(), "Starting fwknopd main event loop.") {
	}
	r.Close()
	cmd.Process.Signal(syscall.SIGHUP) // makes the daemon print a line
	select {
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	case <-time.After(time.Second):
	}
	s.knock(ask()...)
	if !s.open() {
		t.Error("it opens nothing")
	}
}
