package scrape

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/conf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const page = "fwknop_x 1\n"

// serve listens at a unix socket and answers with a page.
func serve(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := Listen(conf.Endpoint{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	l.Serve(func(context.Context) []byte { return []byte(page) })
	t.Cleanup(func() { l.Close() })
	return path
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(wait.Timeout)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Only GET and HEAD of one path are answered, and each answer is one of HTTP with the end of
// the connection.
func TestRequests(t *testing.T) {
	path := serve(t)
	for request, want := range map[string]int{
		"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n": 200, "GET /metrics HTTP/1.0\r\n\r\n": 200, "GET /metrics?a=b HTTP/1.1\r\n\r\n": 200, "GET /metrics HTTP/1.1\n\n": 200,
		"HEAD /metrics HTTP/1.1\r\n\r\n": 200, "HEAD / HTTP/1.1\r\n\r\n": 404, "GET / HTTP/1.1\r\n\r\n": 404, "GET /metrics/ HTTP/1.1\r\n\r\n": 404, "GET /Metrics HTTP/1.1\r\n\r\n": 404,
		"GET /../metrics HTTP/1.1\r\n\r\n": 404, "POST /metrics HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70000): 405, "DELETE /metrics HTTP/1.1\r\n\r\n": 405,
		"get /metrics HTTP/1.1\r\n\r\n": 400, "GET /metrics\r\n\r\n": 400, "GET /metrics HTTP/2.0\r\n\r\n": 400, "GET  /metrics HTTP/1.1\r\n\r\n": 400, "\r\n\r\n": 400,
		"GET http://x/metrics HTTP/1.1\r\n\r\n": 400, "\x16\x03\x01\x02\x00\n\n": 400, "GET /metrics HTTP/1.1\r\nX: " + strings.Repeat("x", maxHead) + "\r\n\r\n": 431,
	} {
		conn := dial(t, path)
		go io.WriteString(conn, request) // the answer may come before the end of it
		method, _, _ := strings.Cut(request, " ")
		r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		if err != nil {
			t.Errorf("%.60q: %v", request, err)
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != want || !r.Close {
			t.Errorf("%.60q: %v, %s, want %d", request, err, r.Status, want)
		}
		if ok := want == 200 && method != "HEAD"; ok != (string(body) == page) || method == "HEAD" && len(body) > 0 {
			t.Errorf("%.60q: %q", request, body)
		}
		if r.ContentLength <= 0 || want == 200 && r.Header.Get("Content-Type") != metrics.ContentType || (r.Header.Get("Allow") != "") != (want == 405) {
			t.Errorf("%.60q: %v", request, r.Header)
		}
	}
}

// However the head arrives, its first line is found, and no more is read than its limit.
func TestReadHead(t *testing.T) {
	const head = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, r := range []io.Reader{strings.NewReader(head), iotest.OneByteReader(strings.NewReader(head)), iotest.DataErrReader(strings.NewReader(head))} {
		if line, err := readHead(r); err != nil || line != "GET /metrics HTTP/1.1" {
			t.Errorf("%q, %v", line, err)
		}
	}
	for text, want := range map[string]error{"": io.EOF, "GET / HTTP/1.1\r\n": io.EOF, strings.Repeat("x", maxHead): errTooLong, strings.Repeat("x", 10*maxHead): errTooLong} {
		if line, err := readHead(strings.NewReader(text)); line != "" || err != want {
			t.Errorf("%.20q: %q, %v, want %v", text, line, err, want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("GET /metrics HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\n\n"))
	s := &server{page: func(context.Context) []byte { return []byte(page) }}
	f.Fuzz(func(t *testing.T, request []byte) {
		line, err := readHead(bytes.NewReader(request))
		if strings.Contains(line, "\n") {
			t.Errorf("%q", line)
		}
		answer := s.answer(t.Context(), line, err)
		if _, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil); err != nil {
			t.Errorf("%q: %v", answer, err)
		}
	})
}

// More connections than there are slots, which send nothing, give way to one that asks.
func TestIdleClients(t *testing.T) {
	path := serve(t)
	var idle []net.Conn
	for range 3 * maxClients {
		idle = append(idle, dial(t, path))
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(t, path), nil }}}
	r, err := client.Get("http://x/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if r.Body.Close(); err != nil || string(body) != page {
		t.Errorf("%q, %v", body, err)
	}
	ended := 0
	for _, conn := range idle[:2*maxClients] {
		if n, err := conn.Read(make([]byte, 1)); n == 0 && err == io.EOF {
			ended++
		}
	}
	if ended < 2*maxClients {
		t.Errorf("%d of the oldest connections are closed", ended)
	}
}

// A connection that waits for the page holds its slot, and the end of the listener ends it.
func TestCloseEndsAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(conf.Endpoint{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1)
	l.Serve(func(ctx context.Context) []byte { asked <- struct{}{}; <-ctx.Done(); return nil })
	conn := dial(t, path)
	io.WriteString(conn, "GET /metrics HTTP/1.1\r\n\r\n")
	<-asked
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there")
	}
	if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

// What another process listens at, or has left there, is not taken from it.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) conf.Endpoint { return conf.Endpoint{Path: filepath.Join(dir, name)} }
	refused := func(e conf.Endpoint, want string) {
		t.Helper()
		l, err := Listen(e)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), e.String()+": ") || strings.Count(err.Error(), e.String()) > 1 {
			t.Errorf("%s: %v, want %s", e, err, want)
		}
	}
	live, err := Listen(at("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if st, err := os.Stat(at("live").Path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	refused(at("live"), "listens there already")
	if err := os.WriteFile(at("file").Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(at("file"), "not a socket")
	refused(at("no/such"), "no such file or directory")
	if err := os.Mkdir(at("open").Path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at("open").Path, 0o777); err != nil {
		t.Fatal(err)
	}
	refused(at("open/s"), "may be written by others")

	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("left").Path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	again, err := Listen(at("left"))
	if err != nil {
		t.Fatalf("a socket that was left: %v", err)
	}
	if err := os.Remove(at("left").Path); err != nil { // and another one in its place
		t.Fatal(err)
	}
	if err := os.WriteFile(at("left").Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again.Close()
	if _, err := os.Stat(at("left").Path); err != nil {
		t.Error("a file of another was removed")
	}

	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	refused(conf.Endpoint{Addr: netip.MustParseAddrPort(tcp.Addr().String())}, "address already in use")
}

// The one that waits longest is the first to go, and one that has asked is not among them.
func TestEvict(t *testing.T) {
	s := &server{slots: make(chan struct{}, 2)}
	var conns []net.Conn
	for range 2 {
		near, far := net.Pipe()
		defer far.Close()
		conns = append(conns, near)
		if !s.admit(t.Context(), near) {
			t.Fatal("not admitted")
		}
	}
	if !s.asked(conns[0]) || s.asked(conns[0]) {
		t.Error("it asks once")
	}
	s.evict()
	if s.asked(conns[1]) || !slices.Equal(s.waiting, []net.Conn{}) {
		t.Errorf("%d wait", len(s.waiting))
	}
	s.evict() // none waits
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if s.admit(ended, conns[0]) {
		t.Error("admitted without a slot")
	}
}
