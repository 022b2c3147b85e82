package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/gnupg"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// The 2.6 daemon and ours get the same configuration and packets, each in its own
// network with the same addresses. The open ports are compared, and the logs: ours must
// contain the lines in which 2.6 reports a fact.

// A besideCase is one row of the comparison.
type besideCase struct {
	name           string
	args           []string   // of the daemon
	server, access string     // lines in addition to those of all cases
	knocks         [][]string // arguments of the client, one packet each
	again          bool       // the last packet is sent a second time, unchanged
	facts          []string   // lines that both must log: the last packet has been processed
	ours           string     // what only our log must have: 2.6 does not always write it
	quiet          bool       // nothing is open at the end
	sniffs         bool       // needs a 2.6 that captures; that of Debian 13 only listens
	spaced         bool       // the packets arrive in different seconds
	differs        string     // why and how open ports differ on purpose
	unsaid         string     // expression for lines of 2.6 that we do not log; with differs or obvious
}

// A peer is one of the two daemons.
type peer struct {
	*netlab.Lab
	t       *testing.T
	program string
	inside  bool // it needs INTERNAL_NET_ACCESS for translations, which 2.6 does not know
	dir     string
	log     netlab.Output
	cmd     *exec.Cmd
}

const (
	besideStanza = "SOURCE ANY\nKEY fwknoptest\nHMAC_KEY hmactest1\nFW_ACCESS_TIMEOUT 30\n"
	besideSSH    = besideStanza + "OPEN_PORTS tcp/22\n"
	besideNAT    = "ENABLE_IPT_FORWARDING Y\n"
)

// keyed returns client arguments with the keys of [besideStanza] and the client's own
// address.
func keyed(args ...string) []string {
	return append([]string{"--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1", "--use-hmac", "-a", "10.77.0.2"}, args...)
}

func newPeer(t *testing.T, program string) *peer {
	p := &peer{Lab: netlab.New(t), t: t, program: program, dir: t.TempDir()}
	p.AddInside(t)
	return p
}

func (p *peer) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) args(more ...string) []string {
	return append([]string{"-c", filepath.Join(p.dir, "f.conf"), "-a", filepath.Join(p.dir, "a.conf"), "-d", filepath.Join(p.dir, "digest"),
		"-p", filepath.Join(p.dir, "pid"), "-r", p.dir}, more...)
}

func (p *peer) start(server, access string, more ...string) {
	p.t.Helper()
	// Of several packets in one dispatch 2.6 processes only the last.
	p.write("f.conf", "PCAP_INTF "+netlab.ServerIf+"\nRULES_CHECK_THRESHOLD 2\nPCAP_DISPATCH_COUNT 1\n"+server)
	if p.inside && strings.Contains(server, besideNAT) && !strings.Contains(access, "FORCE_NAT") {
		access += "INTERNAL_NET_ACCESS 10.0.0.0/8\n"
	}
	p.write("a.conf", access)
	p.log = netlab.Output{}
	p.cmd = p.Server.Command(p.program, p.args(append([]string{"-f"}, more...)...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.cmd
	p.t.Cleanup(func() { cmd.Process.Kill() })
	tcp := strings.Contains(server, "ENABLE_TCP_SERVER Y")
	if !wait.Until(10*time.Second, func() bool { return begun.MatchString(p.log.String()) && p.receives(tcp) }) {
		p.t.Fatalf("%s does not start:\n%s", p.program, p.log.String())
	}
}

// begun matches the last line that 2.6 logs before it reads packets.
var begun = regexp.MustCompile(`main event loop\.|Kicking off UDP`)

// receives reports whether the daemon has opened its sockets: 2.6 binds those of its
// servers after it has logged that it starts them.
func (p *peer) receives(tcp bool) bool {
	table := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", p.cmd.Process.Pid, name))
		if err != nil {
			p.t.Fatal(err)
		}
		_, sockets, _ := strings.Cut(string(text), "\n")
		return sockets
	}
	const listening = " 0A "
	return (table("packet") != "" || table("udp") != "" || table("udp6") != "") &&
		(!tcp || strings.Contains(table("tcp")+table("tcp6"), listening))
}

// end stops the daemon and returns its exit code.
func (p *peer) end() int {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		p.t.Fatalf("%s does not end", p.program)
	}
	for _, name := range []string{"digest", "digest.state"} {
		os.Remove(filepath.Join(p.dir, name))
	}
	return p.cmd.ProcessState.ExitCode()
}

