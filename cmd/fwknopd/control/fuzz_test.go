package control

import (
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// socketPair returns two ends of a stream.
func socketPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = c.(*net.UnixConn)
		t.Cleanup(func() { c.Close() })
	}
	return ends[0], ends[1]
}

// FuzzRequest: of any bytes only a request to revoke or to flush closes something, and no
// more than it selects; the answer is one JSON object or none.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{
		`{"do":"list","select":{}}`, `{"do":"flush"}`, `{"do":"state"}`, `{"do":"revoke","select":{"src":"192.0.2.0/24","port":{"Proto":6,"Number":22},"stanza":3}}`,
		`{"do":"revoke","select":{"stanza":9}}{"do":"flush"}`, `{"do":"revoke","select":{"src":"::/0"}}`, `{"do":"revoke","all":true}`, `[]`, "", `{"do":"flush"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 2*maxRequest {
			return
		}
		grants := open(t)
		client, conn := socketPair(t)
		client.SetDeadline(time.Now().Add(wait.Timeout))
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer conn.Close()
			server{grants, testHost}.serve(t.Context(), conn)
		}()
		client.Write(text)
		client.CloseWrite()
		reply, _ := io.ReadAll(client)
		<-served
		if len(reply) > 0 && !json.Valid(reply) {
			t.Fatalf("%q is answered with %q", text, reply)
		}
		left, err := grants.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var asked request
		_ = json.NewDecoder(strings.NewReader(string(text))).Decode(&asked)
		want := 3
		switch asked.Do {
		case "flush":
			return
		case "revoke":
			want = 3 - selected(t, asked.Select)
		}
		if len(left) < want {
			t.Fatalf("%q left %d grants, want %d", text, len(left), want)
		}
	})
}

// selected counts the grants of [open] that are in s, in terms of its own.
func selected(t *testing.T, s Selection) (n int) {
	all, err := open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if (s.Src == netip.Prefix{} || !s.Src.IsValid() || s.Src.Contains(g.Src)) && (s.Stanza == 0 || s.Stanza == g.Stanza) &&
			(s.Port == enforce.Port{} || g.Ports[0] == s.Port) {
			n++
		}
	}
	return n
}
