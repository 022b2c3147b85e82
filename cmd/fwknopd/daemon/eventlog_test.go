package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// A smallDisk has space for left bytes. As on a full file system, a write that does not
// fit stores its first part.
type smallDisk struct {
	bytes.Buffer
	left int
}

func (s *smallDisk) Write(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	s.Buffer.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (*smallDisk) Close() error { return nil }

// On a full disk the event log loses whole events: the next one that is written is on a
// line of its own, wherever the last write stopped. The loss is counted and told once.
func TestEventLogFullDisk(t *testing.T) {
	object := func(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }
	for left := range 2 * len(object(0)+"\n") {
		disk := &smallDisk{left: left}
		var said []string
		e := eventLog{file: disk, logf: func(_ severity, format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
		for n := range 4 {
			e.write([]byte(object(n)), "")
		}
		written := left / len(object(0)+"\n")
		disk.left = 1000
		e.write([]byte(object(4)), "")
		e.write([]byte(object(5)), "")
		lost := fmt.Sprintf(`"verdict":"lost","count":%d}`, 4-written)
		lines := strings.Split(disk.String(), "\n")
		if n := len(lines); n < 4 || lines[n-3] != object(4) || lines[n-2] != object(5) || lines[n-1] != "" || !strings.HasSuffix(lines[n-4], lost) || lines[n-4][0] != '{' {
			t.Errorf("space for %d bytes, then %q", left, lines)
		}
		for n := range written {
			if lines[n] != object(n) {
				t.Errorf("space for %d bytes: event %d is %q", left, n, lines[n])
			}
		}
		want := fmt.Sprintf("[event log: no space left on device event log: %d events lost, it is written again]", 4-written)
		if fmt.Sprint(said) != want {
			t.Errorf("space for %d bytes: said %q, want %s", left, said, want)
		}
	}
}

// Files that an earlier run has left within a line are continued on a new one.
func TestTornFiles(t *testing.T) {
	dir := t.TempDir()
	d := newTestDaemon(t, "FWKNOP_ERR_DIR "+dir+";", &bytes.Buffer{})
	for name, write := range map[string]func(path string){
		"events":       func(path string) { d.events.open(path, nil); d.events.write([]byte("{}"), ""); d.events.open("", nil) },
		"fwknopd.warn": func(string) { d.logf(warning, "next") },
	} {
		for _, before := range []string{"", "whole\n", "hal"} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			write(path)
			text, err := os.ReadFile(path)
			want := strings.TrimSuffix(before, "\n") + "\n"
			if before == "" {
				want = ""
			}
			if rest, ok := strings.CutPrefix(string(text), want); err != nil || !ok || strings.Count(rest, "\n") != 1 {
				t.Errorf("%s after %q: %q, %v", name, before, text, err)
			}
		}
	}
}

// Files in FWKNOP_ERR_DIR are bounded, whatever is said.
func TestErrFilesBounded(t *testing.T) {
	dir := t.TempDir()
	d := newTestDaemon(t, "FWKNOP_ERR_DIR "+dir+";", &bytes.Buffer{})
	d.terminal = nil
	for n := range 3 * maxErrFile / 4000 {
		d.logf(warning, "%d %s", n, strings.Repeat("x", 4000))
	}
	for _, name := range []string{"fwknopd.warn", "fwknopd.warn.1"} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Size() > maxErrFile || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*")); len(found) != 2 {
		t.Errorf("files: %q", found)
	}
}

// Positions that cannot be written do not replace those that are there.
func TestSavePositions(t *testing.T) {
	dir := t.TempDir()
	var terminal bytes.Buffer
	d := newTestDaemon(t, "ALERTING_METHODS noemail;", &terminal)
	d.o.Test, d.conf().Server.StateDir = false, dir
	d.positions = []byte(`{"first":1}`)
	d.savePositions()
	if err := os.Mkdir(filepath.Join(dir, "positions.new"), 0o700); err != nil { // cannot be written to
		t.Fatal(err)
	}
	d.positions = []byte(`{"second":1}`)
	d.savePositions()
	text, err := os.ReadFile(filepath.Join(dir, "positions"))
	if err != nil || string(text) != `{"first":1}` || !strings.Contains(terminal.String(), "[-] positions: ") {
		t.Errorf("%q, %v, said %q", text, err, &terminal)
	}
}

// With EVENT_LOG_FORMAT ecs every line is an ECS object with the message that is logged, and a
// reload changes the form of the lines that follow.
func TestECSEventLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "events.jsonl")
	var out bytes.Buffer
	config := "ALERTING_METHODS noemail;\nEVENT_LOG " + log + ";\n"
	d := newTestDaemon(t, config+"EVENT_LOG_FORMAT ecs;", &out)
	d.openEvents(d.conf().Server)
	ev := monitor.Event{Kind: monitor.Granted, Time: now, Grant: grant(nil)}
	d.handleEvent(ev)
	d.logSuppressed(&report.Suppressed{Time: now, Reasons: []report.ReasonCount{{Reason: policy.NoStanza, Count: 2}}, Sources: 2})
	d.setup = newTestDaemon(t, config, &out).setup
	d.openEvents(d.conf().Server)
	d.handleEvent(ev)
	d.events.open("", nil)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines, said := strings.Split(string(text), "\n"), strings.Split(out.String(), "\n")
	if len(lines) != 4 || len(said) != 4 {
		t.Fatalf("%q, said %q", lines, said)
	}
	for i, line := range lines[:2] {
		var object struct {
			Message  string
			ECS      struct{ Version string }
			Observer struct{ Hostname, Version string }
		}
		if err := json.Unmarshal([]byte(line), &object); err != nil || object.ECS.Version == "" || object.Observer.Version == "" ||
			object.Observer.Hostname != hostname() || !strings.HasSuffix(said[i], " "+object.Message) {
			t.Errorf("%v: %s, said %s", err, line, said[i])
		}
	}
	if lines[2] != string(report.EventJSON(&ev, "")) || string(report.Plain([]byte(lines[0]))) == lines[0] {
		t.Errorf("%q", lines)
	}
}
