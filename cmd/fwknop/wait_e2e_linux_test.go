package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

const (
	openPort  = 3000 // an echo server of Server and of Inside, behind the firewall
	rejected  = 3002 // rejected if it is not let in; the others are dropped
	waitKeys  = "KEY fwknoptest\nHMAC_KEY hmactest1\n"
	waitRules = "SOURCE ANY\nOPEN_PORTS tcp/3000,tcp/3001\nPERMIT_CLIENT_PORTS Y\nINTERNAL_NET_ACCESS 10.0.0.0/8\nFW_ACCESS_TIMEOUT 60\n"
)

// behindFirewall returns a network in which our daemon opens a firewall that drops, with
// echo servers behind it.
func behindFirewall(t *testing.T) *knocked {
	k := newKnocked(t)
	k.Server.Tables(t, "iptables", fmt.Sprintf("-A INPUT -p tcp --dport %d -j REJECT --reject-with tcp-reset", rejected))
	k.Server.ClosedTables(t, "iptables", "INPUT", "FORWARD")
	netlab.Serve(t, k.Server, "tcp", openPort)
	netlab.Serve(t, k.Inside, "tcp", openPort)
	k.write("access.conf", waitRules+waitKeys)
	k.write("fwknopd.conf", "PCAP_INTF "+netlab.ServerIf+"\n"+k.fill(ours, 0))
	k.start(build(t, k.dir, "fwknopd"), oursReady)
	return k
}

// knock runs the client with input, and returns its exit code.
func (k *knocked) knock(t *testing.T, input []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	base := []string{"--no-rc-file", "--no-save-args", "--key-hmac", "hmactest1"}
	if !slices.Contains(args, "--key-rijndael") {
		base = append(base, "--key-rijndael", "fwknoptest")
	}
	var out, said bytes.Buffer
	cmd := k.Client.Command(k.client, append(base, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &said
	cmd.Env = append(os.Environ(), "HOME="+k.dir)
	if err := cmd.Run(); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	return code, out.String(), said.String()
}

// openAfter is what --wait ends with. The daemon may be faster than the client's first look.
const openAfter = `open after \d+ ms(, at the first try: it may have been open before)?\n$`

// TestE2EWait: the client notices when the daemon opens a port, and knows what a closed one
// answers.
func TestE2EWait(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "iptables", "ip6tables", "go")
	k := behindFirewall(t)
	long := "--wait=" + wait.Timeout.String()
	for _, tt := range []struct {
		name, args     string
		code           int
		stdout, stderr string // patterns
	}{
		{"wrong key", "-D 10.77.0.1 -a 10.77.0.2 -A tcp/3000 --wait=1s --key-rijndael another_secret", exitClosed, `^$`, `still closed after 1s: no answer: .*; on the server: fwknopd why 10\.77\.0\.2\n$`},
		{"rejected", "-D 10.77.0.1 -a 10.77.0.2 -A tcp/3002 --wait=2s --key-rijndael another_secret", exitClosed, `^$`, `refused: .*fwknopd why 10\.77\.0\.2\n$`},
		{"rejected over IPv6", "-D fd77::1 -a fd77::2 -A tcp/3002 --wait=2s --key-rijndael another_secret", exitClosed, `^$`, `refused: .*fwknopd why fd77::2\n$`},
		{"no program", "-D 10.77.0.1 -a 10.77.0.2 -A tcp/3001 --wait=8s", exitClosed, `^$`, `refused: no program`},
		{"IPv4", "-D 10.77.0.1 -a 10.77.0.2 -A tcp/3000 " + long, exitOK, `^tcp/3000 at 10\.77\.0\.1: ` + openAfter, `^$`},
		{"IPv6", "-D fd77::1 -s -A tcp/3000 " + long, exitOK, `^tcp/3000 at fd77::1: ` + openAfter, `^$`},
		{"NAT", "-D 10.77.0.1 -a 10.77.0.2 -A tcp/3000 -N 10.78.0.2 --nat-rand-port " + long, exitOK, `^connect to port (\d+)\ntcp/\d+ at 10\.77\.0\.1: ` + openAfter, `^$`},
	} {
		code, stdout, stderr := k.knock(t, nil, strings.Fields(tt.args)...)
		if code != tt.code || !matches(tt.stdout, stdout) || !matches(tt.stderr, stderr) {
			t.Errorf("%s: exit %d\n%s%s", tt.name, code, stdout, stderr)
		}
	}
}

// TestE2EProxy: as ProxyCommand of ssh the client opens the port and passes on all bytes
// both ways, and the end of each.
func TestE2EProxy(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables", "go")
	k := behindFirewall(t)
	long := "--wait=" + wait.Timeout.String()
	data := make([]byte, 32<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	for name, args := range map[string]string{
		"IPv4":         "-a 10.77.0.2 --proxy 10.77.0.1 3000",
		"IPv6":         "-s --proxy fd77::1 3000",
		"server apart": "-D 10.77.0.1 -a fd77::2 --proxy fd77::1 3000",
		"random port":  "-a 10.77.0.2 --proxy 10.77.0.1 3000 -N 10.78.0.2 --nat-rand-port",
	} {
		code, stdout, stderr := k.knock(t, data, append(strings.Fields(args), long)...)
		if code != exitOK || stdout != string(data) {
			t.Errorf("%s: exit %d, %d of %d bytes\n%s", name, code, len(stdout), len(data), stderr)
		}
	}
	code, stdout, stderr := k.knock(t, data, "-a", "10.77.0.9", "--proxy", "10.77.0.1", "3001", "--wait=300ms")
	if code != exitClosed || stdout != "" || !strings.Contains(stderr, "no answer") {
		t.Errorf("exit %d, %d bytes\n%s", code, len(stdout), stderr)
	}
}