// knock sends a packet made by the real client.
func (p *peer) knock(args ...string) {
	p.t.Helper()
	p.write("rc", "")
	all := slices.Concat([]string{"-D", p.Server.V4.String(), "--no-save-args", "--rc-file", filepath.Join(p.dir, "rc"), "-B", filepath.Join(p.dir, "packet")}, args)
	cmd := p.Client.Command("fwknop", all...)
	cmd.Env = append(os.Environ(), "HOME="+p.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("fwknop %v: %v\n%s", args, err, out)
	}
}

// repeat sends the last packet again.
func (p *peer) repeat() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "packet"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.Client.Do(func() {
		conn, err := net.Dial("udp", netip.AddrPortFrom(p.Server.V4, spaPort).String())
		if err != nil {
			p.t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte(strings.TrimSpace(string(text))))
	})
}

var (
	// besideMatch matches what 2.6 does not write: the end, and the limit of translations
	// to what is sent to this host.
	besideMatch = regexp.MustCompile(` -m time --datestop \S+| -m addrtype --dst-type LOCAL| -m comment --comment ("[^"]*"|\S+)`)
	besideTimes = regexp.MustCompile(`(expires at|expire time of|Entry created:|difference is too great) \(?[\d/: ]+`)
	// besideFirst matches details that our in-memory store does not keep.
	besideFirst = regexp.MustCompile(`, Original dst proto/port: \d+/\d+`)
)

// state returns what is open, one rule per line, without times.
func (p *peer) state() (rules []string) {
	for _, table := range []string{"filter", "nat"} {
		for line := range strings.Lines(p.Server.Run(p.t, "iptables -t "+table+" -S")) {
			if strings.HasPrefix(line, "-A FWKNOP_") {
				rules = append(rules, besideMatch.ReplaceAllString(strings.TrimSpace(line), ""))
			}
		}
	}
	slices.Sort(rules)
	return rules
}

// said returns the lines of the log, without times and markers.
func (p *peer) said() (lines []string) {
	for line := range strings.Lines(p.log.String()) {
		line = strings.TrimSpace(line)
		for _, sign := range []string{"[+] ", "[-] ", "[*] "} {
			line = strings.TrimPrefix(line, sign)
		}
		lines = append(lines, besideTimes.ReplaceAllString(besideFirst.ReplaceAllString(line, ""), "$1 N"))
	}
	return lines
}

// boilerplate matches lines of 2.6 that are not about a packet.
var boilerplate = regexp.MustCompile(`^(Run directory|Successfully created|Starting fwknopd$|Added jump rule|iptables 'comment'|Sniffing interface|PCAP filter|` +
	`Gracefully leaving|Shutting Down|Warning:|Could not create digest|Using Digest Cache|Reading pcap file|fko_|` +
	`pcap capture not compiled in|Kicking off UDP server|\(stanza #\d+\) Non-corresponding HMAC|` + // of 2.6.11
	`Killing the TCP server|(Fatal )?run_(tcp|udp)_server|$)`) // a server interrupted while it exits

