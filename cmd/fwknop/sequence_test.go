package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// dryRun returns what --dry-run says about a sequence.
func (r *runner) dryRun(t *testing.T, args string) (s shownSequence) {
	t.Helper()
	if code := r.run(t, append(strings.Fields(args), "--dry-run", "--json")...); code != exitOK {
		t.Fatalf("%s: %d %s", args, code, r.stderr.String())
	}
	if err := json.Unmarshal(r.stdout.Bytes(), &s); err != nil {
		t.Fatalf("%s: %v: %s", args, err, r.stdout.String())
	}
	return s
}

// TestShared: where the knocks of a shared sequence come from.
func TestShared(t *testing.T) {
	of19, err := os.ReadFile("../../fixtures/knock/client/fwknoprc")
	if err != nil {
		t.Fatal(err)
	}
	const stanzas = `
[default]
TIME_DELAY 0.5
[gw]
SPA_SERVER gw.example
SHARED_SEQUENCE tcp/7000,udp/8000
[spa]
SPA_SERVER gw.example
SERVER_MODE pcap
SHARED_SEQUENCE tcp/7000
`
	for args, want := range map[string]struct {
		server, knocks string
		delay          float64
	}{
		"-D h --shared-sequence tcp/7,udp/8,ICMP,tcp/7":                       {"h", "tcp/7 udp/8 icmp tcp/7", 0.5},
		"-D h --shared-sequence icmp -t 0":                                    {"h", "icmp", 0},
		"-D 10.66.77.1 --Server-mode shared --no-rc-file --shared-seq udp/53": {"10.66.77.1", "udp/53", 1},
		"-D 10.66.77.1 --Server-mode shared":                                  {"10.66.77.1", "tcp/5387 udp/6390 icmp tcp/7840", 0.5},
		"-n gw":                                                               {"gw.example", "tcp/7000 udp/8000", 0.5},
		"-n gw --time-delay 3":                                                {"gw.example", "tcp/7000 udp/8000", 3},
		"-n gw -D h --server-mode SHARED":                                     {"h", "tcp/7000 udp/8000", 0.5},
		"-n gw --shared-sequence tcp/1":                                       {"gw.example", "tcp/1", 0.5},
		"-n spa --server-mode shared":                                         {"gw.example", "tcp/7000", 0.5},
		"-n spa --shared-sequence tcp/1 -4 -v":                                {"gw.example", "tcp/1", 0.5},
		"-n gw --no-save-args --quiet --no-home-dir --rc-file {rc}":           {"gw.example", "tcp/7000 udp/8000", 0.5},
	} {
		r := newRunner(t)
		r.rc(t, string(of19)+stanzas)
		s := r.dryRun(t, strings.ReplaceAll(args, "{rc}", filepath.Join(r.home, ".fwknoprc")))
		if s.Mode != modeShared || s.Server != want.server || strings.Join(s.Knocks, " ") != want.knocks || s.Delay != want.delay || s.Address+s.Port+s.User != "" {
			t.Errorf("%s: %+v", args, s)
		}
	}
}

// TestSharedOf19: with the rc file of the 1.9 client the knocks are those that it sent.
func TestSharedOf19(t *testing.T) {
	out, err := os.ReadFile("../../fixtures/knock/client/shared.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^    (?:-> \S+ ((?:tcp|udp)/\d+)|(icmp) echo)`).FindAllStringSubmatch(string(out), -1) {
		want = append(want, m[1]+m[2])
	}
	s := newRunner(t).dryRun(t, "-D 10.66.77.1 --Server-mode shared --rc-file ../../fixtures/knock/client/fwknoprc")
	if len(want) != 4 || !slices.Equal(s.Knocks, want) {
		t.Errorf("got %v, want %v", s.Knocks, want)
	}
}

