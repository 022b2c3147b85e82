package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/state"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/enforce/schedule"
)

// newCountingDaemon returns a daemon with a stanza that grants twice, whose state directory
// is dir.
func newCountingDaemon(t *testing.T, dir string, terminal *bytes.Buffer) *daemon {
	t.Helper()
	o := files(t, "ALERTING_METHODS noemail;", plainStanza+"NAME visitor\nACCESS_USES 2\n")
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	d := newDaemon(o, s, "1", terminal)
	s.Server.StateDir, o.Test = dir, false
	var err error
	d.mon, err = monitor.New(t.Context(), monitor.Config{Firewall: new(enforce.Recorder), Policy: s.policy, Uses: d.loadUses(), SaveUses: d.saveUses})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.mon.Close(t.Context()) })
	return d
}

// only returns the uses of the one stanza that has a number.
func only(t *testing.T, d *daemon) report.Uses {
	t.Helper()
	list := d.uses()
	if len(list) != 1 || list[0].Name != "visitor" || list[0].Max != 2 {
		t.Fatalf("%+v", list)
	}
	return list[0]
}

// TestUsesFile: counts survive a restart; without a file it is a first start unless uses were
// counted before; a damaged file is doubt, which lasts over restarts and ends with a reset.
func TestUsesFile(t *testing.T) {
	dir := t.TempDir()
	var terminal bytes.Buffer
	begin := func() *daemon {
		terminal.Reset()
		d := newCountingDaemon(t, dir, &terminal)
		d.warnUses()
		return d
	}
	d := begin()
	if u := only(t, d); u.Left != 2 || u.Unknown != "" || terminal.Len() > 0 {
		t.Errorf("at the first start: %+v, %q", u, &terminal)
	}
	u := d.setup.Access.Stanzas[0].Uses
	counts := schedule.Counts{}
	counts.Add("visitor", u, time.Now())
	if err := d.saveUses(&counts); err != nil {
		t.Fatal(err)
	}
	if u := only(t, begin()); u.Used != 1 || u.Left != 1 {
		t.Errorf("after a restart: %+v", u)
	}
	path := filepath.Join(d.conf().Server.StateDir, state.Uses)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"missing":  func() error { return os.Remove(path) },
		"empty":    func() error { return os.WriteFile(path, nil, 0o600) },
		"cut":      func() error { return os.WriteFile(path, text[:len(text)/2], 0o600) },
		"changed":  func() error { return os.WriteFile(path, bytes.Replace(text, []byte("1"), []byte("0"), 1), 0o600) },
		"a folder": func() error { return os.Mkdir(path, 0o700) },
	} {
		os.Remove(path)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "a folder" {
			os.Remove(path)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // restarts do not make it good
			d := begin()
			if u := only(t, d); u.Unknown == "" || u.Left != 0 || !strings.Contains(terminal.String(), "stanza visitor refuses, as its ACCESS_USES are not known") {
				t.Errorf("%s: %+v, %q", name, u, &terminal)
			}
		}
	}
	os.Remove(path)
	d = begin()
	if err := d.mon.ResetUses("visitor"); err != nil {
		t.Fatal(err)
	}
	if u := only(t, begin()); u.Left != 2 || u.Unknown != "" {
		t.Errorf("after a reset: %+v", u)
	}
	if doubt := d.mon.Uses().Doubt; !strings.Contains(doubt, "missing") {
		t.Errorf("what is known of other stanzas: %q", doubt)
	}
	link := t.TempDir() + "/elsewhere"
	os.Remove(path)
	if err := os.Symlink(link, path); err != nil {
		t.Fatal(err)
	}
	if u := only(t, begin()); u.Unknown == "" {
		t.Errorf("a symbolic link: %+v", u)
	}
}

func TestResetOfUses(t *testing.T) {
	var terminal bytes.Buffer
	d := newCountingDaemon(t, t.TempDir(), &terminal)
	if _, err := d.usesOnRequest(t.Context(), "visitors"); err == nil || !strings.Contains(err.Error(), "did you mean visitor?") {
		t.Error(err)
	}
	d.setup.Access.Stanzas[0].Shadow = true
	if _, err := d.usesOnRequest(t.Context(), "visitor"); err == nil ||
		err.Error() != "stanza visitor has SHADOW Y: it opens nothing, and its uses are not kept but counted from zero by each worker" {
		t.Error(err)
	}
	access := d.setup.Access
	access.Stanzas[0].Shadow = false
	access.Stanzas, access.Off = nil, access.Stanzas
	if _, err := d.conf().countedStanza("visitor"); err != nil {
		t.Errorf("a stanza that is off: %v", err)
	}
	if _, err := d.conf().stanzasNamed("visitor"); err == nil || err.Error() != "stanza visitor is off (ENABLED N)" {
		t.Error(err)
	}
	if _, err := d.conf().countedStanza("7"); err == nil || err.Error() != "no stanza begins in line 7" {
		t.Error(err)
	}
	access.Stanzas, access.Off = access.Off, nil
	d.setup.Access.Stanzas[0].Uses = schedule.Uses{}
	if _, err := d.usesOnRequest(t.Context(), "visitor"); err == nil || err.Error() != "stanza visitor has no ACCESS_USES" {
		t.Error(err)
	}
}

// TestUsesNeedTheirLine: uses are counted by the line of a request, which two stanzas of
// different files may have.
func TestUsesNeedTheirLine(t *testing.T) {
	s := newCountingDaemon(t, t.TempDir(), new(bytes.Buffer)).setup
	twin := s.Access.Stanzas[0]
	twin.Pos.File, twin.Name, twin.Uses = "other.conf", "", schedule.Uses{}
	s.Access.Stanzas = append(s.Access.Stanzas, twin)
	if _, err := compileLimits(s.Server, s.Access); err == nil || !strings.Contains(err.Error(), "other.conf:1: SOURCE: is in a line of the same number") {
		t.Error(err)
	}
	s.Access.Stanzas[0], s.Access.Stanzas[1] = s.Access.Stanzas[1], s.Access.Stanzas[0]
	if _, err := compileLimits(s.Server, s.Access); err == nil {
		t.Error("in the other order it is accepted")
	}
}
