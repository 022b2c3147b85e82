package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/pty"
	"fwknopd/fixtures/wait"
)

// grants runs `fwknopd grants` beside the daemon and compares its exit code and output.
func (s *site) grants(wantCode int, want string, args ...string) {
	s.t.Helper()
	var out string
	var code int
	wait.Until(wait.Timeout, func() bool { // the firewall's program may wait on a loaded machine
		out, code = s.command(append(append([]string{"grants"}, args...), s.args()...)...)
		return !strings.Contains(out, "the firewall does not answer")
	})
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
	t.Parallel()
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
		s.grants(0, `(?m)dpt:2222 .* stanza alice \(access.conf:1\), ends `, "list", "--stanza", "alice")
		s.waitFor("opened " + client + " " + port)
		s.waitFor("(stanza alice (access.conf:1)) by the administrator")
		s.waitFor("closed " + client + " " + port + ": its time is over (stanza alice (access.conf:1))")
		if time.Since(begin) < 4*time.Second {
			t.Error("closed before its time")
		}
		if !s.shut() {
			t.Error("open after its end")
		}
		wait.For(t, "the event", func() bool { return strings.Contains(s.events(), `"by":"administrator"`) })
		out, code := s.command("why", client, "-c", filepath.Join(s.dir, "fwknopd.conf"))
		if code != 0 || !strings.Contains(out, "granted stanza alice (line 1) by the administrator: "+client+" "+port+" until ") {
			t.Errorf("why: %d\n%s", code, out)
		}

		s.grants(0, `^open until .*\nopen until .*\n$`, add("--port", "tcp/2223", "--port", port)...) // bob's alone
		s.grants(0, `^closed (.|\n)*closed `, "revoke", "--stanza", "bob")
		s.grants(1, "stanza bob: a destination goes with ENABLE_DESTINATION_RULE", add("--port", port, "--stanza", "bob", "--dst", s.Server.V4.String())...)
		s.stop()
		s.grants(1, `no daemon runs`, add("--port", port, "--stanza", "bob")...)
	})
}

// connect opens a connection from the client that lasts until the test ends.
func (s *site) connect(to netip.Addr, port uint16) net.Conn {
	s.t.Helper()
	return s.connectFrom(netip.Addr{}, to, port)
}

// connectFrom is connect from an address of the client, of its choice if that is zero.
func (s *site) connectFrom(src, to netip.Addr, port uint16) (conn net.Conn) {
	s.t.Helper()
	d := net.Dialer{Timeout: wait.Timeout}
	if src.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(src, 0))
	}
	s.Client.Do(func() {
		var err error
		if conn, err = d.Dial("tcp", netip.AddrPortFrom(to, port).String()); err != nil {
			s.t.Fatal(err)
		}
	})
	s.t.Cleanup(func() { conn.Close() })
	if !echoes(conn) {
		s.t.Fatal("the connection carries nothing")
	}
	return conn
}

// echoes reports whether data goes to the server and back.
func echoes(conn net.Conn) bool {
	conn.SetDeadline(time.Now().Add(time.Second))
	word := make([]byte, 4)
	if _, err := conn.Write([]byte("ping")); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, word)
	return err == nil
}

// What was opened is closed by the address of the client or the NAME of the stanza. Connections
// stay, and end with --cut.
func TestE2EGrantsRevoke(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.configure("", namedStanzas())
		s.start()
		port := fmt.Sprintf("tcp/%d", e2ePort)
		add := func(client netip.Addr) {
			s.grants(0, "^open until ", "add", "--src", client.String(), "--port", port, "--stanza", "bob")
		}
		add(s.Client.V4)
		add(s.Client.V6)
		first, second, other := s.connect(s.Server.V4, e2ePort), s.connect(s.Server.V4, e2ePort), s.connect(s.Server.V6, e2ePort)
		s.grants(0, "^closed "+port+" for "+s.Client.V4.String()+"\n2 connections stay open; --cut ends them\n$", "revoke", s.Client.V4.String())
		if !s.shut() {
			t.Error("open after it was closed")
		}
		if !echoes(first) || !echoes(second) || !echoes(other) {
			t.Error("a connection has ended without --cut")
		}
		s.grants(1, "nothing of that is open", "revoke", s.Client.V4.String(), "--cut")

		add(s.Client.V4)
		s.grants(0, "^closed "+port+" for "+s.Client.V4.String()+"\nended 2 connections\n$", "revoke", s.Client.V4.String(), "--cut")
		if echoes(first) || echoes(second) {
			t.Error("a connection goes on that was said to have ended")
		}
		if !echoes(other) {
			t.Error("the connection of another client has ended")
		}
		s.grants(0, `"connections":\{"open":0,"ended":1,"cut":0\}\}`, "revoke", "bob", "--cut", "--json")
		if echoes(other) {
			t.Error("it goes on")
		}
		s.grants(1, `no stanza has the NAME "alicia"`, "revoke", "alicia")

		add(s.Client.V4)
		first = s.connect(s.Server.V4, e2ePort)
		s.stop()
		s.grants(0, "^closed .*\nended 1 connection\n$", "revoke", "bob", "--cut") // without a daemon
		if echoes(first) {
			t.Error("it goes on")
		}
	})
}

