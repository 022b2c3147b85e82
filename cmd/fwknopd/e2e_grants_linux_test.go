package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// grants runs `fwknopd grants` beside the daemon and compares its exit code and output.
func (s *site) grants(wantCode int, want string, args ...string) {
	s.t.Helper()
	out, code := s.command(append([]string{"grants"}, append(args, "-c", filepath.Join(s.dir, "fwknopd.conf"))...)...)
	if code != wantCode || !regexp.MustCompile(want).MatchString(out) {
		s.t.Errorf("grants %q: %d\n%s\nwant %d and %s", args, code, out, wantCode, want)
	}
}

// namedStanzas returns two stanzas, of which both open the test port and one tcp/2223 too.
func namedStanzas() string {
	return "SOURCE 10.77.0.0/16\nNAME alice\n" + strings.TrimPrefix(stanza("PERMIT_CLIENT_TIMEOUT N"), "SOURCE ANY\n") +
		strings.Replace(stanza("NAME bob"), "OPEN_PORTS ", "OPEN_PORTS tcp/2223,", 1)
}

// The administrator opens a port within what a stanza offers; it closes at its end.
func TestE2EGrantsAdd(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.configure("", namedStanzas())
		s.start()
		client, port := s.Client.V4.String(), fmt.Sprintf("tcp/%d", e2ePort)
		add := func(more ...string) []string { return append([]string{"add", "--src", client}, more...) }
		s.grants(1, "2 stanzas offer it, say which by --stanza: alice, bob", add("--port", port)...)
		s.grants(1, "stanza alice: port tcp/2223, not in OPEN_PORTS", add("--port", "tcp/2223", "--stanza", "alice")...)
		s.grants(1, "stanza alice: lifetime is not offered: 1h0m0s of at most 1m0s", add("--port", port, "--stanza", "alice", "--for", "1h")...)
		s.grants(1, "stanza alice: got 192.0.2.7, not in SOURCE", "add", "--src", "192.0.2.7", "--port", port, "--stanza", "alice")
		s.grants(1, `no stanza has the NAME "alicia" \(did you mean alice\?\)`, add("--port", port, "--stanza", "alicia")...)
		s.grants(1, "no stanza offers it: stanza alice: ", add("--port", "udp/53")...)
		s.grants(0, "^nothing is open\n$", "list")
		if !s.shut() {
			t.Fatal("open before anything was added")
		}

		begin := time.Now()
		s.grants(0, `^open until .* 2\d{3}, \ds left: `+port+" for "+client+"\n$", add("--port", port, "--stanza", "alice", "--for", "5s")...)
		if !netlab.CanConnect(s.Client, s.Server.V4, e2ePort, wait.Timeout) {
			t.Error("said to be open, and is not")
		}
		s.grants(0, `(?m)dpt:2222 .* stanza 1, ends `, "list", "--stanza", "alice")
		s.waitFor("opened " + client + " " + port)
		s.waitFor("(stanza 1) by the administrator")
		if wait.For(t, "its end", s.shut); time.Since(begin) < 4*time.Second {
			t.Error("closed before its time")
		}
		s.waitFor("closed " + client + " " + port + ": its time is over (stanza 1)")
		wait.For(t, "the event", func() bool { return strings.Contains(s.events(), `"by":"administrator"`) })
		out, code := s.command("why", client, "-c", filepath.Join(s.dir, "fwknopd.conf"))
		if code != 0 || !strings.Contains(out, "granted stanza 1 (alice) by the administrator: "+client+" "+port+" until ") {
			t.Errorf("why: %d\n%s", code, out)
		}

		s.grants(0, `^open until .*\nopen until .*\n$`, add("--port", "tcp/2223", "--port", port)...) // bob's alone
		s.grants(0, `^closed (.|\n)*closed `, "revoke", "--stanza", "bob")
		s.grants(1, "stanza bob: a destination goes with ENABLE_DESTINATION_RULE", add("--port", port, "--stanza", "bob", "--dst", s.Server.V4.String())...)
		s.stop()
		s.grants(1, `no daemon runs`, add("--port", port, "--stanza", "bob")...)
	})
}
