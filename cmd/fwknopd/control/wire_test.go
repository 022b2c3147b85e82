package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
)

var _ Enforcer = (*monitor.Monitor)(nil)

// open returns three grants of two clients.
func open(t *testing.T) *enforce.Recorder {
	t.Helper()
	r := new(enforce.Recorder)
	for _, g := range []enforce.Grant{
		{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3, User: "alice", Expires: time.Now().Add(time.Minute)},
		{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 17, Number: 53}}, Stanza: 9, Expires: time.Now().Add(time.Minute)},
		{Src: netip.MustParseAddr("2001:db8::7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3},
	} {
		if err := r.Apply(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func selection(t *testing.T, src, port string, stanza int) Selection {
	t.Helper()
	s := Selection{Stanza: stanza}
	var err error
	if src != "" {
		if s.Src, err = cli.ParsePrefix(src); err != nil {
			t.Fatal(err)
		}
	}
	if port != "" {
		if s.Port, err = parsePort(port); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func serveAt(t *testing.T, path string, k Enforcer) {
	t.Helper()
	stop, err := Serve(path, k, testHost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
}

func TestSelections(t *testing.T) {
	tests := []struct {
		src, port string
		stanza    int
		want      int
	}{
		{"", "", 0, 3}, {"192.0.2.7", "", 0, 2}, {"::ffff:192.0.2.7", "", 0, 2}, {"192.0.2.0/24", "", 0, 2}, {"192.0.2.8", "", 0, 0},
		{"2001:db8::/32", "", 0, 1}, {"", "tcp/22", 0, 2}, {"192.0.2.7", "TCP/22", 0, 1}, {"", "udp/22", 0, 0}, {"", "", 3, 2}, {"192.0.2.7", "udp/53", 9, 1},
		{"192.0.2.7", "udp/53", 3, 0},
	}
	for _, long := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "x.sock")
		if long {
			dir := filepath.Join(t.TempDir(), strings.Repeat("a long name/", 12))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path = filepath.Join(dir, "x.sock")
		}
		for _, tt := range tests {
			r := open(t)
			stop, err := Serve(path, r, testHost)
			if err != nil {
				t.Fatal(err)
			}
			s := selection(t, tt.src, tt.port, tt.stanza)
			for _, do := range []string{"list", "revoke"} {
				a, err := ask(path, request{Do: do, Select: s})
				if err != nil || len(a.Grants) != tt.want {
					t.Errorf("%s %+v: %v, %v", do, tt, a, err)
				}
			}
			if left, _ := r.List(t.Context()); len(left) != 3-tt.want {
				t.Errorf("%+v: %d left", tt, len(left))
			}
			stop()
		}
	}
}

func TestFlushOverTheSocket(t *testing.T) {
	path, r := filepath.Join(t.TempDir(), "x.sock"), open(t)
	serveAt(t, path, r)
	if _, err := ask(path, request{Do: "flush"}); err != nil {
		t.Fatal(err)
	}
	if left, _ := r.List(t.Context()); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Grants are transferred completely: users, expiry, NAT.
func TestGrantsCrossWhole(t *testing.T) {
	path, r := filepath.Join(t.TempDir(), "x.sock"), new(enforce.Recorder)
	g := enforce.Grant{
		Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3, User: "alice",
		Expires: time.UnixMilli(1795333596123).UTC(),
		NAT:     &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:2222"), Masquerade: true},
	}
	if err := r.Apply(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	serveAt(t, path, r)
	a, err := ask(path, request{Do: "list"})
	if err != nil || len(a.Grants) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	got := a.Grants[0]
	if got.Key() != g.Key() || got.User != "alice" || got.Stanza != 3 || !got.Expires.Equal(g.Expires) {
		t.Errorf("got %+v", got)
	}
}

// Only the owner and root may use the socket; a malformed request ends its connection
// and affects no other.
func TestBadRequests(t *testing.T) {
	path, r := filepath.Join(t.TempDir(), "x.sock"), open(t)
	serveAt(t, path, r)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", st, err)
	}
	for _, text := range []string{"", "{", "[]", `{"do":"flush","more":1}`, `{"do":1}`, `{"do":"revoke","select":{"src":"x"}}`,
		`{"do":"` + strings.Repeat("x", maxRequest) + `"}`, "\x00\xff"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, text)
		conn.(*net.UnixConn).CloseWrite()
		if answer, err := io.ReadAll(conn); len(answer) > 0 {
			t.Errorf("%.40q is answered with %q, %v", text, answer, err)
		}
		conn.Close()
	}
	if _, err := ask(path, request{Do: "dance"}); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("unknown request: %v", err)
	}
	if left, _ := r.List(t.Context()); len(left) != 3 {
		t.Errorf("left: %v", left)
	}
}

func TestOthersAreNotServed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir, err := os.MkdirTemp("/tmp", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "x.sock")
	serveAt(t, path, open(t))
	os.Chmod(dir, 0o755)
	for _, mode := range []os.FileMode{0o600, 0o666} { // the peer's user id is checked whatever the mode
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(copied(t), "x")
		os.Chmod(filepath.Dir(cmd.Path), 0o755)
		os.Chmod(filepath.Dir(filepath.Dir(cmd.Path)), 0o755)
		os.Chmod(cmd.Path, 0o755)
		cmd.Env = []string{playEnv + "=ask", pidEnv + "=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "refused: ") {
			t.Errorf("mode %o: %q, %v", mode, out, err)
		}
	}
}

func TestNoListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	if _, err := ask(path, request{Do: "list"}); !errors.Is(err, errNoDaemon) {
		t.Errorf("no socket: %v", err)
	}
	l, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // as after kill -9
	if _, err := ask(path, request{Do: "list"}); !errors.Is(err, errNoDaemon) {
		t.Errorf("old socket: %v", err)
	}
	serveAt(t, path, open(t))
	if a, err := ask(path, request{Do: "list"}); err != nil || len(a.Grants) != 3 {
		t.Errorf("in its place: %v, %v", a, err)
	}
}

// A grant revoked through the monitor stays closed: it is not restored as one that
// another program flushed.
func TestRevokedStaysClosed(t *testing.T) {
	r := new(enforce.Recorder)
	m, err := monitor.New(t.Context(), monitor.Config{Firewall: r, Interval: 10 * time.Millisecond, Policy: monitor.Policy{
		Limits: enforce.Limits{Stanzas: []enforce.Allowance{{
			Stanza: 3, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, AnyPort: true, MaxLifetime: time.Hour,
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3, Expires: time.Now().Add(time.Minute)}
	path := filepath.Join(t.TempDir(), "x.sock")
	serveAt(t, path, m)
	other := g
	other.Src = g.Src.Next()
	// repaired returns what the monitor opens again, in one step, after another program's flush.
	repaired := func() (open []enforce.Grant) {
		t.Helper()
		r.Disturb()
		wait.For(t, "a repair", func() bool {
			open, _ = r.List(t.Context())
			return len(open) > 0
		})
		return open
	}
	for _, g := range []enforce.Grant{g, other} {
		if err := m.Apply(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if open := repaired(); len(open) != 2 {
		t.Fatalf("repaired: %v", open)
	}
	if a, err := ask(path, request{Do: "revoke", Select: selection(t, "192.0.2.7", "", 0)}); err != nil || len(a.Grants) != 1 {
		t.Fatalf("revoke: %v, %v", a, err)
	}
	if open := repaired(); len(open) != 1 || open[0].Src != other.Src {
		t.Fatalf("open after the revocation: %v", open)
	}
}

func TestPorts(t *testing.T) {
	for _, text := range []string{"tcp/22", "udp/53", "icmp", "icmpv6", "tcp/65535"} {
		if p, err := parsePort(text); err != nil || p.String() != text {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "22", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/-1", "icmp/8", "sctp/22", "tcp/22,udp/53", "tcp/ 22"} {
		if p, err := parsePort(text); err == nil {
			t.Errorf("%q: %v", text, p)
		}
	}
	for _, text := range []string{"", "any", "192.0.2", "192.0.2.7/33", "fe80::1%eth0", "192.0.2.7,192.0.2.8"} {
		if p, err := cli.ParsePrefix(text); err == nil {
			t.Errorf("%q: %v", text, p)
		}
	}
}
