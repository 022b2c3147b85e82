package daemon

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// exits returns the error of a process that ended with code.
func exits(t *testing.T, code int) error {
	t.Helper()
	err := exec.Command("/bin/sh", "-c", "exit "+strconv.Itoa(code)).Run()
	if (err == nil) != (code == 0) {
		t.Fatal(err)
	}
	return err
}

// killed returns the error of a process that a signal ended.
func killed(t *testing.T) error {
	t.Helper()
	err := exec.Command("/bin/sh", "-c", "kill -9 $$").Run()
	if err == nil {
		t.Fatal("it was not killed")
	}
	return err
}

// The reason of a worker's end is one line.
func TestNewWorkerExit(t *testing.T) {
	for _, c := range []struct {
		code         int
		stderr, want string
	}{
		{1, "PCAP: ppp0: no such interface", "PCAP: ppp0: no such interface"},
		{1, "", "exit status 1"},
		{1, "one\ntwo", "one"},
		{2, "panic: x\n\ngoroutine 1", "exit status 2: panic: x"},
		{2, "", "exit status 2"},
		{0, "", "it ended without a reason"},
		{0, "words", "it ended without a reason: words"},
	} {
		if got := newWorkerExit(exits(t, c.code), c.stderr).Error(); got != c.want {
			t.Errorf("%d %q: %q, want %q", c.code, c.stderr, got, c.want)
		}
	}
	if err := newWorkerExit(exits(t, privsep.ExitFinished), "words"); !errors.Is(err, privsep.ErrFinished) {
		t.Errorf("finished: %v", err)
	}
}

// Only a worker that has finished ends the daemon, and only if no worker has been ready
// does an error do so.
func TestWorkerEnded(t *testing.T) {
	crash := newWorkerExit(exits(t, 2), "panic: x")
	finished := newWorkerExit(exits(t, privsep.ExitFinished), "")
	for _, c := range []struct {
		name, server string
		limit        int
		ready        bool
		end          error
		want         string // "": another worker
	}{
		{"finished, nothing to finish", "", 0, true, finished, ""},
		{"ended with 0", "", 0, true, newWorkerExit(nil, ""), ""},
		{"crashed", "", 0, true, crash, ""},
		{"crashed with -C", "", 1, true, crash, ""},
		{"ended with 0 and -C", "", 1, true, newWorkerExit(nil, ""), ""},
		{"finished with -C", "", 1, true, finished, errDone.Error()},
		{"finished a file", "PCAP_FILE /dev/null;", 0, true, finished, errDone.Error()},
		{"finished before it began, with -C", "", 1, false, finished, privsep.ErrFinished.Error()},
		{"finished a file before it began", "PCAP_FILE /dev/null;", 0, false, finished, privsep.ErrFinished.Error()},
		{"finished by another status", "", 1, true, newWorkerExit(exits(t, privsep.ExitFinished+1), ""), ""},
		{"killed", "", 1, true, newWorkerExit(killed(t), ""), ""},
		{"killed at start", "", 0, false, newWorkerExit(killed(t), ""), "signal: killed"},
		{"closed its socket", "", 1, true, monitor.ErrGone, ""},
		{"embedded, returned nothing", "", 0, true, newEmbeddedExit(nil), ""},
		{"embedded, finished nothing", "", 0, true, newEmbeddedExit(privsep.ErrFinished), ""},
		{"embedded, finished with -C", "", 1, true, newEmbeddedExit(privsep.ErrFinished), errDone.Error()},
		{"embedded, failed at start", "", 0, false, newEmbeddedExit(errors.New("lo: no such interface")), "lo: no such interface"},
		{"embedded, returned nothing at start", "", 0, false, newEmbeddedExit(nil), "it ended without a reason"},
		{"finished before it began", "", 0, false, finished, privsep.ErrFinished.Error()},
		{"crashed at start", "", 0, false, crash, "exit status 2: panic: x"},
		{"ended with 0 at start", "", 0, false, newWorkerExit(nil, ""), "it ended without a reason"},
		{"not started", "", 0, false, errors.New("fork: no memory"), "fork: no memory"},
	} {
		d := newTestDaemon(t, c.server, io.Discard)
		d.setup.workerConfig.Limit = c.limit
		d.ready.Store(c.ready)
		got := ""
		if err := d.workerEnded(c.end); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A worker that is replaced loses the sequences in progress, which is logged if a stanza
// has a sequence.
func TestWorkerMakesWay(t *testing.T) {
	for _, sequence := range []bool{false, true} {
		var terminal bytes.Buffer
		d := newTestDaemon(t, "", &terminal)
		d.setup.workerConfig.Generation = 2
		if sequence {
			d.setup.Access.Stanzas[0].Mode = conf.ModeShared
		}
		if err := d.workerEnded(newWorkerExit(exits(t, privsep.ExitError), "x")); d.reported.wasReplaced(2) {
			t.Errorf("after an error: %v", err)
		}
		d.workerEnded(newWorkerExit(exits(t, privsep.ExitRestart), ""))
		if !d.reported.wasReplaced(2) || d.reported.wasReplaced(3) {
			t.Error("it is not known for which configuration")
		}
		if said := strings.Contains(terminal.String(), "every knock sequence in progress begins anew"); said != sequence {
			t.Errorf("with a sequence %v: %s", sequence, terminal.String())
		}
	}
}

// What a worker reports to wait for is truncated, sanitized and on one line.
func TestSetWaiting(t *testing.T) {
	var terminal bytes.Buffer
	d := newTestDaemon(t, "", &terminal)
	d.setWaiting([]string{"PCAP: eth0: \x1b[2Jgone\n", strings.Repeat("x", 2*maxWaits)})
	if got := d.waiting(); !strings.HasPrefix(got, "PCAP: eth0: ?[2Jgone?; x") || len(got) > maxWaits {
		t.Errorf("%q", got)
	}
	d.workerEnded(errors.New("x"))
	if got := d.waiting(); got != "" {
		t.Errorf("without a worker: %q", got)
	}
}

// A restart kills the worker by its handle, not by a pid that may be in use again.
func TestRestartWorker(t *testing.T) {
	d := newTestDaemon(t, "", io.Discard)
	d.restartWorker() // there is none yet
	kills := 0
	d.worker = &monitor.Worker{Pid: 1 << 30, Kill: func() error { kills++; return nil }}
	d.restartWorker()
	if kills != 1 {
		t.Errorf("killed %d times", kills)
	}
}
