package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/fixtures/wait"
)

// ran returns the output and exit code of a command on the daemon of the site.
func (s *site) ran(verb string, more ...string) (string, int) {
	s.t.Helper()
	return s.command(append([]string{verb}, s.args(more...)...)...)
}

// status returns what the running daemon says about itself.
func (s *site) status() (st report.Status) {
	s.t.Helper()
	out, code := s.ran("status", "--json")
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 || !st.Running {
		s.t.Fatalf("status: %d, %v\n%s", code, err, out)
	}
	return st
}

// answered waits until the worker has told its counters and st is as wanted.
func (s *site) answered(what string, wanted func(st report.Status) bool) (st report.Status) {
	s.t.Helper()
	wait.For(s.t, what, func() bool {
		st = s.status()
		return st.Counters != nil && len(st.Counters.Sources) == 1 && wanted(st)
	})
	return st
}

// wants fails the test unless a command ends with the code and its output has the texts.
func (s *site) wants(code int, texts []string, verb string, more ...string) {
	s.t.Helper()
	out, got := s.ran(verb, more...)
	if got != code {
		s.t.Errorf("%s %v: code %d, want %d", verb, more, got, code)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			s.t.Errorf("%s %v: no %q in\n%s", verb, more, text, out)
		}
	}
}

// A second process asks the running daemon how it does.
func TestE2EStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.wants(1, []string{"no running fwknopd detected (" + filepath.Join(s.dir, "run", "fwknopd.pid") + ")"}, "status")
	s.wants(1, []string{`{"v":1,"running":false,`}, "status", "--json")
	s.start()
	before := s.answered("the first status", func(report.Status) bool { return true })
	if before.PID != s.cmd.Process.Pid || before.WorkerPID != s.worker() || before.Stanzas != 1 || before.Reload != nil || before.Grants != 0 ||
		before.Restarts != 0 || !strings.Contains(before.Firewall.Type, "nftables") || before.Config != filepath.Join(s.dir, "fwknopd.conf") || before.Unconfined != "" {
		t.Errorf("%+v", before)
	}
	if name := before.Counters.Sources[0].Name; !strings.HasPrefix(name, "PCAP ") {
		t.Errorf("source %q", name)
	}
	s.knock(ask()...)
	if !s.open() {
		t.Fatal("not open")
	}
	first := before.Counters.Sources[0]
	s.answered("the packet", func(st report.Status) bool {
		n := st.Counters.Sources[0]
		return n.Records > first.Records && n.Events > first.Events && st.Grants == 1
	})
	s.wants(0, []string{"\ngrants:          1\n", "\nworker restarts: 0\n", "\nsandbox:         complete (SANDBOX on)\n", " events, "}, "status")

	stopped := s.worker()
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.wants(0, []string{"\ncounters:        the worker does not answer\n"}, "status")
	if err := syscall.Kill(stopped, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := s.answered("the next worker", func(st report.Status) bool { return st.Restarts == 1 })
	if after.WorkerPID == stopped || after.LastEnd != "signal: killed" {
		t.Errorf("after the end of the worker: %+v", after)
	}
	s.stop()
	s.wants(1, []string{"no running fwknopd detected"}, "status")
}

// What the daemon says of a reload is what the command ends with.
func TestE2EReloadCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	s.configure("", stanza(""))
	s.wants(1, []string{"no running fwknopd detected"}, "reload")
	s.start()
	s.write("access.conf", stanza("")+stanza("REQUIRE_USERNAME nobody_else"))
	s.wants(0, []string{"configuration loaded again: 2 stanzas\n"}, "reload")
	if st := s.status(); st.Reload == nil || st.Reload.Verdict != report.ReloadLoaded || st.Stanzas != 2 || !st.Loaded.Equal(st.Reload.Time) {
		t.Errorf("after a reload: %+v", st)
	}
	good := stanza("")
	s.write("access.conf", good+"NONSENSE 1\n")
	line := strings.Count(good, "\n") + 1
	says := fmt.Sprintf("%s:%d: NONSENSE: unknown keyword", filepath.Join(s.dir, "access.conf"), line)
	s.wants(78, []string{says, "fwknopd: the new configuration is refused, the old one stays in force\n"}, "reload")
	s.wants(78, []string{`"event_type":"reload","verdict":"refused",`, fmt.Sprintf(`"line":%d,"keyword":"NONSENSE","severity":"error","text":"unknown keyword"`, line)}, "reload", "--json")
	s.wants(0, []string{" refused\n", "\nreload error:    " + says}, "status")
	if events := s.events(); !strings.Contains(events, `"event_type":"reload","verdict":"refused"`) || !strings.Contains(events, `"event_type":"reload","verdict":"loaded","stanzas":2`) {
		t.Errorf("event log:\n%s", events)
	}
	s.knock(ask()...)
	if !s.open() {
		t.Error("the old configuration is not in force")
	}

	s.write("access.conf", good)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() { s.wants(0, []string{"configuration loaded again: 1 stanza\n"}, "reload") })
	}
	running.Wait()
	if st := s.status(); st.Reload.Verdict != report.ReloadLoaded || st.Stanzas != 1 {
		t.Errorf("after a good reload: %+v", st)
	}
	if s.shut() {
		t.Error("a reload closed it")
	}

	s.configure("AUTH_MODE FILE_PCAP;\nPCAP_PKT_FILE "+s.dir+";\n", good) // a directory
	s.wants(1, []string{"fwknopd: the worker keeps its configuration: FILE_PCAP: "}, "reload")
	s.wants(0, []string{"\nnot applied:     the worker keeps its configuration: FILE_PCAP: "}, "status")
	s.configure("IPT_INPUT_ACCESS ACCEPT, src, filter, INPUT, 1, FWKNOP_OTHER, 1;\n", good)
	s.wants(0, []string{"configuration loaded again: 1 stanza\n", "warning: IPT_INPUT_ACCESS has changed: that counts from the next start on\n"}, "reload")
	if st := s.status(); st.NotApplied != "" {
		t.Errorf("still not applied: %+v", st)
	}
	s.stop()
}

// A user other than root is told what to do.
func TestE2ELiveCommandsOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"status", "reload"} {
		for name, argv := range map[string][]string{"the files": s.args(), "the socket": {"-c", "/dev/null", "-r", filepath.Join(s.dir, "run")}} {
			cmd := s.Server.Command("setpriv", append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups", bin, verb}, argv...)...)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "run as root\n") {
				t.Errorf("%s, %s: %v\n%s", verb, name, err, out)
			}
		}
	}
}