// A connection that is forwarded to another host is cut in the table of connections.
func TestE2EGrantsRevokeForwarded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.AddInside(t)
		netlab.Serve(t, s.Inside, "tcp", 22)
		s.configure("ENABLE_IPT_FORWARDING Y;\n", stanza(fmt.Sprintf("NAME inside\nFORCE_NAT %s 22\n", s.Inside.V4)))
		s.start()
		s.grants(0, "^open until ", "add", "--src", s.Client.V4.String(), "--port", fmt.Sprintf("tcp/%d", e2ePort))
		conn := s.connect(s.Server.V4, e2ePort)
		s.grants(0, "1 connection stays open; --cut ends it\n$", "revoke", "inside")
		if !echoes(conn) {
			t.Error("it has ended without --cut")
		}
		s.grants(0, "^open until ", "add", "--src", s.Client.V4.String(), "--port", fmt.Sprintf("tcp/%d", e2ePort), "--stanza", "inside")
		s.grants(0, "^closed .*\ncut 1 connection, forwarded or by UDP: ", "revoke", "inside", "--cut")
		if echoes(conn) {
			t.Error("it goes on")
		}
	})
}

// list --watch tells what opens and closes until it is interrupted; a terminal has the list.
func TestE2EGrantsWatch(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", namedStanzas())
	s.start()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	start := func(set func(*exec.Cmd)) *exec.Cmd {
		cmd := s.Server.Command(bin, append([]string{"grants", "list", "--watch"}, s.args()...)...)
		cmd.Env = append(cmd.Environ(), "TERM=xterm")
		set(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		return cmd
	}
	var pipe io.Reader
	watch := start(func(cmd *exec.Cmd) {
		if pipe, err = cmd.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
	})
	var screen netlab.Output
	master, slave := pty.Open(t)
	painted := start(func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = slave, slave })
	slave.Close()
	go io.Copy(&screen, master)
	shows := func(text string) {
		t.Helper()
		wait.For(t, text+" on the terminal", func() bool { return strings.Contains(screen.String(), text) })
	}
	r := bufio.NewReader(pipe)
	wants := func(pattern string) {
		t.Helper()
		if line, err := r.ReadString('\n'); err != nil || !regexp.MustCompile(pattern).MatchString(line) {
			t.Fatalf("%q, %v, want %s", line, err, pattern)
		}
	}
	wants(`^nothing is open\n$`)
	shows("\x1b[H\x1b[2Jnothing is open\r\n")
	what := fmt.Sprintf("tcp/%d for %s\n$", e2ePort, s.Client.V4)
	s.grants(0, "^open until ", "add", "--src", s.Client.V4.String(), "--port", fmt.Sprintf("tcp/%d", e2ePort), "--stanza", "bob", "--for", "5s")
	wants("^opened until .* left: " + what)
	shows("\x1b[H\x1b[2Jnum ")
	wants("^closed " + what) // its time is over
	s.knock(ask()...)
	wants("^opened until .* left: " + what)
	s.grants(0, "^closed ", "revoke", s.Client.V4.String())
	wants("^closed " + what)
	for _, cmd := range []*exec.Cmd{watch, painted} {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after an interrupt: %v", err)
		}
	}
}
