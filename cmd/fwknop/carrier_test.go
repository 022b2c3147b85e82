package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/spa"

	"fwknopd/enforce/quote"
)

// stream runs the client and returns what a TCP server receives; it answers with answer.
func (r *runner) stream(t *testing.T, answer string, args func(addr string) []string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			received <- err.Error()
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		var text strings.Builder
		if answer != "" {
			in := bufio.NewReader(conn)
			for line := ""; line != "\r\n" && err == nil; {
				line, err = in.ReadString('\n')
				text.WriteString(line)
			}
			io.WriteString(conn, answer)
		} else {
			io.Copy(&text, conn)
		}
		received <- text.String()
	}()
	code := r.run(t, args(l.Addr().String())...)
	if refused := strings.Contains(answer, " 407 "); refused != (code != exitOK) {
		t.Fatalf("ends with %d: %s", code, r.stderr.String())
	}
	return <-received
}

func TestTCP(t *testing.T) {
	r := newRunner(t)
	for _, carrier := range [][]string{{"-P", "tcp"}, {"--TCP-sock"}} { // the latter in 1.9
		text := r.stream(t, "", func(addr string) []string {
			_, port, _ := net.SplitHostPort(addr)
			return append(append(slices.Clone(keyed), carrier...), "-A", "tcp/22", "-p", port)
		})
		open(t, []byte(text), theKey)
	}
}

// TestHTTP: the rules of 2.6 and, for a proxy, those of 1.9 find the packet in the request.
func TestHTTP(t *testing.T) {
	r := newRunner(t)
	text := r.stream(t, "", func(addr string) []string {
		_, port, _ := net.SplitHostPort(addr)
		return append(slices.Clone(keyed), "-A", "tcp/22", "--HTTP", "-p", port)
	})
	open(t, inRequest(t, text, spa.CarrierOptions{OverHTTP: true}), theKey)
	if !strings.Contains(text, "\r\nUser-Agent: Fwknop/") || !strings.HasSuffix(text, "\r\n\r\n") {
		t.Errorf("request %q", text)
	}
	for _, answer := range []string{"HTTP/1.1 504 Gateway Timeout\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"} {
		text = r.stream(t, answer, func(addr string) []string {
			return append(slices.Clone(keyed), "-A", "tcp/22", "-H", "http://"+addr, "-D", "192.0.2.1", "-u", "Fwknop/x")
		})
		open(t, inRequest(t, text, spa.CarrierOptions{OverHTTP: true, Perl19: true}), theKey)
		if !strings.HasPrefix(text, "GET http://192.0.2.1/") || !strings.Contains(text, "\r\nHost: 192.0.2.1\r\n") || !strings.Contains(text, "\r\nUser-Agent: Fwknop/x\r\n") {
			t.Errorf("request %q", text)
		}
	}
}

func inRequest(t *testing.T, request string, opt spa.CarrierOptions) []byte {
	t.Helper()
	text, info, ok := spa.Carrier(parse.TCP, []byte(request), opt, make([]byte, len(request)))
	if !ok || !info.HTTP {
		t.Fatalf("no packet in %q", request)
	}
	return text
}

// TestResolve: the address is what the named server answers, and no other is asked.
func TestResolve(t *testing.T) {
	answer := ""
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, answer)
	}))
	defer web.Close()
	r := newRunner(t)
	args := []string{"-D", "127.0.0.1", "-A", "tcp/22", "--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1", "-R"}
	answer = "192.0.2.9\n"
	if m := open(t, r.packet(t, append(args, "--resolve-url", web.URL, "--resolve-http-only")...), theKey); m.Text != "192.0.2.9,tcp/22" {
		t.Errorf("got %+v", m)
	}
	for _, tt := range []struct{ answer, args, want string }{
		{answer, "", "name one with --resolve-url URL"},
		{answer, "--resolve-url " + web.URL, "over http others on the way can name the address"},
		{answer, "--resolve-url ftp://x/", "want https://"},
		{"<html>", "--resolve-http-only --resolve-url " + web.URL, "did not answer with an address"},
		{"2001:db8::1", "--resolve-http-only --resolve-url " + web.URL, "did not answer with an address"},
		{answer, "--resolve-http-only --resolve-url " + web.URL + "/gone", "404"},
	} {
		answer = tt.answer
		if code := r.run(t, append(slices.Clone(args), strings.Fields(tt.args)...)...); code == exitOK || !strings.Contains(r.stderr.String(), tt.want) {
			t.Errorf("%s: %d %s", tt.args, code, r.stderr.String())
		}
	}
}