// besideCases cover the features of 2.6.
var besideCases = []besideCase{
	{name: "access", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Added access rule"}},
	{name: "two ports", access: besideStanza, knocks: [][]string{keyed("-A", "tcp/22,udp/53")}, facts: []string{"Added access rule"}},
	{name: "port denied", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/23")}, facts: []string{"ports was denied"}, quiet: true},
	{name: "port restricted", access: besideStanza + "RESTRICT_PORTS tcp/22\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"ports was denied"}, quiet: true},
	{name: "replay", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, again: true, facts: []string{"Replay detected from source IP"}},
	{name: "too old", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "--time-offset-minus", "600")}, facts: []string{"time difference is too great"}, quiet: true},
	{name: "from the future", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "--time-offset-plus", "600")}, facts: []string{"time difference is too great"}, quiet: true},
	{name: "no ageing", server: "ENABLE_SPA_PACKET_AGING N\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "--time-offset-minus", "600")}, facts: []string{"Added access rule"}},
	{name: "longer age", server: "MAX_SPA_PACKET_AGE 900\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "--time-offset-minus", "600")}, facts: []string{"Added access rule"}},
	{name: "wrong user", access: besideSSH + "REQUIRE_USERNAME alice\n", knocks: [][]string{keyed("-A", "tcp/22", "--spoof-user", "bob")}, facts: []string{"does not match required username"}, quiet: true},
	{name: "right user", access: besideSSH + "REQUIRE_USERNAME alice\n", knocks: [][]string{keyed("-A", "tcp/22", "--spoof-user", "alice")}, facts: []string{"Added access rule"}},
	{name: "source required", access: besideSSH + "REQUIRE_SOURCE_ADDRESS Y\n", knocks: [][]string{{"--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1", "--use-hmac", "-s", "-A", "tcp/22"}}, facts: []string{"Got 0.0.0.0 when valid source IP was required"}, quiet: true},
	{name: "source of the packet", access: besideSSH, knocks: [][]string{{"--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1", "--use-hmac", "-s", "-A", "tcp/22"}}, facts: []string{"Added access rule"}},
	{name: "another address", access: besideSSH, knocks: [][]string{{"--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1", "--use-hmac", "-a", "192.0.2.7", "-A", "tcp/22"}}, facts: []string{"Added access rule"}},
	{name: "spoofed source", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-Q", "10.77.0.99", "-P", "udpraw")}, facts: []string{"Added access rule"}},
	{name: "stanza expired", access: besideSSH + "ACCESS_EXPIRE_EPOCH 1234\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Access stanza has expired"}, quiet: true},
	{name: "stanza expired by date", access: besideSSH + "ACCESS_EXPIRE 03/05/2011\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Access stanza has expired"}, quiet: true},
	{name: "no stanza for the source", access: strings.Replace(besideSSH, "SOURCE ANY", "SOURCE 192.0.2.0/24", 1), knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"No access data found for source IP"}, quiet: true},
	{name: "list of sources", access: strings.Replace(besideSSH, "SOURCE ANY", "SOURCE 192.0.2.0/24,10.77.0.0/255.255.255.0", 1), knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Added access rule"}},
	// 2.6 logs nothing about the first packet; the line about the second shows that it processed both.
	{name: "not this destination", access: strings.Replace(besideSSH, "ANY", "10.77.0.2", 1) + "DESTINATION 192.0.2.1\n", knocks: [][]string{keyed("-A", "tcp/22"), keyed("-A", "tcp/22", "-Q", "10.77.0.99", "-P", "udpraw")}, facts: []string{"No access data found for source IP: 10.77.0.99"}, quiet: true},
	{name: "this destination", sniffs: true, access: besideSSH + "DESTINATION 10.77.0.1/32\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Added access rule"}},
	{name: "second stanza", access: strings.Replace(besideSSH, "fwknoptest", "othersecret", 1) + besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"(stanza #2) SPA Packet", "Added access rule"}},
	{name: "wrong key", access: strings.Replace(besideSSH, "fwknoptest", "othersecret", 1), knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Decryption failed"}, quiet: true},
	{name: "wrong HMAC key", access: strings.Replace(besideSSH, "hmactest1", "othermac1", 1), knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"received with access source match"}, quiet: true},
	{name: "no HMAC in the packet", access: besideSSH, knocks: [][]string{{"--key-rijndael", "fwknoptest", "-a", "10.77.0.2", "-A", "tcp/22"}}, facts: []string{"received with access source match"}, quiet: true},
	{name: "no HMAC at all", access: "SOURCE ANY\nKEY fwknoptest\nOPEN_PORTS tcp/22\n", knocks: [][]string{{"--key-rijndael", "fwknoptest", "-a", "10.77.0.2", "-A", "tcp/22"}}, facts: []string{"Added access rule"}},
	{name: "legacy mode", access: "SOURCE ANY\nKEY fwknoptest\nENCRYPTION_MODE legacy\n", knocks: [][]string{{"--key-rijndael", "fwknoptest", "-M", "legacy", "-a", "10.77.0.2", "-A", "tcp/22"}}, facts: []string{"Added access rule"}},
	{name: "base64 keys", access: "SOURCE ANY\nKEY_BASE64 Zndrbm9wdGVzdA==\nHMAC_KEY_BASE64 aG1hY3Rlc3Qx\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Added access rule"}},
	{name: "shorter timeout", access: "SOURCE ANY\nKEY fwknoptest\nHMAC_KEY hmactest1\nFW_ACCESS_TIMEOUT 1\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Removed rule"}, quiet: true},
	{name: "timeout of the client", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-f", "1")}, facts: []string{"Removed rule"}, quiet: true},
	{name: "longest timeout", access: besideSSH + "MAX_FW_TIMEOUT 1\n", knocks: [][]string{keyed("-A", "tcp/22", "-f", "60")}, facts: []string{"Removed rule"}, quiet: true},
	{name: "output", server: "ENABLE_IPT_OUTPUT Y\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"FWKNOP_OUTPUT"}},
	{name: "destination rule", sniffs: true, server: "ENABLE_DESTINATION_RULE Y\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Added access rule"}},
	{name: "another chain", server: "IPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_MINE, 1\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"FWKNOP_MINE"}},
	{name: "NAT", server: besideNAT, access: besideStanza, knocks: [][]string{keyed("-A", "tcp/55000", "-N", "10.78.0.2:22")}, facts: []string{"FWKNOP_FORWARD", "FWKNOP_PREROUTING"}, differs: besideForward},
	{name: "NAT is off", access: besideStanza, knocks: [][]string{keyed("-A", "tcp/55000", "-N", "10.78.0.2:22")}, facts: []string{"requested NAT access, but is not enabled"}, quiet: true},
	{name: "NAT by name is off", server: besideNAT + "ENABLE_NAT_DNS N\n", access: besideStanza, knocks: [][]string{keyed("-A", "tcp/55000", "-N", "inside.invalid:22")}, facts: []string{"hostname is disabled"}, quiet: true},
	{name: "NAT with SNAT", server: besideNAT + "ENABLE_IPT_SNAT Y\nSNAT_TRANSLATE_IP 10.78.0.1\n", access: besideStanza, knocks: [][]string{keyed("-A", "tcp/55000", "-N", "10.78.0.2:22")}, facts: []string{"FWKNOP_POSTROUTING"}, differs: besideForward},
	{name: "NAT with masquerading", server: besideNAT + "ENABLE_IPT_SNAT Y\n", access: besideStanza, knocks: [][]string{keyed("-A", "tcp/55000", "-N", "10.78.0.2:22")}, facts: []string{"FWKNOP_MASQUERADE"}, differs: besideForward},
	{name: "local NAT", server: "ENABLE_IPT_LOCAL_NAT Y\n", access: besideStanza, knocks: [][]string{keyed("-A", "tcp/55000", "--nat-local", "-N", "10.77.0.1:22")}, facts: []string{"FWKNOP_PREROUTING"}, differs: besideForward},
	{name: "FORCE_NAT", server: besideNAT, access: besideSSH + "FORCE_NAT 10.78.0.2 2222\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"FWKNOP_FORWARD"}, differs: besideForward},
	{name: "FORCE_SNAT", server: besideNAT + "ENABLE_IPT_SNAT Y\n", access: besideSSH + "FORCE_NAT 10.78.0.2 2222\nFORCE_SNAT 10.78.0.1\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"FWKNOP_FORWARD"}, differs: besideForward},
	{name: "FORCE_MASQUERADE", server: besideNAT + "ENABLE_IPT_SNAT Y\n", access: besideSSH + "FORCE_NAT 10.78.0.2 2222\nFORCE_MASQUERADE Y\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"FWKNOP_FORWARD"}, differs: besideForward},
	{name: "FORWARD_ALL", server: besideNAT, access: besideStanza + "FORWARD_ALL Y\n", knocks: [][]string{keyed("-A", "tcp/22", "-N", "10.78.0.2:22")}, facts: []string{"FWKNOP_FORWARD"}, differs: besideForward},
	{name: "DISABLE_DNAT", server: besideNAT, access: besideStanza + "FORWARD_ALL Y\nDISABLE_DNAT Y\n", knocks: [][]string{keyed("-A", "tcp/22", "-N", "10.78.0.2:22")}, facts: []string{"FWKNOP_FORWARD"}, differs: besideForward},
	{name: "command off", access: besideStanza, knocks: [][]string{keyed("-C", "touch DIR/ran")}, facts: []string{"Command messages are not allowed"}, quiet: true},
	{name: "command", access: besideStanza + "ENABLE_CMD_EXEC Y\n", knocks: [][]string{keyed("-C", "touch DIR/ran")}, facts: []string{"Processing SPA Command message"}, quiet: true},
	// The SIGCHLD handler of 2.6 may reap a command that ends at once; 2.6 then logs the status 0.
	{name: "command fails", access: besideStanza + "ENABLE_CMD_EXEC Y\n", knocks: [][]string{keyed("-C", "timeout 0.5 sleep 60")}, facts: []string{"pid_status: 124"}, quiet: true},
	{name: "command as a user", access: besideStanza + "ENABLE_CMD_EXEC Y\nCMD_EXEC_USER nobody\nCMD_EXEC_GROUP nobody\n", knocks: [][]string{keyed("-C", "true")}, facts: []string{"setuid/setgid"}, quiet: true},
	{name: "command that is not there", access: besideStanza + "ENABLE_CMD_EXEC Y\n", knocks: [][]string{keyed("-C", "/nonexistent x")}, facts: []string{"CMD_EXEC: command returned 0, pid_status: "}, ours: "pid_status: 255", quiet: true, unsaid: "run_extcmd|pid_status: 0"},
	{name: "command cycle", access: besideStanza + "CMD_CYCLE_OPEN /usr/bin/touch DIR/opened-$IP-$PORT\nCMD_CYCLE_CLOSE /usr/bin/touch DIR/closed-$IP-$PORT\nCMD_CYCLE_TIMER 1\n", knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Timer expired, running CMD_CYCLE_CLOSE"}, quiet: true},
	{name: "TCP carrier", sniffs: true, server: "PCAP_FILTER tcp port 62201\nENABLE_TCP_SERVER Y\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-P", "tcp")}, facts: []string{"Added access rule"}},
	{name: "raw TCP carrier", sniffs: true, server: "PCAP_FILTER tcp port 62201\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-P", "tcpraw", "-Q", "10.77.0.2")}, facts: []string{"Added access rule"}},
	{name: "ICMP carrier", sniffs: true, server: "PCAP_FILTER icmp\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-P", "icmp", "-Q", "10.77.0.2")}, facts: []string{"Added access rule"}},
	{name: "HTTP carrier", sniffs: true, server: "PCAP_FILTER tcp port 80\nENABLE_SPA_OVER_HTTP Y\nENABLE_TCP_SERVER Y\nTCPSERV_PORT 80\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-P", "http", "-p", "80")}, facts: []string{"Added access rule"}},
	{name: "UDP server", server: "ENABLE_UDP_SERVER Y\n", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Kicking off UDP server to listen on port 62201.", "Added access rule"}},
	{name: "packet limit", args: []string{"-C", "1"}, access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"count limit of 1 reached", "Added access rule"}, quiet: true},
	{name: "new digest cache", args: []string{"--rotate-digest-cache"}, access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Added access rule"}, unsaid: "digest (cache )?file"},
	{name: "another filter on the command line", sniffs: true, args: []string{"-P", "udp port 5555"}, access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22", "-p", "5555")}, facts: []string{"Added access rule"}},
	{name: "only a test", args: []string{"--test"}, access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"received with access source match"}, quiet: true, unsaid: "--test mode enabled"},
	{name: "UDP server by an option", args: []string{"-U"}, access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Kicking off UDP server to listen on port 62201.", "Added access rule"}},
	{name: "keys in the wrong stanza", access: strings.Replace(besideSSH, "ANY", "192.0.2.7", 1) + strings.Replace(besideSSH, "fwknoptest", "othersecret", 1), knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"Decryption failed"}, quiet: true},
	{name: "port of the second stanza", access: strings.Replace(besideSSH, "tcp/22", "tcp/80", 1) + besideSSH, knocks: [][]string{keyed("-A", "tcp/22")}, facts: []string{"ports was denied", "Added access rule"}},
	{name: "user of the second stanza", access: besideSSH + "REQUIRE_USERNAME alice\n" + besideSSH + "REQUIRE_USERNAME bob\n", knocks: [][]string{keyed("-A", "tcp/22", "--spoof-user", "bob")}, facts: []string{"does not match required username", "Added access rule"}},
	{name: "asked for twice", access: besideSSH, knocks: [][]string{keyed("-A", "tcp/22"), keyed("-A", "tcp/22")}, spaced: true, differs: "a rule for each request: ours lets the later end hold", facts: []string{"Added access rule"}},
}

