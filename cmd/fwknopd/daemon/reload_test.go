package daemon

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/policy/conf"
)

// A file that changes while it is read is read again later, and not judged before.
func TestReloadOfWhatIsBeingWritten(t *testing.T) {
	o := files(t, "", plainStanza)
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	var out bytes.Buffer
	d := &daemon{metrics: metrics.NewSet(), o: o, setup: s, logger: newLogger(s.Loaded, &out, false, "1"), files: &fileWatch{changed: make(chan struct{}, 1)}}
	half := []byte(plainStanza[:len(plainStanza)/2] + "\nNONSENSE")
	if err := os.WriteFile(s.Files[len(s.Files)-1], half, 0o600); err != nil {
		t.Fatal(err)
	}
	d.reload(true)
	if out.Len() > 0 {
		t.Errorf("judged:\n%s", out.String())
	}
	select {
	case <-d.files.changed:
	case <-time.After(10 * time.Second):
		t.Fatal("it is not read again")
	}
	d.reload(true)
	if !strings.Contains(out.String(), "the old one stays in force") {
		t.Errorf("not read again:\n%s", out.String())
	}
}

// TestReloadOfWhatOthersMayReplace: a file that users other than root may replace is not
// loaded, and the configuration before it stays in force; the daemon does not start with it.
func TestReloadOfWhatOthersMayReplace(t *testing.T) {
	o := files(t, "", plainStanza)
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	var out bytes.Buffer
	d := &daemon{metrics: metrics.NewSet(), o: o, setup: s, logger: newLogger(s.Loaded, &out, false, "1")}
	dir := filepath.Dir(s.Files[len(s.Files)-1])
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	d.reload(false)
	for _, want := range []string{dir + ": may be written by others than its owner (mode 0777): chmod go-w " + dir, "the old one stays in force"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if d.conf() != s {
		t.Error("the new configuration is in force")
	}
	if _, problems := prepare(o); !problems.Failed() {
		t.Error("the daemon starts with it")
	}
}

// TestShadowFileOfAnother: a password is not compared with a hash that another user can
// replace.
func TestShadowFileOfAnother(t *testing.T) {
	dir := t.TempDir()
	shadow := filepath.Join(dir, "shadow")
	if err := os.WriteFile(shadow, []byte("root:$5$xyz$ozKMfcP5hF.M1Ai9mHvEYg7EGCsRPg2RrTqvlKpXlL/:1::::::\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := passwords(&conf.Access{Stanzas: []conf.Stanza{{AuthMethod: conf.AuthCrypt, ShadowFile: shadow}}})[shadow].Check
	if _, err := check("root", "password"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if ok, err := check("root", "password"); ok || err == nil || !strings.Contains(err.Error(), "chmod go-w "+dir) {
		t.Errorf("%v, %v", ok, err)
	}
}

// SIGHUP opens a renamed event log again, even if the configuration is refused.
func TestReloadRotatesEventLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "events.jsonl")
	o := files(t, "ALERTING_METHODS noemail;\nEVENT_LOG "+log+";", plainStanza)
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	d := newDaemon(o, s, "1", io.Discard)
	d.events.open(log, nil)
	defer d.events.open("", nil)
	if err := errors.Join(os.Rename(log, log+".1"), os.WriteFile(s.Files[len(s.Files)-1], []byte("NONSENSE"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d.reload(false)
	if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"event_type":"reload","verdict":"refused"`) {
		t.Errorf("%q, %v", text, err)
	}
}
