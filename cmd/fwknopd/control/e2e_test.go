package control

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A host is a namespace with a configuration and the program.
type host struct {
	*netlab.NS
	t       *testing.T
	backend string
	dir     string
	program string
	conf    string
	limits  []string // command prefix that starts the daemon
}

const clientKey = "sixteen-letters-or-more"

func newHost(t *testing.T, backend string) *host {
	netlab.Need(t, "iptables", "nft", "fwknop", "go")
	h := &host{NS: netlab.New(t).Server, t: t, backend: backend, dir: t.TempDir(), conf: "etc/fwknop.conf"}
	h.program = filepath.Join(h.dir, "fwknopd")
	if out, err := exec.Command("go", "build", "-o", h.program, "fwknopd/cmd/fwknopd").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	h.write("etc/fwknop.conf", fmt.Sprintf("AUTH_MODE PCAP;\nPCAP_INTF lo;\nFIREWALL_TYPE %s;\nFWKNOP_DIR %s/log;\nFWKNOP_RUN_DIR %[2]s/run;\n"+
		"FWKNOP_LIB_DIR %[2]s/lib;\nALERTING_METHODS noemail, nosyslog;\n", backend, h.dir))
	h.write("etc/access.conf", "\nSOURCE: ANY;\nOPEN_PORTS: tcp/22, udp/53;\nKEY: "+clientKey+";\nFW_ACCESS_TIMEOUT: 60;\n")
	h.write("rc", "[default]\n")
	if backend == "nftables" {
		h.RunInput(t, "table inet filter { chain input { type filter hook input priority 0; policy accept; }; }", "nft -f -")
	}
	return h
}

func (h *host) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// fwknopd runs the program in the directory of the configuration, with relative paths.
func (h *host) fwknopd(args ...string) (code int, out string) {
	h.t.Helper()
	words := append(append(slices.Clip(h.limits), h.program), append(args, "-c", h.conf)...)
	cmd := h.Command(words[0], words[1:]...)
	cmd.Dir = h.dir
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

func (h *host) wants(wantCode int, want string, args ...string) {
	h.t.Helper()
	code, out := h.fwknopd(args...)
	if ok, err := regexp.MatchString(want, out); err != nil || !ok || code != wantCode {
		h.t.Errorf("fwknopd %q: %d\n%s\nwant %d and %s (%v)", args, code, out, wantCode, want, err)
	}
}

// start starts the daemon in the background.
func (h *host) start() {
	h.t.Helper()
	if code, out := h.fwknopd("-a", "etc/access.conf"); code != 0 {
		h.t.Fatalf("start: %d\n%s", code, out)
	}
	h.t.Cleanup(func() { h.fwknopd("-K") })
}

// knock sends an SPA packet with the real client.
func (h *host) knock(src, port string) {
	h.t.Helper()
	cmd := h.Command("fwknop", "-A", port, "-a", src, "-D", "127.0.0.1", "--key-rijndael", clientKey, "--no-home-dir",
		"-E", filepath.Join(h.dir, "args"), "--rc-file", filepath.Join(h.dir, "rc"))
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("client: %v\n%s", err, out)
	}
}

// An openGrant has the members of a listed grant that the tests look at.
type openGrant struct {
	Src, User string
	Ports     []string
	Stanza    int
	Left      *float64 `json:"remaining_s"`
}

// open waits until there are n grants and returns them.
func (h *host) open(n int) []openGrant {
	h.t.Helper()
	var doc struct{ Grants []openGrant }
	if !wait.Until(wait.Timeout, func() bool {
		code, out := h.fwknopd("grants", "list", "--json")
		if code != 0 || json.Unmarshal([]byte(out), &doc) != nil {
			h.t.Fatalf("grants list: %d\n%s", code, out)
		}
		return len(doc.Grants) == n
	}) {
		h.t.Fatalf("open: %+v, want %d", doc.Grants, n)
	}
	return doc.Grants
}

// wipe removes all rules, as another program might, and waits until the daemon has put
// back those of n grants, all at once.
func (h *host) wipe(n int) []openGrant {
	h.t.Helper()
	if h.backend == "nftables" {
		h.Run(h.t, "nft flush ruleset")
	} else {
		h.Run(h.t, "iptables -F")
	}
	return h.open(n)
}

