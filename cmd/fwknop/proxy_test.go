package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"fwknopd/fixtures/wait"
)

// serve hands each connection to use: on a loaded machine several tries may succeed, of
// which the client keeps one and closes the others.
func serve(t *testing.T, use func(*net.TCPConn)) (port string) {
	t.Helper()
	l, port := listen(t, "127.0.0.1", "0")
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				use(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return port
}

// proxied are the arguments of a client that is a ProxyCommand.
func proxied(t *testing.T, port string, more ...string) []string {
	return append(append(onPacket(t, "127.0.0.1", ignorePacket), "-a", "127.0.0.1", "--proxy", "127.0.0.1", port, "--wait="+wait.Timeout.String()), more...)
}

// TestProxy: what is sent comes back to the last byte, as the end of standard input
// reaches the server, and nothing else is on standard output.
func TestProxy(t *testing.T) {
	for name, more := range map[string]string{"quiet": "", "verbose": "-v", "the port of -A": "-A tcp/{port}", "NAT": "-N 10.0.0.1:22 -A tcp/22 --nat-port {port}"} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t)
			r.stdin = strings.Repeat("0123456789abcde\n", 1<<18)
			port := serve(t, func(conn *net.TCPConn) { io.Copy(conn, conn) })
			args := proxied(t, port)
			if name == "NAT" { // the port of -A stands for that of --nat-port
				args = proxied(t, "22")
			}
			args = append(args, strings.Fields(strings.ReplaceAll(more, "{port}", port))...)
			if code := r.run(t, args...); code != exitOK || r.stdout.String() != r.stdin {
				t.Errorf("exit %d, %d bytes: %s", code, r.stdout.Len(), r.stderr.String())
			}
			if said := strings.Contains(r.stderr.String(), "open after"); said != (name == "verbose") {
				t.Errorf("got %s", r.stderr.String())
			}
			if _, err := os.Stat(filepath.Join(r.home, ".fwknop.run")); err == nil {
				t.Error("the arguments were saved")
			}
		})
	}
}

// TestProxyHalfClosed: after the end of what the server sends the client still sends.
func TestProxyHalfClosed(t *testing.T) {
	r := newRunner(t)
	got := make(chan string, 1)
	port := serve(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "hello")
		conn.CloseWrite()
		if text, _ := io.ReadAll(conn); len(text) > 0 {
			got <- string(text)
		}
	})
	in, typed := io.Pipe()
	printed, out := io.Pipe()
	c := r.client()
	c.stdin, c.stdout = in, out
	code := make(chan int, 1)
	args := proxied(t, port)
	go func() {
		code <- c.run(t.Context(), args)
		in.Close()
		out.Close()
	}()
	if text, err := io.ReadAll(printed); err != nil || string(text) != "hello" {
		t.Errorf("%q %v", text, err)
	}
	io.WriteString(typed, "bye")
	typed.Close()
	if text := <-got; text != "bye" {
		t.Errorf("the server got %q", text)
	}
	if n := <-code; n != exitOK {
		t.Errorf("exit %d: %s", n, r.stderr.String())
	}
}

// TestProxyReset: a connection that breaks ends the client at once, with an error.
func TestProxyReset(t *testing.T) {
	r := newRunner(t)
	port := serve(t, func(conn *net.TCPConn) { conn.SetLinger(0) })
	in, typed := io.Pipe() // never ends
	defer typed.Close()
	var out bytes.Buffer
	c := r.client()
	c.stdin, c.stdout = in, &out
	if code := c.run(t.Context(), proxied(t, port)); code != exitError || out.Len() > 0 || !strings.Contains(r.stderr.String(), "reset") {
		t.Errorf("exit %d: %q %s", code, out.String(), r.stderr.String())
	}
}

// TestProxyInterrupted: an interrupt ends the client, also after the end of what the server
// sends while standard input goes on.
func TestProxyInterrupted(t *testing.T) {
	r := newRunner(t)
	port := serve(t, func(conn *net.TCPConn) {
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	})
	in, typed := io.Pipe() // never ends
	defer typed.Close()
	printed, out := io.Pipe()
	c := r.client()
	c.stdin, c.stdout = in, out
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	code := make(chan int, 1)
	args := proxied(t, port)
	go func() {
		code <- c.run(ctx, args)
		out.Close()
	}()
	io.Copy(io.Discard, printed)
	interrupt()
	select {
	case n := <-code:
		if n != exitError || !strings.Contains(r.stderr.String(), "interrupted") {
			t.Errorf("exit %d: %s", n, r.stderr.String())
		}
	case <-time.After(wait.Timeout):
		t.Error("goes on")
	}
}

// TestProxyInputFails: the server sees the end of a standard input that cannot be read, and
// the client says so.
func TestProxyInputFails(t *testing.T) {
	r := newRunner(t)
	port := serve(t, func(conn *net.TCPConn) {
		conn.SetReadDeadline(time.Now().Add(wait.Timeout))
		io.Copy(conn, conn)
	})
	var out bytes.Buffer
	c := r.client()
	c.stdin, c.stdout = io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(errors.New("input lost"))), &out
	begin := time.Now()
	if code := c.run(t.Context(), proxied(t, port)); code != exitError || out.String() != "hello" || !strings.Contains(r.stderr.String(), "input lost") || time.Since(begin) >= wait.Timeout {
		t.Errorf("exit %d: %q %s", code, out.String(), r.stderr.String())
	}
}

// TestProxyDefaults: HOST is the server and PORT what is asked for, unless the rc file says
// otherwise.
func TestProxyDefaults(t *testing.T) {
	r := newRunner(t)
	for rc, want := range map[string]string{
		"":                       "to 127.0.0.1:62201 .*,tcp/22\n",
		"SPA_SERVER 192.0.2.1":   "to 192.0.2.1:62201 .*,tcp/22\n",
		"ACCESS tcp/22,tcp/4000": ",tcp/22,tcp/4000\n",
	} {
		r.rc(t, "[gw]\nKEY fwknoptest\nALLOW_IP source\n"+rc+"\n")
		code := r.run(t, "-n", "gw", "--wait", "--proxy", "127.0.0.1", "22", "-T")
		if code != exitOK || r.stdout.Len() > 0 || !matches("(?s)"+want, r.stderr.String()) {
			t.Errorf("%s: exit %d\n%s%s", rc, code, r.stdout.String(), r.stderr.String())
		}
	}
}