// besideForward is the deliberate difference of translations.
const besideForward = "ours names the client and the target in every chain; that of 2.6 lets everything through that goes to the target's port"

// TestE2EBeside26 compares open ports, exit codes and the facts logged.
func TestE2EBeside26(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "fwknop", "iptables", "gpg", cDaemon)
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := newPeer(t, cDaemon), newPeer(t, bin)
	ours.inside = true
	for _, hmac := range []string{"md5", "sha1", "sha256", "sha384", "sha512"} {
		besideCases = append(besideCases, besideCase{name: "HMAC " + hmac, access: besideSSH + "HMAC_DIGEST_TYPE " + hmac + "\n",
			knocks: [][]string{keyed("-A", "tcp/22", "--hmac-digest-type", hmac, "-m", hmac)}, facts: []string{"Added access rule"}})
	}
	theirs.start("", besideSSH)
	canSniff := !strings.Contains(theirs.log.String(), "pcap capture not compiled in")
	theirs.end()
	for _, c := range append(besideCases, besideGPG(t)...) {
		t.Run(c.name, func(t *testing.T) {
			theirs.t, ours.t = t, t
			if c.sniffs && !canSniff {
				t.Skip("this build of 2.6 cannot capture")
			}
			c.run(t, theirs, ours)
		})
	}
}

