package firewalld

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// TestRunning: without a bus there is no firewalld; a bus that does not answer does not say so.
func TestRunning(t *testing.T) {
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "bus")
	address := "unix:path=" + socket
	if running, err := Running(t.Context(), address, time.Second); running || err != nil {
		t.Errorf("no bus: %v, %v", running, err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Running(t.Context(), address, 50*time.Millisecond); !errors.Is(err, errSilent) {
		t.Errorf("a bus that hangs: %v", err)
	}
}

// TestJudge: an error says whether firewalld refused a call, refuses us all of them, or cannot
// be asked.
func TestJudge(t *testing.T) {
	answer := func(name, text string) error { return dbus.Error{Name: name, Body: []any{text}} }
	for name, c := range map[string]struct{ err, want error }{
		"lockdown":               {answer(ourFailure, "ACCESS_DENIED: lockdown is enabled"), errDenied},
		"the policy of the bus":  {answer(busFailures+"AccessDenied", "Rejected send message"), errDenied},
		"polkit":                 {answer(notAllowed, "Not Authorized"), errDenied},
		"no firewalld":           {answer(busFailures+"ServiceUnknown", "not provided"), errGone},
		"one that ended":         {answer(busFailures+"NoReply", "disconnected from message bus"), errGone},
		"the end of the bus":     {io.EOF, errLost},
		"a bus that was closed":  {dbus.ErrClosed, errLost},
		"a bus that was lost":    {syscall.EPIPE, errLost},
		"an answer not in time":  {context.DeadlineExceeded, errSilent},
		"a rule that is refused": {answer(ourFailure, "INVALID_RULE: no"), answerError{"INVALID_RULE: no"}},
	} {
		got := newBus("unix:path=/none", time.Second).judge(t.Context(), c.err)
		if !errors.Is(got, c.want) || isAnswer(got) == isLost(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestEchoes: a signal of our own change is recognised once.
func TestEchoes(t *testing.T) {
	var e echoes
	s := &dbus.Signal{Name: ruleAdded, Body: []any{"public", "rule", int32(60)}}
	if e.isEcho(s) {
		t.Error("a change of another program")
	}
	e.expect(ruleAdded, "public", "rule", 1)
	if !e.isEcho(s) || e.isEcho(s) {
		t.Error("not once")
	}
	e.expect(ruleAdded, "public", "rule", 1)
	e.expect(ruleAdded, "public", "rule", -1) // it failed
	if e.isEcho(s) || e.isEcho(&dbus.Signal{Name: ruleAdded}) || e.isEcho(&dbus.Signal{Name: busName + ".Reloaded", Body: []any{"public", "rule"}}) {
		t.Error("a signal of something else")
	}
}