// TestEncrypted: what an encrypted sequence asks for and how it is sent.
func TestEncrypted(t *testing.T) {
	const key = "--key-rijndael fwknoptest "
	for args, want := range map[string]shownSequence{
		"-D h -A tcp/22 -s -U alice --server-mode knock " + key:                {Address: "0.0.0.0", Port: "tcp/22", User: "alice", Offset: 61000},
		"-D h -A udp/53 -a 192.0.2.7 -U alice --Server-mode KNOCK -t 0 " + key: {Address: "192.0.2.7", Port: "udp/53", User: "alice", Offset: 61000},
		"-D h -A icmp -s -U averyverylongusername --server-mode knock " + key:  {Address: "0.0.0.0", Port: "icmp", User: "averyverylongusername", Offset: 61000},
		"-n gw":                {Address: "192.0.2.7", Port: "tcp/22", User: "bob", Offset: 40000},
		"-n gw --offset 50000": {Address: "192.0.2.7", Port: "tcp/22", User: "bob", Offset: 50000},
		"-n gw -A tcp/443 -s":  {Address: "0.0.0.0", Port: "tcp/443", User: "bob", Offset: 40000},
	} {
		r := newRunner(t)
		r.rc(t, "[default]\nHMAC_KEY hmactest1\n[gw]\nSERVER_MODE knock\nSPA_SERVER h\nACCESS tcp/22\nALLOW_IP 192.0.2.7\nSPOOF_USER bob\nKEY fwknoptest\nPORT_OFFSET 40000\nROTATE_PROTO Y\n")
		s := r.dryRun(t, args)
		if s.Mode != modeEncrypted || s.Server != "h" || s.Address != want.Address || s.Port != want.Port || s.User != want.User || s.Offset != want.Offset {
			t.Errorf("%s: %+v", args, s)
		}
		length, rotated := 32, strings.HasPrefix(args, "-n")
		if len(s.User) > 7 {
			length = 48
		}
		if len(s.Knocks) != length || strings.HasPrefix(s.Knocks[1], "udp/") != rotated || !strings.HasPrefix(s.Knocks[2], "tcp/") {
			t.Errorf("%s: %d knocks %v", args, len(s.Knocks), s.Knocks)
		}
		if again := r.dryRun(t, args); slices.Equal(again.Knocks, s.Knocks) {
			t.Errorf("%s: the same knocks twice, which servers refuse", args)
		}
		for _, secret := range []string{"fwknoptest", "hmactest1"} {
			if strings.Contains(r.stdout.String()+r.stderr.String(), secret) {
				t.Errorf("%s: a key is in %s", args, r.stdout.String())
			}
		}
	}
}

