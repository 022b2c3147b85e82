package main

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fwknopd/fixtures/wait"
)

// listen listens on a TCP port of host, port 0 for any, and returns the port.
func listen(t *testing.T, host, port string) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return l, port
}

// closedPort returns a port that was free a moment ago.
func closedPort(t *testing.T) string {
	t.Helper()
	l, port := listen(t, "127.0.0.1", "0")
	l.Close()
	return port
}

// onPacket calls do when a packet arrives, and returns the arguments of a client that
// sends it there.
func onPacket(t *testing.T, host string, do func(text []byte)) []string {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		buf := make([]byte, 2000)
		if n, _, err := conn.ReadFrom(buf); err == nil {
			do(buf[:n])
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	return []string{"-D", host, "-p", port, "-U", "alice", "--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1"}
}

func ignorePacket([]byte) {}

// TestWait: the client says what was open, and in which time, and what was not.
func TestWait(t *testing.T) {
	_, open := listen(t, "127.0.0.1", "0")
	_, second := listen(t, "127.0.0.1", "0")
	closed := closedPort(t)
	for args, want := range map[string]struct {
		code           int
		stdout, stderr string // patterns
	}{
		"--wait -A tcp/" + open:                                       {exitOK, `^tcp/` + open + ` at 127\.0\.0\.1: open after \d+ ms(, at the first try: it may have been open before)?\n$`, `^$`},
		"--wait -A tcp/" + open + ",udp/53,tcp/" + second:             {exitOK, `^udp/53 cannot be tried: .*\n(tcp/\d+ at 127\.0\.0\.1: open after \d+ ms.*\n){2}$`, `^$`},
		"--wait -A udp/53":                                            {exitOK, `^udp/53 cannot be tried: `, `^$`},
		"--wait=2s -A tcp/" + closed:                                  {exitClosed, `^$`, `^fwknop: tcp/` + closed + ` at 127\.0\.0\.1 is still closed after 2s: refused: .*fwknopd why 127\.0\.0\.1\n$`},
		"--wait=2s -s -A tcp/" + closed:                               {exitClosed, `^$`, `refused: .*fwknopd why ADDRESS`},
		"--wait=2s -A tcp/" + closed + ",tcp/" + open:                 {exitClosed, `^tcp/` + open + ` .*open after`, `^fwknop: tcp/` + closed + ` .*closed`},
		"--wait --nat-local --nat-port " + open + " -A tcp/" + closed: {exitOK, `^tcp/` + open + ` .*open after`, `^$`},
		"--wait=1ms -T -A tcp/" + closed:                              {exitOK, `not sent to`, `^$`},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t)
			line := append(onPacket(t, "127.0.0.1", ignorePacket), strings.Fields(args)...)
			if !slices.Contains(line, "-s") {
				line = append(line, "-a", "127.0.0.1")
			}
			code := r.run(t, line...)
			if code != want.code || !matches(want.stdout, r.stdout.String()) || !matches(want.stderr, r.stderr.String()) {
				t.Errorf("exit %d\n%s%s", code, r.stdout.String(), r.stderr.String())
			}
		})
	}
}

