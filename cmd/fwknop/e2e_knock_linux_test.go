package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A sequenceCase is a stanza with a sequence, and the client's arguments. Knocks without a pause
// may be logged in another order, if the client moves to another processor in between.
type sequenceCase struct {
	name    string
	stanza  string // beside the source and the port, which is {port}
	args    string // {client} is the address of the client
	v6      bool
	noRoot  bool   // the client runs as a user without rights
	refused string // the reason; "" if the port is to be opened
	says    string // what the client prints, a pattern; "" for nothing
	code    int    // of the client
}

var sequenceCases = []sequenceCase{
	{name: "shared", stanza: "SHARED_SEQUENCE: tcp/7000, udp/7001, icmp, tcp/7002;", args: "--shared-sequence tcp/7000,udp/7001,icmp,tcp/7002 -t 0.02"},
	{name: "shared over IPv6", v6: true, stanza: "SHARED_SEQUENCE: tcp/7100, udp/7101, icmp, tcp/7102;", args: "--shared-sequence tcp/7100,udp/7101,icmp,tcp/7102 -t 0.02"},
	{name: "ping socket", noRoot: true, stanza: "SHARED_SEQUENCE: udp/7200, icmp, tcp/7202;", args: "--shared-sequence udp/7200,icmp,tcp/7202 -t 0.02"},
	{name: "ping socket over IPv6", noRoot: true, v6: true, stanza: "SHARED_SEQUENCE: udp/7300, icmp, tcp/7302;", args: "--shared-sequence udp/7300,icmp,tcp/7302 -t 0.02"},
	{name: "time between", stanza: "SHARED_SEQUENCE: tcp/7400, tcp/7401;\nMIN_TIME_DIFF: 1;", args: "--shared-sequence tcp/7400,tcp/7401 -t 1.3"},
	{name: "wrong order", stanza: "SHARED_SEQUENCE: tcp/7500, udp/7501, tcp/7502;", args: "--shared-sequence tcp/7500,tcp/7502,udp/7501 -t 0.02", refused: "knock.wrong_port"},
	{name: "too fast", stanza: "SHARED_SEQUENCE: tcp/7600, tcp/7601;\nMIN_TIME_DIFF: 1;", args: "--shared-sequence tcp/7600,tcp/7601 -t 0.02", refused: "knock.too_fast"},

	{name: "encrypted", stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 10000;\nKEY: publickey77x;\nREQUIRE_USERNAME: alice;", args: "--Server-mode knock --offset 10000 -s -A tcp/{port} -U alice --key-rijndael publickey77x -t 0.02"},
	{name: "encrypted with an address", stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 11000;\nKEY: publickey77x;", args: "--Server-mode knock --offset 11000 -a {client} -A tcp/{port} -U averyverylongusername --key-rijndael publickey77x -t 0.02"},
	{name: "encrypted by TCP and UDP", stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 12000;\nKEY: a_key_of_some_more_letters;", args: "--Server-mode knock --offset 12000 --rotate-proto -s -A tcp/{port} --key-rijndael a_key_of_some_more_letters -t 0.02"},
	{name: "encrypted over IPv6", v6: true, stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 13000;\nKEY: publickey77x;", args: "--Server-mode knock --offset 13000 -s -A tcp/{port} --key-rijndael publickey77x -t 0.02"},
	{name: "encrypted with another key", stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 14000;\nKEY: publickey77x;", args: "--Server-mode knock --offset 14000 -s -A tcp/{port} --key-rijndael publickey77y -t 0.02", refused: "knock.decrypt_failed"},

	{name: "shared and waited for", stanza: "SHARED_SEQUENCE: tcp/7700, udp/7701;", args: "--shared-sequence tcp/7700,udp/7701 -t 0.02 -A tcp/{port} {wait}", says: opened},
	{name: "shared over IPv6 and waited for", v6: true, stanza: "SHARED_SEQUENCE: tcp/7800, udp/7801;", args: "--shared-sequence tcp/7800,udp/7801 -t 0.02 -A tcp/{port} {wait}", says: opened},
	{name: "shared, for another program", stanza: "SHARED_SEQUENCE: tcp/7900, udp/7901;", args: "--shared-sequence tcp/7900,udp/7901 -t 0.02 --proxy {server} {port} {wait}"},
	{name: "shared and waited for in vain", stanza: "SHARED_SEQUENCE: tcp/8000, udp/8001, tcp/8002;", args: "--shared-sequence tcp/8000,tcp/8002,udp/8001 -t 0.02 -A tcp/{port} --wait=1s",
		refused: "knock.wrong_port", code: exitClosed, says: `^fwknop: tcp/{port} at {server} is still closed after 1s: no answer: a knock did not arrive, or the sequence was refused; on the server: fwknopd why ADDRESS`},
	{name: "encrypted and waited for", stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 15000;\nKEY: publickey77x;", args: "--Server-mode knock --offset 15000 -a {client} -A tcp/{port} --key-rijndael publickey77x -t 0.02 {wait}", says: opened},
	{name: "encrypted over IPv6 and waited for", v6: true, stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 16000;\nKEY: publickey77x;", args: "--Server-mode knock --offset 16000 -s -A tcp/{port} --key-rijndael publickey77x -t 0.02 {wait}", says: opened},
	{name: "encrypted and waited for in vain", stanza: "ENCRYPT_SEQUENCE;\nPORT_OFFSET: 17000;\nKEY: publickey77x;", args: "--Server-mode knock --offset 17000 -a {client} -A tcp/{port} --key-rijndael publickey77y -t 0.02 --wait=1s",
		refused: "knock.decrypt_failed", code: exitClosed, says: `still closed after 1s: no answer: .*; on the server: fwknopd why {client}`},
}

// opened is what the client says of a port that opened.
const opened = `^tcp/{port} at {server}: ` + openAfter

// TestE2ESequences: our daemon finds the client's knocks in the kernel log; what they ask
// for is opened, and closed on time.
func TestE2ESequences(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "iptables", "ip6tables", "setpriv", "go")
	netlab.KernelLog(t)
	k := &knocked{Lab: netlab.New(t), t: t, dir: t.TempDir()}
	for dir := k.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // for the worker, and for the client where it is not root
			t.Fatal(err)
		}
	}
	k.client = build(t, k.dir, "fwknop")
	k.loggingFirewall()
	var access strings.Builder
	for i, c := range sequenceCases {
		access.WriteString(k.fill("SOURCE: ANY;\n"+c.stanza+"\nOPEN_PORTS: tcp/{port};\nFW_ACCESS_TIMEOUT: 6;\n", i))
		netlab.Serve(t, k.Server, "tcp", portOfCase(i))
	}
	k.write("access.conf", access.String())
	k.write("fwknopd.conf", fmt.Sprintf("PCAP_INTF %s;\nINGEST KMSG,UDP;\nFIREWALL_TYPE iptables;\nFWKNOP_DIR %s/log;\nFWKNOP_LIB_DIR %[2]s/lib;\n", netlab.ServerIf, k.dir))
	k.start(build(t, k.dir, "fwknopd"), func(log string) bool { return strings.Contains(log, eventLoop) })
	k.echoRefused()
	k.Client.Sysctl(t, "net.ipv4.ping_group_range", "0 65535")
	for i, c := range sequenceCases {
		t.Run(c.name, func(t *testing.T) { k.sequence(t, i, c) })
	}
	for i, c := range sequenceCases {
		if c.refused == "" && !wait.Until(wait.Timeout, func() bool { return !k.open(i, c) }) {
			t.Errorf("%s: the port is not closed", c.name)
		}
	}
}

func portOfCase(i int) uint16 { return uint16(3000 + i) } // as knocked.fill

// loggingFirewall drops and logs all that is new, and counts the knocks of a case.
func (k *knocked) loggingFirewall() {
	k.Server.Tables(k.t, "iptables", "-A INPUT -i lo -j ACCEPT")
	k.Server.ClosedTables(k.t, "iptables", "INPUT")
	k.Server.Tables(k.t, "iptables", "-A INPUT -p tcp --dport 7400", "-A INPUT -j LOG --log-prefix "+k.Server.Name)
}

// echoRefused: without the right to ICMP the client sends no part of a sequence, and says
// what it needs.
func (k *knocked) echoRefused() {
	k.t.Helper()
	k.Client.Sysctl(k.t, "net.ipv4.ping_group_range", "1 0") // for root too: a raw socket does
	out, code := k.runClient(true, "-D", k.Server.V4.String(), "--shared-sequence", "tcp/7400,icmp", "-t", "0")
	if code != exitError || !strings.Contains(out, "net.ipv4.ping_group_range") {
		k.t.Errorf("without rights: %d %s", code, out)
	}
	if n := k.counted(); n != "0" {
		k.t.Errorf("%s knocks were sent", n)
	}
}

// counted returns how many packets came to port 7400.
func (k *knocked) counted() string {
	for line := range strings.Lines(k.Server.Run(k.t, "iptables -nvxL INPUT")) {
		if strings.Contains(line, "dpt:7400") {
			return strings.Fields(line)[0]
		}
	}
	k.t.Fatal("no rule counts")
	return ""
}

// runClient returns what the client prints, and its exit code.
func (k *knocked) runClient(noRoot bool, args ...string) (string, int) {
	k.t.Helper()
	argv := append([]string{k.client, "--no-rc-file", "--no-save-args"}, args...)
	if noRoot {
		argv = append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}, argv...)
	}
	cmd := k.Client.Command(argv[0], argv[1:]...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		k.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// sequence sends the sequence of case i.
func (k *knocked) sequence(t *testing.T, i int, c sequenceCase) {
	to, from := k.addresses(c)
	if k.open(i, c) {
		t.Fatal("open before")
	}
	fill := func(s string) string {
		return strings.NewReplacer("{client}", from.String(), "{server}", to.String(), "{wait}", "--wait="+wait.Timeout.String()).Replace(k.fill(s, i))
	}
	args := strings.Fields(fill(c.args))
	out, code := k.runClient(c.noRoot, append(args, "-D", to.String())...)
	if code != c.code || c.says == "" && out != "" || !matches(fill(c.says), out) {
		t.Fatalf("fwknop %q: exit %d\n%s", args, code, out)
	}
	if c.refused == "" {
		if !wait.Until(wait.Timeout, func() bool { return k.open(i, c) }) {
			t.Errorf("fwknop %q did not open the port; events:\n%s", args, k.events())
		}
	} else if !wait.Until(wait.Timeout, func() bool { return strings.Contains(k.events(), `"`+c.refused+`"`) }) || k.open(i, c) {
		t.Errorf("fwknop %q: open or not refused with %s; events:\n%s", args, c.refused, k.events())
	}
	if c.name == "time between" && k.counted() != "1" { // it would be sent again after a second
		t.Errorf("%s SYNs were sent for one knock", k.counted())
	}
}

func (k *knocked) addresses(c sequenceCase) (to, from netip.Addr) {
	if c.v6 {
		return k.Server.V6, k.Client.V6
	}
	return k.Server.V4, k.Client.V4
}

// open reports whether a connection to the port of case i carries data.
func (k *knocked) open(i int, c sequenceCase) bool {
	to, _ := k.addresses(c)
	return netlab.CanConnect(k.Client, to, portOfCase(i), 200*time.Millisecond)
}

func (k *knocked) events() string {
	text, _ := os.ReadFile(filepath.Join(k.dir, "log", "events.jsonl"))
	return string(text)
}
