package worker

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// What SANDBOX means for a sandbox that works, and about one that does not.
func TestEnterSandbox(t *testing.T) {
	fault := errors.New("no such thing")
	for _, c := range []struct {
		mode           string
		err, want      error
		calls          int
		strict, inside bool
	}{
		{mode: conf.SandboxOff},
		{mode: conf.SandboxOn, calls: 1, strict: true, inside: true},
		{mode: conf.SandboxOn, err: fault, want: fault, calls: 1, strict: true},
		{mode: conf.SandboxAuto, calls: 1, inside: true},
		{mode: conf.SandboxAuto, err: fault, calls: 1},
	} {
		calls := 0
		w := &worker{out: newRecordWriter(discard{}), confine: func(read []string, strict bool) error {
			if calls++; strict != c.strict || !slices.Equal(read, []string{"/var/log"}) {
				t.Errorf("%s: confine(%q, %v)", c.mode, read, strict)
			}
			return c.err
		}}
		l := &config.Loaded{Server: &conf.Server{Sandbox: c.mode, AuthModes: []string{"KNOCK"}, FollowLog: true, LogFile: "/var/log/kern.log"}}
		if err := w.enterSandbox(l); !errors.Is(err, c.want) || calls != c.calls || w.confined != c.inside {
			t.Errorf("%s, %v: %v after %d calls, confined: %v", c.mode, c.err, err, calls, w.confined)
		}
		if c.inside {
			if err := w.enterSandbox(l); err != nil || calls != 1 {
				t.Errorf("%s again: %v, %d calls", c.mode, err, calls)
			}
		}
		w.out.close()
	}
}

// A configuration with sources in other directories needs another worker, if this one is
// confined.
func TestOutgrown(t *testing.T) {
	dir := t.TempDir()
	spec := func(name string) []privsep.SourceSpec {
		return []privsep.SourceSpec{{Spec: ingest.Spec{Mode: "KNOCK", Path: filepath.Join(dir, name)}}, {Spec: ingest.Spec{Mode: "UDP", Port: 1}}}
	}
	w := &worker{confined: true, folders: []string{dir}}
	if w.outgrown(spec("kern.log")) || w.outgrown(spec("not/yet/kern.log")) {
		t.Error("a source in a directory that is covered")
	}
	w.folders = []string{dir + "/no"}
	if !w.outgrown(spec("kern.log")) {
		t.Error("a source in another directory")
	}
	if w.confined = false; w.outgrown(spec("kern.log")) {
		t.Error("a worker that is not confined")
	}
}