func (h *host) pid() string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "run/fwknopd.pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestLive(t *testing.T) {
	for _, backend := range []string{"iptables", "nftables"} {
		t.Run(backend, func(t *testing.T) {
			h := newHost(t, backend)
			h.wants(0, `^\[\+\] knopwatchd pidfile does not exist\.\n`, "-S")
			h.start()
			before := stamp(t, filepath.Join(h.dir, "run/fwknopd.pid"))
			h.wants(0, `(?m)^\[\+\] fwknopd is running as pid: `+h.pid()+`$`, "-S")
			h.wants(0, `"worker_pid":[1-9]`, "-S", "--format", "json")
			check(t, "pid file behind -S", stamp(t, filepath.Join(h.dir, "run/fwknopd.pid")), before)
			h.wants(1, `already running \(pid=`+h.pid(), "-a", "etc/access.conf")
			lists(t, h)
			revokes(t, h)
			restarts(t, h)
			flushes(t, h)
			alone(t, h)
		})
	}
}

// lists checks the lines that scripts parse, and the additional ones.
func lists(t *testing.T, h *host) {
	h.knock("192.0.2.7", "tcp/22")
	h.knock("192.0.2.8", "tcp/22,udp/53")
	for _, g := range h.open(3) {
		if g.Stanza != 2 || g.User == "" || g.Left == nil || *g.Left <= 50 || *g.Left > 60 {
			t.Errorf("%+v", g)
		}
	}
	h.wants(0, `(?m)^1\s+ACCEPT\s+tcp.*dpt:22\s`, "--fw-list")
	h.wants(0, `(?m)\s192\.0\.2\.8\s.*_exp_\d{10} .*stanza 2, user "\w+", ends \w{3} .*s left$`, "--fw-list")
	h.wants(0, `^\[\+\] Listing rules in fwknop chains\.\.\.\n`, "--fw-list")
	h.wants(0, `(?s)policy\.\.\.\n.*192\.0\.2\.7.*`, "--fw-list-all")
	h.wants(0, `^num .*\n1 .*udp .*dpt:53 .*\n$`, "grants", "list", "--port", "udp/53")
	h.wants(0, `^\{"v":1,"grants":\[\]\}\n$`, "grants", "list", "--json", "--src", "192.0.2.9")
}

// revokes checks that the daemon does not restore a revoked grant.
func revokes(t *testing.T, h *host) {
	h.wants(0, `^closed tcp/22 for 192\.0\.2\.8\n$`, "grants", "revoke", "--src", "192.0.2.8", "--port", "tcp/22")
	h.wants(0, `^\[\+\] Closed: tcp/22 for 192\.0\.2\.7\n$`, "--fw-del-ip", "192.0.2.7")
	h.wants(0, `^\[-\] Nothing is open for 192\.0\.2\.7\n$`, "--fw-del-ip", "192.0.2.7")
	h.wants(0, `^\{"v":1,"grants":\[\]\}\n$`, "--fw-del-ip", "192.0.2.7", "--json")
	h.wants(1, `nothing of that is open`, "grants", "revoke", "--src", "192.0.2.7")
	if g := h.wipe(1)[0]; g.Src != "192.0.2.8" || g.Ports[0] != "udp/53" {
		t.Errorf("left: %+v", g)
	}
}

// restarts checks that -R starts another process with the old arguments in the old
// directory, and that grants stay open.
func restarts(t *testing.T, h *host) {
	old := h.pid()
	cmd := h.Command(h.program, "-R", "-c", filepath.Join(h.dir, "etc/fwknop.conf"))
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "[+] Restarting fwknop daemons.\n") {
		t.Fatalf("-R: %v\n%s", err, out)
	}
	if h.pid() == old {
		t.Error("still the old process")
	}
	h.wants(0, `fwknopd is running as pid: `+h.pid(), "-S")
	h.open(1)
	h.knock("192.0.2.9", "tcp/22")
	h.open(2)
}

// flushes checks that all grants are closed and stay closed, and that new ones open.
func flushes(t *testing.T, h *host) {
	h.wants(0, `(?i)^\[\+\] Flushing \w+ fwknop chains\.\.\.\n\[\+\] Flushed: fwknop_input\n`, "--fw-flush")
	h.open(0)
	h.knock("192.0.2.7", "tcp/22")
	h.open(1)
	h.wipe(1)
	h.wants(0, `(?i)\n\[\+\] Deleted: fwknop_input, `, "--fw-flush", "--fw-del-chains")
	h.open(0)
	h.knock("192.0.2.8", "tcp/22")
	h.open(1)
}

