package daemon

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// A file that changes while it is read is read again later, and not judged before.
func TestReloadOfWhatIsBeingWritten(t *testing.T) {
	o := files(t, "", plainStanza)
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	var out bytes.Buffer
	d := &daemon{o: o, setup: s, logger: newLogger(s.Loaded, &out, false, "1"), files: &fileWatch{changed: make(chan struct{}, 1)}}
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