// TestDryRunSequence: the text form.
func TestDryRunSequence(t *testing.T) {
	r := newRunner(t)
	if code := r.run(t, strings.Fields("-D h -T -t 0.5 --shared-sequence tcp/7000,icmp")...); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	const want = "Shared sequence of 2 knocks, 0.5 s between two, not sent to h:\n   1  tcp/7000\n   2  icmp\n"
	if got := r.stdout.String(); got != want {
		t.Errorf("got\n%s", got)
	}
	if code := r.run(t, strings.Fields("-D h -T -s -A udp/53 -U alice --Server-mode knock --key-rijndael fwknoptest")...); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	for _, want := range []string{"Encrypted sequence of 32 knocks, 1 s between two, not sent to h:\n   1  tcp/61083\n", "\n  32  tcp/6",
		"\n  address      0.0.0.0\n  port         udp/53\n  user         alice\n  port offset  61000\n"} {
		if got := r.stdout.String(); !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestSequenceRefused(t *testing.T) {
	const (
		key    = " -U alice --key-rijndael fwknoptest"
		knock  = "-D h --Server-mode knock" + key
		shared = "-D h --shared-sequence tcp/7000"
	)
	for args, want := range map[string]string{
		"-D h -A tcp/22 -s --Server-mode sniff" + key:      "--Server-mode sniff: want pcap, knock or shared",
		"-D h -A tcp/22 -s --offset 5" + key:               "--offset goes with a port-knock sequence",
		"-D h -A tcp/22 -s --rotate-proto" + key:           "--rotate-proto goes with",
		"-D h -A tcp/22 -s -t 3" + key:                     "--time-delay goes with",
		shared + " --server-mode pcap -A tcp/22":           "--shared-sequence goes with",
		"--shared-sequence tcp/7000":                       "no server",
		"-D h --Server-mode shared":                        `a line "h: tcp/7000, udp/8000"`,
		"-D h --shared-sequence tcp/7000,":                 "empty entry",
		"-D h --shared-sequence 7000":                      "is not proto/port",
		"-D h --shared-sequence sctp/7000":                 "unknown protocol",
		"-D h --shared-sequence tcp/0":                     "no packet can be sent to tcp/0",
		"-D h --shared-sequence tcp/70000":                 "port",
		shared + " -t x":                                   "--time-delay x: want seconds",
		shared + " -t -1":                                  "--time-delay -1: want seconds",
		shared + " -t 1h":                                  "--time-delay 1h: want seconds",
		shared + " -t 99999":                               "--time-delay 99999: want seconds",
		shared + " -A tcp/22":                              "--access does not go with --Server-mode shared",
		shared + " --wait":                                 "--wait: which port does the shared sequence open? -A PROTO/PORT",
		shared + " --wait -T":                              "--wait: which port does the shared sequence open?",
		shared + " --wait=0 -A tcp/22":                     "--wait=0: want a time",
		shared + " --wait -A 22/tcp":                       "-A 22/tcp: ",
		shared + " --wait -A tcp/0":                        "there is no port tcp/0",
		shared + " --proxy h 22 -A tcp/80":                 "--proxy: tcp/22 is not what is asked for",
		shared + " -s":                                     "--source-ip does not go with",
		shared + " --rotate-proto":                         "--rotate-proto does not go with",
		shared + " -S 4000":                                "--source-port does not go with",
		knock + " -s":                                      "nothing is asked for",
		knock + " -A tcp/22":                               "which address",
		knock + " -A tcp/22,tcp/80 -s":                     "asks for one port",
		knock + " -A 22/tcp -s":                            "22/tcp",
		knock + " -A tcp/0 -s":                             "no port to open",
		knock + " -A tcp/22 -a 2001:db8::1":                "IPv4 address only",
		knock + " -A tcp/22 -s --offset 0":                 "--offset 0 is no port",
		knock + " -A tcp/22 -s --offset 70000":             "--offset 70000 is no port",
		knock + " -A tcp/22 -s --offset 65281":             "port offset 65281",
		knock + " -A tcp/22 -s -r":                         "--rand-port does not go with --Server-mode knock",
		knock + " -A tcp/22 -s -P udp":                     "--server-proto does not go with",
		knock + " -A tcp/22 -s --key-hmac hmactest1":       "--key-hmac does not go with",
		knock + " -A tcp/22 -s -f 30":                      "--fw-timeout does not go with",
		knock + " -A tcp/22 -s --shared-sequence tcp/7000": "--shared-sequence does not go with --Server-mode knock",
		"-D h --Server-mode knock -C w" + key:              "--server-cmd does not go with",
		"-D h -A tcp/22 -s --Server-mode knock -U " + strings.Repeat("u", 40) + " --key-rijndael fwknoptest": "has room for 39",
	} {
		r := newRunner(t)
		if code := r.run(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("%s: %d %s, want %s", args, code, r.stderr.String(), want)
		}
	}
	for text, want := range map[string]string{
		"[gw]\nSPA_SERVER h\nSHARED_SEQUENCE tcp/7000, tcp/8000\n":     ".fwknoprc:3: the shared sequence: empty entry",
		"h: tcp/7000, tcp/x\n[gw]\nSPA_SERVER h\nSERVER_MODE shared\n": ".fwknoprc:1: the shared sequence: ",
	} {
		r := newRunner(t)
		r.rc(t, text)
		if code := r.run(t, "-n", "gw", "-T"); code != exitError || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("%q: %d %s", text, code, r.stderr.String())
		}
	}
}

// TestSaveSequence: a saved stanza has the options of a sequence.
func TestSaveSequence(t *testing.T) {
	r := newRunner(t)
	if code := r.run(t, strings.Fields("-T -n gw -D h --shared-sequence tcp/7000,icmp -t 0.5 -A tcp/22 --save-rc-stanza")...); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	if code := r.run(t, "-n", "gw", "--wait", "-T"); code != exitOK {
		t.Errorf("the port to wait for is not saved: %s", r.stderr.String())
	}
	if s := r.dryRun(t, "-n gw"); strings.Join(s.Knocks, " ") != "tcp/7000 icmp" || s.Delay != 0.5 {
		t.Errorf("got %+v", s)
	}
}

// TestKnocksArrive: a TCP knock is a connection that is given up, a UDP knock a datagram,
// and what is sent is said.
func TestKnocksArrive(t *testing.T) {
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	port := func(a net.Addr) string {
		_, p, _ := net.SplitHostPort(a.String())
		return p
	}
	knocks := "udp/" + port(udp.LocalAddr()) + ",tcp/" + port(closed.Addr()) + ",tcp/" + port(tcp.Addr())
	r := newRunner(t)
	if code := r.run(t, "-v", "-D", "127.0.0.1", "-t", "0", "--shared-sequence", knocks); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	for i, k := range strings.Split(knocks, ",") {
		if want := "fwknop: knock " + string(rune('1'+i)) + " of 3, " + k + " to 127.0.0.1\n"; !strings.Contains(r.stderr.String(), want) {
			t.Errorf("%q is missing in %s", want, r.stderr.String())
		}
	}
	udp.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf := make([]byte, 10)
	if n, err := udp.Read(buf); err != nil || string(buf[:n]) != "0" {
		t.Errorf("%q %v", buf[:n], err)
	}
	if args, err := os.ReadFile(filepath.Join(r.home, ".fwknop.run")); err != nil || !strings.Contains(string(args), knocks) {
		t.Errorf("saved %q, %v", args, err)
	}
}