// besideGPG returns the cases with OpenPGP messages.
func besideGPG(t *testing.T) []besideCase {
	client, signer := clientHome(t)
	server := gpgHome(t, "server.sec.asc", "client.pub.asc")
	gnupg.TrustAll(t, server) // 2.6 accepts no other signature
	recipient := keyID(t, server, true)
	const unknown = "89ABCDEF"
	// Our daemon loads only listed keys and does not know the fingerprints of others.
	const stranger = "Incoming SPA data signed by"
	stanza := "SOURCE ANY\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 30\nGPG_ALLOW_NO_PW Y\nGPG_HOME_DIR " + server + "\nGPG_DECRYPT_ID " + recipient + "\n"
	signed := stanza + "GPG_REMOTE_ID " + signer[32:] + "\n"
	asked := func(more ...string) []string {
		return append([]string{"-a", "10.77.0.2", "-A", "tcp/22", "--gpg-recipient-key", recipient, "--gpg-signer-key", signer, "--gpg-home-dir", client, "--gpg-no-signing-pw"}, more...)
	}
	hmac := []string{"--key-hmac", "hmactest1", "--use-hmac"}
	granted := []string{"Added access rule"}
	return []besideCase{
		{name: "GPG", access: signed, knocks: [][]string{asked()}, facts: granted},
		{name: "GPG and HMAC", access: signed + "HMAC_KEY hmactest1\n", knocks: [][]string{asked(hmac...)}, facts: granted},
		{name: "GPG, wrong HMAC key", access: signed + "HMAC_KEY othermac1\n", knocks: [][]string{asked(hmac...)}, facts: []string{"received with access source match"}, quiet: true},
		{name: "GPG replay", access: signed, knocks: [][]string{asked()}, again: true, facts: []string{"Replay detected from source IP"}},
		{name: "GPG signer not listed", access: stanza + "GPG_REMOTE_ID " + unknown + "\n", knocks: [][]string{asked()}, facts: []string{"not in the GPG_REMOTE_ID list"}, quiet: true, unsaid: stranger},
		{name: "GPG without a look at signatures", access: stanza + "GPG_DISABLE_SIG Y\n", knocks: [][]string{asked()}, facts: granted},
		{name: "GPG by fingerprint", access: stanza + "GPG_FINGERPRINT_ID " + signer + "\n", knocks: [][]string{asked()}, facts: granted},
		{name: "GPG by another fingerprint", access: stanza + "GPG_FINGERPRINT_ID " + recipient + "\n", knocks: [][]string{asked()}, facts: []string{"is not in the GPG_"}, quiet: true, unsaid: stranger + "|but that fingerprint"},
		{name: "GPG port denied", access: strings.Replace(signed, "tcp/22", "tcp/80", 1), knocks: [][]string{asked()}, facts: []string{"ports was denied"}, quiet: true},
		{name: "GPG too old", access: signed, knocks: [][]string{asked("--time-offset-minus", "600")}, facts: []string{"time difference is too great"}, quiet: true},
		{name: "GPG beside Rijndael, by the former", access: signed + "KEY fwknoptest\n", knocks: [][]string{asked()}, facts: granted},
		{name: "GPG beside Rijndael, by the latter", access: signed + "KEY fwknoptest\n", knocks: [][]string{{"--key-rijndael", "fwknoptest", "-a", "10.77.0.2", "-A", "tcp/22"}}, facts: granted},
	}
}

