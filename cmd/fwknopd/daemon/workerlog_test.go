package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/enforce/monitor"
)

// newTestDaemon returns a daemon that logs to terminal.
func newTestDaemon(t *testing.T, server string, terminal io.Writer) *daemon {
	t.Helper()
	o := files(t, server, plainStanza)
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	return newDaemon(o, s, "1", terminal)
}

// Records of the worker are not trusted: control characters do not reach the terminal,
// and neither many nor long records fill the disk.
func TestHostileRecords(t *testing.T) {
	var terminal bytes.Buffer
	d := newTestDaemon(t, "", &terminal)
	log := filepath.Join(t.TempDir(), "events")
	d.events.open(log)
	d.readWorkerLog(io.NopCloser(strings.NewReader("i\x1b]0;owned\x07 \u009b2J\r\nzno such kind\ni\n\neno object\nifine\n")))
	if text := terminal.String(); strings.ContainsAny(text, "\x1b\x07\r\u009b") || !strings.Contains(text, "owned") {
		t.Errorf("terminal: %q", text)
	}
	long := fmt.Sprintf("e{\"event_type\":\"decision\",\"x\":%q}\n", strings.Repeat("x", maxRecord-100))
	d.readWorkerLog(io.NopCloser(strings.NewReader(strings.Repeat(long, 4000))))
	st, err := os.Stat(log)
	if most := int64(2 * recordBurst * recordUnit); err != nil || st.Size() == 0 || st.Size() > most {
		t.Errorf("event log: %d bytes of %d, at most %d: %v", st.Size(), 4000*len(long), most, err)
	}
	if text, _ := os.ReadFile(log); bytes.Contains(text, []byte("no object")) {
		t.Error("what is not JSON is in the event log")
	}
}

// The standard error of a worker is sanitized before it is appended to fwknopd.die.
func TestHostileStderr(t *testing.T) {
	dir := t.TempDir()
	d := newTestDaemon(t, "FWKNOP_ERR_DIR "+dir+";", io.Discard)
	d.handleEvent(monitor.Event{Kind: monitor.WorkerDied, Err: newWorkerExit(errors.New("exit status 2"), "panic: x\n\x1b]0;owned\x07\nat line 3\n")})
	text, err := os.ReadFile(filepath.Join(dir, "fwknopd.die"))
	if err != nil || !bytes.Contains(text, []byte("owned?\nat line 3\n")) || bytes.ContainsAny(text, "\x1b\x07") {
		t.Errorf("%q, %v", text, err)
	}
}

// Records of the worker are not trusted: they are limited and sanitized, and cannot
// report what the monitor did.
func TestReadWorkerLogHostile(t *testing.T) {
	s, problems := prepare(files(t, "ALERTING_METHODS noemail;", plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	for _, c := range []struct{ name, says, terminal, log string }{
		{"a message", "ihello\n", "[+] hello\n", ""},
		{"control characters", "ia\x1b[2Jb\n", "[+] a?[2Jb\n", ""},
		{"a decision", `e{"event_type":"decision"}` + "\n", "", `{"event_type":"decision"}` + "\n"},
		{"an opening that never was", `e{"event_type":"grant","verdict":"granted"}` + "\n", "", ""},
		{"no object", "e{\ne\ne[]\ne\"x\"\n", "", ""},
		{"of no kind", "\nx\nxyz\n", "", ""},
		{"a line without end", "i" + strings.Repeat("x", 2*maxRecord) + "\niafter\n", "", ""},
	} {
		var out bytes.Buffer
		d := &daemon{setup: s, logger: newLogger(s.Loaded, &out, false, "1")}
		d.events.logf = d.logf
		log := filepath.Join(t.TempDir(), "events")
		d.events.open(log)
		d.readWorkerLog(io.NopCloser(strings.NewReader(c.says)))
		d.events.open("")
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if out.String() != c.terminal || string(text) != c.log {
			t.Errorf("%s: terminal %q, log %q", c.name, out.String(), text)
		}
	}
}
