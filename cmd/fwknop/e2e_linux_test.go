package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fwknopd/fixtures/gnupg"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// The end-to-end tests run the client against the daemon of Debian and ours, each in a
// private network, as root. All cases of a test are stanzas of one daemon, each with a
// port of its own.

const debianDaemon = "/usr/sbin/fwknopd"

// An e2eCase is one packet and what it is to open.
type e2eCase struct {
	name   string
	stanza string   // lines beside those of all cases
	args   []string // of the client; {port} is the port of the case, {dir} a folder of the test
	noHMAC bool
	gpg    bool   // no Rijndael key
	v6     bool   // sent over IPv6
	want   string // in the rules, or the path of a file that is to exist; "" is the port
}

// A knocked is a network with a daemon, and the client to test.
type knocked struct {
	*netlab.Lab
	t      *testing.T
	dir    string
	client string
	log    netlab.Output
}

// run starts the daemon with the stanzas of all cases, and sends a packet for each.
// every is a line of each stanza.
func run(t *testing.T, daemon, server, every string, ready func(log string) bool, cases []e2eCase) {
	k := newKnocked(t)
	if daemon == "" {
		daemon = build(t, k.dir, "fwknopd")
	}
	var access strings.Builder
	for i, c := range cases {
		access.WriteString(k.fill(c.access(i, every), i))
	}
	k.write("access.conf", access.String())
	k.write("fwknopd.conf", "PCAP_INTF "+netlab.ServerIf+"\n"+k.fill(server, 0))
	k.start(daemon, ready)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) { k.try(t, i, c) })
	}
}

// newKnocked returns a network without a daemon, and the client.
func newKnocked(t *testing.T) *knocked {
	t.Helper()
	k := &knocked{Lab: netlab.New(t), t: t, dir: t.TempDir()}
	for dir := k.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // for the worker of our daemon
			t.Fatal(err)
		}
	}
	k.AddInside(t)
	k.client = build(t, k.dir, "fwknop")
	return k
}

// build builds a program of this module.
func build(t *testing.T, dir, name string) string {
	t.Helper()
	bin := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-o", bin, "../"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// access returns the stanza of case i.
func (c *e2eCase) access(i int, every string) string {
	text := fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/{port}\nFW_ACCESS_TIMEOUT 60\n%s\n%s\n", every, c.stanza)
	if !c.gpg {
		text += fmt.Sprintf("KEY secret_of_case_%d\n", i)
	}
	if !c.noHMAC {
		text += fmt.Sprintf("HMAC_KEY hmac_of_case_%d\n", i)
	}
	return text
}

func (k *knocked) fill(s string, i int) string {
	return strings.NewReplacer("{port}", fmt.Sprint(3000+i), "{dir}", k.dir).Replace(s)
}

func (k *knocked) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *knocked) start(daemon string, ready func(log string) bool) {
	file := func(name string) string { return filepath.Join(k.dir, name) }
	cmd := k.Server.Command(daemon, "-f", "-c", file("fwknopd.conf"), "-a", file("access.conf"), "-d", file("digest"), "-p", file("pid"), "-r", k.dir)
	cmd.Stdout, cmd.Stderr = &k.log, &k.log
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if k.t.Failed() {
			k.t.Logf("the daemon said:\n%s", k.log.String())
		}
	})
	sockets := func() bool { // 2.6 logs first and binds then
		for _, name := range []string{"packet", "udp", "udp6"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", cmd.Process.Pid, name))
			if bytes.Count(text, []byte("\n")) > 1 {
				return true
			}
		}
		return false
	}
	if !wait.Until(wait.Timeout, func() bool { return ready(k.log.String()) && sockets() }) {
		k.t.Fatalf("%s does not start:\n%s", daemon, k.log.String())
	}
}

// try sends the packet of case i and waits for what it is to open.
func (k *knocked) try(t *testing.T, i int, c e2eCase) {
	to, from := k.Server.V4, k.Client.V4
	if c.v6 {
		to, from = k.Server.V6, k.Client.V6
	}
	args := k.clientArgs(i, c, to, from)
	cmd := k.Client.Command(k.client, args...)
	cmd.Env = append(os.Environ(), "HOME="+k.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fwknop %q: %v\n%s", args, err, out)
	}
	want := k.fill(c.want, i)
	if want == "" {
		want = k.fill("--dport {port} ", i)
	}
	if !wait.Until(wait.Timeout, func() bool { return k.there(t, want) }) {
		t.Errorf("fwknop %q did not open %q; the rules are\n%s", args, want, k.rules(t))
		k.t.Log(k.log.String())
	}
}