func (c *besideCase) run(t *testing.T, theirs, ours *peer) {
	states, codes := make(map[*peer][]string), make(map[*peer]int)
	for _, p := range []*peer{theirs, ours} {
		fill := func(s string) string { return strings.ReplaceAll(s, " DIR/", " "+p.dir+"/") }
		p.start(c.server, fill(c.access), c.args...)
		for _, args := range c.knocks {
			filled := make([]string, len(args))
			for i, a := range args {
				filled[i] = fill(a)
			}
			p.knock(filled...)
			if c.spaced {
				wait.Until(10*time.Second, func() bool { return strings.Contains(p.log.String(), c.facts[0]) })
				second := time.Now().Unix()
				wait.Until(2*time.Second, func() bool { return time.Now().Unix() > second })
			}
		}
		if c.again {
			p.repeat()
		}
	}
	for _, fact := range c.facts {
		for _, p := range []*peer{theirs, ours} {
			if !wait.Until(10*time.Second, func() bool { return strings.Contains(p.log.String(), fact) }) {
				t.Errorf("%s does not say %q", filepath.Base(filepath.Dir(p.program)), fact)
			}
		}
	}
	if !strings.Contains(ours.log.String(), c.ours) {
		t.Errorf("we do not say %q", c.ours)
	}
	wait.Until(5*time.Second, func() bool { // both may still be at work; the result is checked below
		open, mine := theirs.state(), ours.state()
		return (len(open) == 0) == c.quiet && (len(mine) == 0) == c.quiet &&
			slices.Equal(open, mine) == (c.differs == "") && len(c.unmatched(theirs, ours)) == 0
	})
	for _, p := range []*peer{theirs, ours} {
		states[p] = p.state()
		codes[p] = p.end()
		if left := p.state(); len(left) != 0 {
			t.Errorf("%s leaves %q", p.program, left)
		}
	}
	if quiet := len(states[theirs]) == 0; quiet != c.quiet {
		t.Errorf("2.6 has open %q", states[theirs])
	}
	if same := slices.Equal(states[theirs], states[ours]); same == (c.differs != "") {
		t.Errorf("open (difference on purpose: %q)\n2.6:  %s\nours: %s", c.differs, strings.Join(states[theirs], "\n      "), strings.Join(states[ours], "\n      "))
	}
	if codes[theirs] != codes[ours] {
		t.Errorf("exit codes %d and %d", codes[theirs], codes[ours])
	}
	for _, line := range c.unmatched(theirs, ours) {
		t.Errorf("only 2.6 says:  %s", line)
	}
	if t.Failed() {
		t.Logf("ours said:\n%s\n2.6 said:\n%s", ours.log.String(), theirs.log.String())
	}
}