// TestLast: the arguments of the last run are used again, but keys are not saved.
func TestLast(t *testing.T) {
	r := newRunner(t)
	r.rc(t, "[default]\nKEY fwknoptest\nHMAC_KEY hmactest1\n")
	first := []string{"-D", "127.0.0.1", "-s", "-C", "echo it's 'x  y'", "-U", "alice"}
	open(t, r.packet(t, first...), theKey)
	if m := open(t, r.packet(t, "-l"), theKey); m.Cmd != "echo it's 'x  y'" || m.User != "alice" {
		t.Errorf("got %+v", m)
	}
	if code := r.run(t, "--show-last"); code != exitOK || !strings.HasPrefix(r.stdout.String(), "fwknop -D 127.0.0.1 -s -C '") {
		t.Errorf("%d %s%s", code, r.stdout.String(), r.stderr.String())
	}
	r.packet(t, append(slices.Clone(keyed), "-A", "tcp/22")...)
	if r.run(t, "--show-last"); strings.Contains(r.stdout.String(), "fwknoptest") || !strings.Contains(r.stdout.String(), "-C") {
		t.Errorf("got %s", r.stdout.String())
	}
	other := filepath.Join(r.home, "run")
	r.packet(t, append(slices.Clone(first), "-E", other)...)
	if code := r.run(t, "--show-last", "-E", other); code != exitOK || !strings.Contains(r.stdout.String(), other) {
		t.Errorf("%d %s%s", code, r.stdout.String(), r.stderr.String())
	}
	if code := newRunner(t).run(t, "-l"); code != exitError {
		t.Error("there are no last arguments")
	}
	for _, args := range [][]string{{""}, {"a b", "", "c"}, {"'", `\'`, `a\'b`, "\n"}, {`\`, `a\b`}, {`"`, `say "yes"`}} {
		if got, err := quote.Shell.Split(joinArgs(args)); err != nil || !slices.Equal(got, args) {
			t.Errorf("%q became %q (%v)", args, got, err)
		}
	}
}

// TestCarrierOptions: options that the carrier does not know are refused.
func TestCarrierOptions(t *testing.T) {
	for args, want := range map[string]string{
		"-Q 192.0.2.1":            "goes with -P udpraw, tcpraw or icmp, not with udp",
		"-P tcpraw -Q x":          "no IP address",
		"-P udp --icmp-type 8":    "go with -P icmp",
		"-P icmp --icmp-code 256": "0 to 255",
		"-H 127.0.0.1 -P tcp":     "goes with -P http",
		"-H x/y":                  "not HOST[:PORT]",
	} {
		r := newRunner(t)
		if code := r.run(t, append(slices.Clone(keyed), append(strings.Fields(args), "-A", "tcp/22")...)...); code != exitUsage || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("%s: %d %s", args, code, r.stderr.String())
		}
	}
	r := newRunner(t)
	if code := r.run(t, append(slices.Clone(keyed), "-A", "tcp/22", "-P", "http", "-u", "Fwknop\r\nX: y")...); code != exitUsage || !strings.Contains(r.stderr.String(), "control characters") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	if code := r.run(t, "-w", "/usr/bin/wget", "--use-wget-user-agent", "--key-gen"); code != exitOK || !strings.Contains(r.stderr.String(), "no effect here: --wget-cmd, --use-wget-user-agent") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	if code := r.run(t, append(slices.Clone(keyed), "-C", "w", "--save-rc-stanza")...); code != exitUsage || !strings.Contains(r.stderr.String(), "has no keyword") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
}