func (k *knocked) clientArgs(i int, c e2eCase, to, from netip.Addr) []string {
	args := []string{"-D", to.String(), "--no-rc-file"}
	for _, a := range c.args {
		args = append(args, k.fill(a, i))
	}
	if !slices.Contains(args, "-s") {
		args = append(args, "-a", from.String())
	}
	if !slices.Contains(args, "-C") && !slices.Contains(args, "-A") {
		args = append(args, "-A", k.fill("tcp/{port}", i))
	}
	if !c.gpg {
		args = append(args, "--key-rijndael", fmt.Sprintf("secret_of_case_%d", i))
	}
	if !c.noHMAC {
		args = append(args, "--key-hmac", fmt.Sprintf("hmac_of_case_%d", i))
	}
	return args
}

// there reports whether a file exists or a rule of the daemon has a text.
func (k *knocked) there(t *testing.T, want string) bool {
	if strings.HasPrefix(want, "/") {
		_, err := os.Stat(want)
		return err == nil
	}
	return strings.Contains(k.rules(t), want)
}

// rules returns the rules in the chains of the daemon.
func (k *knocked) rules(t *testing.T) string {
	var rules strings.Builder
	for _, command := range []string{"iptables -S", "iptables -t nat -S", "ip6tables -S"} {
		for line := range strings.Lines(k.Server.Run(t, command)) {
			if strings.HasPrefix(line, "-A FWKNOP_") {
				rules.WriteString(line)
			}
		}
	}
	return rules.String()
}

// rijndaelCases are the kinds of symmetric messages.
func rijndaelCases() (cases []e2eCase) {
	for _, digest := range digests {
		cases = append(cases, e2eCase{name: "HMAC and digest " + digest, stanza: "HMAC_DIGEST_TYPE " + digest, args: []string{"--hmac-digest-type", digest, "-m", digest}})
	}
	for _, mode := range []string{"CBC", "CTR", "OFB", "CFB", "ECB"} {
		cases = append(cases, e2eCase{name: "mode " + mode, stanza: "ENCRYPTION_MODE " + mode, args: []string{"-M", mode}})
	}
	return append(cases,
		e2eCase{name: "mode legacy", stanza: "ENCRYPTION_MODE legacy", args: []string{"-M", "legacy"}, noHMAC: true},
		e2eCase{name: "no HMAC", noHMAC: true},
		e2eCase{name: "no tag", args: []string{"--no-tag"}},
		e2eCase{name: "source of the packet", args: []string{"-s"}, want: "-s 10.77.0.2/32 -p tcp -m tcp --dport {port} "},
		e2eCase{name: "user", stanza: "REQUIRE_USERNAME alice", args: []string{"-U", "alice"}},
		e2eCase{name: "timeout", args: []string{"-f", "200"}},
		e2eCase{name: "clock", args: []string{"--time-offset-minus", "1min"}},
		e2eCase{name: "command", stanza: "ENABLE_CMD_EXEC Y", args: []string{"-C", "touch {dir}/ran"}, want: "{dir}/ran"},
		e2eCase{name: "NAT", args: []string{"-N", "10.78.0.2:22"}, want: "--to-destination 10.78.0.2:22"},
		e2eCase{name: "local NAT", args: []string{"--nat-local", "-A", "tcp/22", "--nat-port", "{port}", "-f", "50"}, want: "--to-destination 10.77.0.1:22"},
	)
}