// alone checks that the commands work on the kernel if no daemon runs.
func alone(t *testing.T, h *host) {
	h.wants(0, `stopping daemon`, "-K")
	h.wants(0, `pidfile does not exist`, "-S")
	if left, err := filepath.Glob(filepath.Join(h.dir, "run/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	h.open(1)
	h.wants(0, `^closed tcp/22 for 192\.0\.2\.8\n$`, "grants", "revoke", "--all")
	h.open(0)
	h.wants(0, `(?i)Deleted: fwknop_input`, "--fw-flush", "--fw-del-chains")
	if strings.Contains(strings.ToLower(h.Run(t, "nft list ruleset")), "fwknop") {
		t.Error("something of ours is left in the firewall")
	}
	h.wants(0, `(?mi)^\[-\] Chain: fwknop_input does not exist\.$`, "--fw-flush")
	h.wants(0, `(?mi)^\[-\] Table: .*, chain: fwknop_input, does not exist$`, "--fw-list")
}

// A monitor that hangs is killed together with its worker, and a new daemon starts in
// spite of the stale pid file.
func TestLiveKillOfAFrozenDaemon(t *testing.T) {
	h := newHost(t, "iptables")
	h.start()
	pid := h.pid()
	h.Run(t, "kill -STOP "+pid)
	before := time.Now()
	h.wants(0, `stopping daemon`, "-K")
	if took := time.Since(before); took < termWait {
		t.Errorf("killed after %v", took)
	}
	if n, err := strconv.Atoi(pid); err != nil || !zombie(n) {
		t.Errorf("it is alive (%v)", err)
	}
	h.start()
	h.wants(0, `fwknopd is running`, "-S")
}

// The capabilities of the systemd unit are enough.
func TestLiveWithTheRightsOfTheUnit(t *testing.T) {
	text, err := os.ReadFile("../unit/fwknopd.service")
	if err != nil {
		t.Fatal(err)
	}
	bounds := "-all"
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok {
			for name := range strings.FieldsSeq(list) {
				bounds += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
			}
		}
	}
	if bounds == "-all" {
		t.Fatal("the unit has no CapabilityBoundingSet")
	}
	for _, backend := range []string{"iptables", "nftables"} {
		t.Run(backend, func(t *testing.T) {
			h := newHost(t, backend)
			netlab.Need(t, "setpriv")
			h.limits = []string{"setpriv", "--bounding-set", bounds}
			h.start()
			h.knock("192.0.2.7", "tcp/22")
			h.open(1)
			h.wipe(1)
			h.wants(0, "^closed", "grants", "revoke", "--all")
			h.wants(0, `"worker_pid":[1-9]`, "-S", "--format", "json")
			h.wants(0, "stopping", "-K")
		})
	}
}

// The lines and exit codes that scripts for the 2.6 daemon expect, with its files.
func TestLiveWithFilesOf26(t *testing.T) {
	h := newHost(t, "iptables")
	h.conf = "etc/fwknopd.conf"
	h.write(h.conf, "PCAP_INTF lo;\nFWKNOP_RUN_DIR "+h.dir+"/run;\nFWKNOP_LIB_DIR "+h.dir+"/lib;\nFWKNOP_DIR "+h.dir+"/log;\nFLUSH_IPT_AT_EXIT N;\n")
	h.write("etc/access.conf", "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY "+clientKey+"\nFW_ACCESS_TIMEOUT 60\n")
	h.wants(1, `^No running fwknopd detected\.\n$`, "--status")
	h.wants(1, `^No running fwknopd detected\.\n$`, "-K")
	h.start()
	pid := h.pid()
	h.wants(0, `^Detected fwknopd is running \(pid=`+pid+`\)\.\n$`, "--status")
	h.knock("192.0.2.7", "tcp/22")
	h.open(1)
	h.wants(0, `(?s)^Listing rules in fwknopd iptables chains\.\.\.\n.*\n1 +ACCEPT +tcp .* 192\.0\.2\.7 .*dpt:22 .*_exp_\d+ `, "--fw-list")
	events := filepath.Join(h.dir, "log/events.jsonl")
	if err := os.Rename(events, events+".1"); err != nil {
		t.Fatal(err)
	}
	h.wants(0, `^Sent restart signal to fwknopd \(pid=`+pid+`\)\n$`, "-R")
	wait.For(t, "a new event log", func() bool { _, err := os.Stat(events); return err == nil })
	h.wants(0, `^Detected fwknopd is running \(pid=`+pid+`\)\.\n$`, "--status")
	h.open(1)
	h.wants(0, `^Deleting any existing firewall rules\.\.\.\n$`, "--fw-flush")
	h.open(0)
	h.wants(0, `^Killed fwknopd \(pid=`+pid+`\) via SIGTERM\n$`, "-K")
	h.wants(1, `^No running fwknopd detected\.\n$`, "--status")
}