// unmatched returns the lines that 2.6 logs about a packet and ours does not.
func (c *besideCase) unmatched(theirs, ours *peer) (lines []string) {
	said := ours.said()
	for _, line := range theirs.said() {
		line = strings.ReplaceAll(line, theirs.dir, ours.dir)
		exempt := boilerplate.MatchString(line) || c.unsaid != "" && regexp.MustCompile(c.unsaid).MatchString(line)
		if !exempt && !slices.Contains(said, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// After a change back to the 2.6 daemon it refuses what ours has granted, by the cache
// that is exported for it.
func TestE2EBackTo26(t *testing.T) {
	t.Parallel()
	netlab.Need(t, cDaemon, "fwknop", "iptables")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, bin)
	p.start("", besideSSH)
	p.knock(keyed("-A", "tcp/22")...)
	p.waitFor("Added access rule")
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
	journal, cache := filepath.Join(p.dir, "digest"), filepath.Join(p.dir, "digest26")
	if out, err := exec.Command(bin, "digests", "export", "--format", "2.6", "-c", filepath.Join(p.dir, "f.conf"), "-d", journal, cache).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Rename(cache, journal); err != nil {
		t.Fatal(err)
	}
	p.program = cDaemon
	p.start("", besideSSH)
	p.repeat()
	p.waitFor("Replay detected from source IP: 10.77.0.2")
	if rules := p.state(); len(rules) != 0 {
		t.Errorf("open: %q", rules)
	}
	p.knock(keyed("-A", "tcp/22")...)
	p.waitFor("Added access rule")
	p.end()
}

// waitFor waits until the log contains text.
func (p *peer) waitFor(text string) {
	p.t.Helper()
	if !wait.Until(wait.Timeout, func() bool { return strings.Contains(p.log.String(), text) }) {
		p.t.Fatalf("%s never said %q:\n%s", p.program, text, p.log.String())
	}
}