// gpgCases are the kinds of OpenPGP messages.
func gpgCases(t *testing.T) []e2eCase {
	keys, err := filepath.Abs(gpgKeys)
	if err != nil {
		t.Fatal(err)
	}
	server, client := gnupg.Home(t, keys, "server.sec.asc", "client.pub.asc"), gnupg.Home(t, keys, "server.pub.asc", "client.sec.asc")
	gnupg.TrustAll(t, server) // 2.6 accepts no other signature
	recipient, _ := keyOf(t, "server")
	signer, _ := keyOf(t, "client")
	stanza := "GPG_ALLOW_NO_PW Y\nGPG_HOME_DIR " + server + "\nGPG_DECRYPT_ID " + recipient + "\nGPG_REMOTE_ID " + signer[32:] + "\n"
	ids := []string{"--gpg-recipient-key", recipient, "--gpg-signer-key", signer}
	files := append([]string{"--gpg-key-file", keys + "/server.pub.asc", "--gpg-key-file", keys + "/client.sec.asc"}, ids...)
	home := append([]string{"--gpg-home-dir", client, "--gpg-no-signing-pw"}, ids...)
	return []e2eCase{
		{name: "OpenPGP from files", stanza: stanza, args: files, gpg: true},
		{name: "OpenPGP by gpg", stanza: stanza, args: home, gpg: true},
		{name: "OpenPGP from files without HMAC", stanza: stanza, args: files, gpg: true, noHMAC: true},
		{name: "OpenPGP by gpg without HMAC", stanza: stanza, args: home, gpg: true, noHMAC: true},
	}
}

// carrierCases are the carriers.
func carrierCases() []e2eCase {
	return []e2eCase{
		{name: "UDP"},
		{name: "UDP to a random port", args: []string{"-r"}},
		{name: "UDP from a port", args: []string{"-S", "4000"}},
		{name: "TCP", args: []string{"-P", "tcp"}},
		{name: "HTTP", args: []string{"-P", "http", "-p", "62201"}},
		{name: "raw UDP from another address", args: []string{"-P", "udpraw", "-Q", "10.77.0.99"}},
		{name: "raw TCP", args: []string{"-P", "tcpraw"}},
		{name: "ICMP", args: []string{"-P", "icmp"}},
		{name: "ICMP echo request", args: []string{"-P", "icmp", "--icmp-type", "8"}},
	}
}

const (
	carriers  = "ENABLE_TCP_SERVER Y\nENABLE_SPA_OVER_HTTP Y\nPCAP_FILTER udp or tcp port 62201 or icmp"
	eventLoop = "main event loop."
	ours      = "ENABLE_IPT_FORWARDING Y\nENABLE_IPT_LOCAL_NAT Y\nFIREWALL_TYPE iptables\nFWKNOP_DIR {dir}/log\nFWKNOP_LIB_DIR {dir}/lib\n"
)

// TestE2EDebian: the daemon of Debian accepts every kind of message that it knows.
func TestE2EDebian(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables", "gpg", "go", debianDaemon)
	ready := func(log string) bool {
		return strings.Contains(log, "Kicking off UDP") || strings.Contains(log, eventLoop)
	}
	run(t, debianDaemon, "ENABLE_UDP_SERVER Y\nENABLE_IPT_FORWARDING Y\nENABLE_IPT_LOCAL_NAT Y\n", "", ready, append(rijndaelCases(), gpgCases(t)...))
}

// TestE2EDebianCarriers: if it can capture, it takes messages from every carrier.
func TestE2EDebianCarriers(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables", "go", debianDaemon)
	ready := func(log string) bool {
		if strings.Contains(log, "pcap capture not compiled in") { // Debian 13
			t.Skip("this build of 2.6 cannot capture")
		}
		return strings.Contains(log, eventLoop)
	}
	run(t, debianDaemon, carriers+"\nPCAP_DISPATCH_COUNT 1\n", "", ready, carrierCases())
}

func oursReady(log string) bool { return strings.Contains(log, eventLoop) }

// TestE2EOurs: our daemon accepts every kind of message over every carrier, over IPv4 and
// IPv6.
func TestE2EOurs(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables", "gpg", "go")
	cases := append(rijndaelCases(), gpgCases(t)...)
	cases = append(cases, carrierCases()...)
	cases = append(cases,
		e2eCase{name: "IPv6", v6: true},
		e2eCase{name: "IPv6 TCP", v6: true, args: []string{"-P", "tcp"}},
		e2eCase{name: "IPv6 HTTP", v6: true, args: []string{"-P", "http", "-p", "62201"}},
		e2eCase{name: "IPv6 raw UDP", v6: true, args: []string{"-P", "udpraw"}},
		e2eCase{name: "IPv6 raw TCP", v6: true, args: []string{"-P", "tcpraw"}},
		e2eCase{name: "IPv6 ICMP", v6: true, args: []string{"-P", "icmp"}},
	)
	run(t, "", carriers+" or icmp6\n"+ours, "INTERNAL_NET_ACCESS 10.0.0.0/8", oursReady, cases)
}
