package firewalld

import (
	"errors"
	"net"
	"os"
	"path/filepath"
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
	if _, err := Running(t.Context(), address, 50*time.Millisecond); !errors.Is(err, ErrSilent) {
		t.Errorf("a bus that hangs: %v", err)
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