// TestWaitSequence: after the knocks the port is tried that the sequence opens.
func TestWaitSequence(t *testing.T) {
	l, open := listen(t, "127.0.0.1", "0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close() // which ends --proxy
		}
	}()
	closed := closedPort(t)
	const (
		shared    = "-D 127.0.0.1 -t 0 --shared-sequence udp/7000,udp/8000 "
		encrypted = "-D 127.0.0.1 -t 0 --Server-mode knock -U alice --key-rijndael fwknoptest "
	)
	opens := `^tcp/` + open + ` at 127\.0\.0\.1: open after \d+ ms`
	for args, want := range map[string]struct {
		code           int
		stdout, stderr string // patterns
	}{
		shared + "--wait -A tcp/" + open:                      {exitOK, opens, `^$`},
		shared + "--wait -A udp/53,tcp/" + open:               {exitOK, `^udp/53 cannot be tried: .*\ntcp/` + open + ` at`, `^$`},
		shared + "--wait -A icmp":                             {exitOK, `^icmp cannot be tried: only TCP ports`, `^$`},
		shared + "--wait=1s -A tcp/" + closed:                 {exitClosed, `^$`, `still closed after 1s: refused: .*fwknopd why ADDRESS`},
		"-n gw --wait -t 0":                                   {exitOK, opens, `^$`},
		"-n gw -t 0 --proxy 127.0.0.1 " + open:                {exitOK, `^$`, `^$`},
		shared + "--proxy 127.0.0.1 " + open:                  {exitOK, `^$`, `^$`},
		encrypted + "--wait -s -A tcp/" + open:                {exitOK, opens, `^$`},
		encrypted + "--wait -s -A icmp":                       {exitOK, `^icmp cannot be tried: `, `^$`},
		encrypted + "--wait=1s -a 127.0.0.1 -A tcp/" + closed: {exitClosed, `^$`, `still closed after 1s: refused: .*fwknopd why 127\.0\.0\.1`},
		encrypted + "-s --proxy 127.0.0.1 " + open:            {exitOK, `^$`, `^$`},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t)
			r.rc(t, "[default]\nNAT_PORT 4000\n[gw]\nSPA_SERVER 127.0.0.1\nSHARED_SEQUENCE udp/7000\nACCESS tcp/"+open+"\n")
			code := r.run(t, strings.Fields(args)...)
			if code != want.code || !matches(want.stdout, r.stdout.String()) || !matches(want.stderr, r.stderr.String()) {
				t.Errorf("exit %d\n%s%s", code, r.stdout.String(), r.stderr.String())
			}
		})
	}
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// TestAdvice: each answer of a closed port has its meaning.
func TestAdvice(t *testing.T) {
	w := &waiting{allowed: netip.MustParseAddr("192.0.2.7"), sent: "it"}
	for want, errs := range map[string][]error{
		"no answer: it, or the server": {nil},
		"refused: ":                    {syscall.ECONNREFUSED},
		"unreachable: ":                {syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES},
		"dial: no buffer":              {errors.New("no buffer")},
	} {
		for _, err := range errs {
			if err != nil {
				err = &net.OpError{Op: "dial", Err: err}
			}
			if got := w.advice(err); !strings.HasPrefix(got, want) || strings.HasSuffix(got, "fwknopd why 192.0.2.7") == strings.HasPrefix(want, "dial") {
				t.Errorf("%v: %s", err, got)
			}
		}
	}
}

// TestWaitOpensLater: a port that opens because of the packet is noticed.
func TestWaitOpensLater(t *testing.T) {
	port := closedPort(t)
	to := onPacket(t, "127.0.0.1", func([]byte) {
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			t.Cleanup(func() { l.Close() })
		}
	})
	r := newRunner(t)
	if code := r.run(t, append(to, "-a", "127.0.0.1", "-A", "tcp/"+port, "--wait="+wait.Timeout.String())...); code != exitOK || !strings.Contains(r.stdout.String(), "open after") {
		t.Errorf("exit %d: %s%s", code, r.stdout.String(), r.stderr.String())
	}
}

// TestWaitIPv6: an address is tried of the family that is let in.
func TestWaitIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := newRunner(t)
	if code := r.run(t, append(onPacket(t, "::1", ignorePacket), "-a", "::1", "-A", "tcp/"+port, "--wait")...); code != exitOK || !strings.Contains(r.stdout.String(), " at ::1: open after") {
		t.Errorf("exit %d: %s%s", code, r.stdout.String(), r.stderr.String())
	}
	c := r.client()
	c.Options = newOptions(t)
	c.Client.Destination = "127.0.0.1"
	v4, v6, source := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("0.0.0.0")
	if a, err := c.addressOf(t.Context(), "127.0.0.1", v4, source); a != v4 || err != nil {
		t.Error(a, err)
	}
	if a, err := c.addressOf(t.Context(), "127.0.0.1", v4, v6); err == nil || !strings.Contains(err.Error(), "to try (ip6)") {
		t.Error(a, err)
	}
	if a, err := c.addressOf(t.Context(), "::1", v4, v6); a != netip.MustParseAddr("::1") || err != nil {
		t.Error(a, err)
	}
}

// TestWaitSavesArguments: what was sent is the last run, whether the port opened or not.
func TestWaitSavesArguments(t *testing.T) {
	r := newRunner(t)
	r.rc(t, "[default]\nKEY fwknoptest\n")
	port := closedPort(t)
	if code := r.run(t, "-D", "127.0.0.1", "-s", "-A", "tcp/"+port, "--wait=1ms"); code != exitClosed {
		t.Fatalf("exit %d: %s", code, r.stderr.String())
	}
	if code := r.run(t, "--show-last"); code != exitOK || !strings.Contains(r.stdout.String(), "--wait=1ms") {
		t.Errorf("exit %d: %s%s", code, r.stdout.String(), r.stderr.String())
	}
}
