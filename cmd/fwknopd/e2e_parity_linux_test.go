package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/spa"
)

// A recording is a site that records the packets its interface receives and the log that
// the daemon follows, in one part for each configuration.
type recording struct {
	*site
	parts    []*part
	dump     *exec.Cmd
	dumpSaid *netlab.Output
	id       int // IP identification of the last log line
}

// A part holds the input and the decisions of the daemon under one configuration.
type part struct {
	dir       string   // its files: a copy of the configuration, digests at the start, log, capture
	decisions []string // of the live daemon
}

func (p *part) file(name string) string { return filepath.Join(p.dir, name) }

// part starts or reloads the daemon with a configuration and begins to record.
func (r *recording) part(server, access string) {
	r.t.Helper()
	p := &part{dir: filepath.Join(r.dir, fmt.Sprintf("part%d", len(r.parts)))}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	server += fmt.Sprintf("DIGEST_FILE %[1]s/digests;\nIPT_SYSLOG_FILE %[1]s/kern.log;\n", r.dir)
	r.write(filepath.Base(p.dir)+"/kern.log", "")
	if len(r.parts) > 0 {
		digests, err := os.ReadFile(filepath.Join(r.dir, "digests"))
		if err != nil {
			r.t.Fatal(err)
		}
		r.write(filepath.Base(p.dir)+"/digests", string(digests))
	}
	r.parts = append(r.parts, p)
	r.capture(p.file("frames.pcap"))
	r.configure(server, access)
	for _, name := range []string{"fwknopd.conf", "access.conf"} {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			r.t.Fatal(err)
		}
		r.write(filepath.Base(p.dir)+"/"+name, string(text))
	}
	if len(r.parts) == 1 {
		if err := os.WriteFile(filepath.Join(r.dir, "kern.log"), nil, 0o644); err != nil {
			r.t.Fatal(err)
		}
		r.start()
		return
	}
	// The daemon may have noticed the change of one file before the other was written.
	r.reload()
}

// capture records what the interface receives; the daemon does not read what it sends. In
// immediate mode each slot of the buffer has the snapshot length: with the defaults it has
// eight, and a burst was lost.
func (r *recording) capture(file string) {
	r.t.Helper()
	dump := r.Server.Command("tcpdump", "-Z", "root", "-i", netlab.ServerIf, "-Q", "in", "-U", "--immediate-mode", "-s", "4096", "-B", "16384", "--nano", "-w", file)
	r.dumpSaid = new(netlab.Output)
	dump.Stderr = r.dumpSaid
	if err := dump.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { dump.Process.Kill(); dump.Wait() })
	wait.For(r.t, "the capture", func() bool { st, err := os.Stat(file); return err == nil && st.Size() > 0 })
	r.dump = dump
}

// end ends a part: it sends a last packet, and a last knock if the daemon reads the log,
// and waits for the decisions on them, which follow all others of the same source.
func (r *recording) end(knocks bool) {
	r.t.Helper()
	p := r.parts[len(r.parts)-1]
	user, src := fmt.Sprintf("last%d", len(r.parts)), fmt.Sprintf("10.77.1.%d", len(r.parts))
	last := r.message(packetKey(), func(m *spa.Message) { m.User = user })
	r.send(r.Client.V4, last)
	wait.For(r.t, "the last packet", func() bool { return strings.Contains(r.events(), fmt.Sprintf(`"user":%q`, user)) })
	if knocks {
		r.sequence(src, time.Second, "", 7000, 8000, 9000)
		wait.For(r.t, "the last knock", func() bool { return strings.Contains(r.events(), fmt.Sprintf(`"src_ip":%q`, src)) })
	}
	wait.For(r.t, "its capture", func() bool {
		text, err := os.ReadFile(p.file("frames.pcap"))
		return err == nil && bytes.Contains(text, last)
	})
	r.dump.Process.Signal(syscall.SIGINT)
	if err := r.dump.Wait(); err != nil {
		r.t.Fatalf("tcpdump: %v", err)
	}
	if !strings.Contains(r.dumpSaid.String(), "\n0 packets dropped by kernel") {
		r.t.Fatalf("the capture is not whole: %s", r.dumpSaid)
	}
	r.state()
	p.decisions = decisions(r.t, r.events())
	for _, earlier := range r.parts[:len(r.parts)-1] {
		p.decisions = p.decisions[len(earlier.decisions):]
	}
}

// message returns a packet of a valid message with a change.
func (r *recording) message(key spa.Key, change func(*spa.Message)) []byte {
	r.t.Helper()
	m := spa.Message{User: "alice", Time: time.Now().Unix(), Version: "3.0.0", Type: spa.Access, Text: fmt.Sprintf("%s,tcp/%d", r.Client.V4, e2ePort)}
	change(&m)
	p, err := spa.Encode(&m, key, spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// send sends datagrams, each from a different port, so that none is a copy of another.
func (r *recording) send(src netip.Addr, payloads ...[]byte) {
	r.t.Helper()
	for _, p := range payloads {
		r.Client.Do(func() {
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0)))
			if err != nil {
				r.t.Error(err)
				return
			}
			defer c.Close()
			if _, err := c.WriteToUDPAddrPort(p, netip.AddrPortFrom(r.Server.V4, spaPort)); err != nil {
				r.t.Error(err)
			}
		})
	}
}

// logged appends a SYN to the log, with the name of the logging program.
func (r *recording) logged(at time.Time, program, src string, port int, options string) {
	r.t.Helper()
	r.id++
	line := fmt.Sprintf("%s lab %s [  100.000000] IN=srv0 OUT= SRC=%s DST=10.77.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=%d DF PROTO=TCP SPT=%d DPT=%d WINDOW=64240 RES=0x00 SYN URGP=0 %s\n",
		at.Format(time.Stamp), program, src, r.id, 40000+r.id, port, options)
	for _, name := range []string{filepath.Join(r.dir, "kern.log"), r.parts[len(r.parts)-1].file("kern.log")} {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err = f.WriteString(line); err != nil {
			r.t.Fatal(err)
		}
		f.Close()
	}
}

// sequence logs knocks with a gap between them; the last is now.
func (r *recording) sequence(src string, gap time.Duration, options string, ports ...int) {
	r.t.Helper()
	at := time.Now().Add(-gap * time.Duration(len(ports)-1))
	for i, port := range ports {
		r.logged(at.Add(gap*time.Duration(i)), "kernel:", src, port, options)
	}
}

// decisions returns the decisions in an event log or in the output of replay, one line
// each, without the fields that depend on the time of the decision.
func decisions(t testing.TB, text string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break // incomplete, being written
		}
		var d map[string]any
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if d["event_type"] == "suppressed" {
			t.Fatal("the daemon did not tell every refusal")
		}
		if d["event_type"] != "decision" || d["verdict"] == "expired" {
			continue
		}
		for _, name := range []string{"timestamp", "input", "v"} {
			delete(d, name)
		}
		for part, names := range map[string][]string{"grant": {"expires"}, "would_grant": {"expires"}, "detail": {"age_s", "first_seen"}} {
			for _, name := range names {
				if m, ok := d[part].(map[string]any); ok {
					delete(m, name)
				}
			}
		}
		out, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(out))
	}
	return lines
}

// replay returns the decisions of a replay of a part.
func (r *recording) replay(p *part, options ...string) []string {
	r.t.Helper()
	bin, err := program()
	if err != nil {
		r.t.Fatal(err)
	}
	args := append([]string{"replay", "-c", p.file("fwknopd.conf"), "-a", p.file("access.conf"), "--format", "jsonl"}, options...)
	if _, err := os.Stat(p.file("digests")); err == nil {
		args = append(args, "-d", p.file("digests"))
	}
	cmd := exec.Command(bin, append(args, p.file("kern.log"), p.file("frames.pcap"))...)
	var say bytes.Buffer
	cmd.Stderr = &say
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("replay: %v\n%s", err, say.String())
	}
	return decisions(r.t, string(out))
}

// compare replays a part and compares the decisions one by one, separately for packets
// and knocks, because the order between the two sources is not determined.
func (r *recording) compare(p *part, options ...string) {
	r.t.Helper()
	replayed := r.replay(p, options...)
	for _, mode := range []string{"spa", "knock"} {
		live, again := ofMode(p.decisions, mode), ofMode(replayed, mode)
		for i := range max(len(live), len(again)) {
			was, is := "nothing", "nothing"
			if i < len(live) {
				was = live[i]
			}
			if i < len(again) {
				is = again[i]
			}
			if was != is {
				r.t.Errorf("%s, %s, decision %d of %d live, of %d in the replay:\nlive   %s\nreplay %s",
					filepath.Base(p.dir), mode, i+1, len(live), len(again), was, is)
				break
			}
		}
	}
}

func ofMode(decisions []string, mode string) (list []string) {
	for _, d := range decisions {
		if strings.Contains(d, fmt.Sprintf(`"mode":%q`, mode)) {
			list = append(list, d)
		}
	}
	return list
}

// gpgPackets are OpenPGP packets of the Debian client, and junk as expensive as these.
type gpgPackets struct {
	stanza string
	good   [][]byte
	junk   func(n int) [][]byte
}

func (r *recording) gpg(n int) gpgPackets {
	r.t.Helper()
	client, signer := clientHome(r.t)
	recipient := keyID(r.t, gpgHome(r.t, "server.sec.asc"), true)
	keys := spaKeys(r.t)
	var p gpgPackets
	for i := range n {
		file := filepath.Join(r.dir, fmt.Sprintf("gpg%d", i))
		cmd := r.Client.Command("fwknop", append(ask(), "-D", r.Server.V4.String(), "-a", r.Client.V4.String(), "--no-save-args", "-B", file,
			"--gpg-recipient-key", recipient, "--gpg-signer-key", signer, "--gpg-home-dir", client, "--gpg-no-signing-pw")...)
		cmd.Env = append(os.Environ(), "HOME="+r.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			r.t.Fatalf("fwknop: %v\n%s", err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			r.t.Fatal(err)
		}
		p.good = append(p.good, bytes.TrimSpace(text))
	}
	p.stanza = fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/%d\nGPG_KEY_FILE %[2]s/server.sec.asc\nGPG_KEY_FILE %[2]s/client.pub.asc\nGPG_REQUIRE_SIG Y\nGPG_ALLOW_NO_PW Y\nGPG_DECRYPT_ID %[3]s\nGPG_REMOTE_ID %[4]s\nFW_ACCESS_TIMEOUT 60\n\n",
		e2ePort, keys, recipient, signer)
	p.junk = func(n int) (all [][]byte) {
		for i := range n {
			good := p.good[0]
			all = append(all, fmt.Appendf(nil, "%sA%cAAAAAA", good[:len(good)-8], 'A'+rune(i)))
		}
		return all
	}
	return p
}

// The daemon is reloaded twice while it receives packets of every transport, replays,
// junk, floods and knocks. Its input is recorded, and a replay must decide the same.
func TestE2EReplayDecidesAsLive(t *testing.T) {
	netlab.Need(t, "fwknop", "gpg", "tcpdump", "openssl")
	r := &recording{site: newSite(t, "nftables")}
	r.Server.Run(t, "nft insert rule inet filter input tcp dport { 62201, 80 } accept")
	netlab.Serve(t, r.Server, "tcp", 62201)
	netlab.Serve(t, r.Server, "tcp", 80)
	client := r.Client.V4
	others := r.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.100"), 2)
	hash, err := exec.Command("openssl", "passwd", "-6", "-salt", "abcdefgh", "the password").Output()
	if err != nil {
		t.Fatal(err)
	}
	r.write("shadow", "alice:"+strings.TrimSpace(string(hash))+":19000:0:99999:7:::\n")
	gpg := r.gpg(2)

	const carriers = "PCAP_FILTER udp port 62201 or tcp port 62201 or tcp port 80 or icmp;\nENABLE_SPA_OVER_HTTP Y;\n"
	carry := func() {
		for _, c := range [][]string{nil, {"-P", "tcp"}, {"-P", "tcpraw", "-Q", "10.77.0.2"}, {"-P", "icmp", "-Q", "10.77.0.2"}, {"-P", "http", "-p", "80"}} {
			r.knock(append(append(ask(), "-U", "alice"), c...)...)
		}
	}
	passwordKey := spa.Key{Passphrase: []byte("a_third_passphrase"), HMACKey: []byte("a_fourth_passphrase"), HMACType: "sha256"}
	password := fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/%d\nKEY a_third_passphrase\nHMAC_KEY a_fourth_passphrase\nREQUIRE_AUTH_METHOD crypt\nSHADOW_FILE %s/shadow\nENABLE_CMD_EXEC Y\nCMD_EXEC_USER root\nCMD_EXEC_GROUP root\n\n", e2ePort, r.dir)
	sequence := fmt.Sprintf("SOURCE ANY\nSHARED_SEQUENCE tcp/7000, tcp/8000, tcp/9000\nOPEN_PORTS tcp/%d\nKNOCK_INTERVAL 10\nFW_ACCESS_TIMEOUT 30\n\n", e2ePort)
	linux := fmt.Sprintf("SOURCE ANY\nSHARED_SEQUENCE tcp/7100, tcp/7200\nOPEN_PORTS tcp/%d\nREQUIRE_OS_REGEX linux\nFW_ACCESS_TIMEOUT 30\n\n", e2ePort)
	shadow := strings.Replace(stanza("SHADOW Y"), fmt.Sprint(e2ePort), "2223", 1) + "\n"
	valid := func(*spa.Message) {}
	asks := func(port int) func(*spa.Message) {
		return func(m *spa.Message) { m.Text = fmt.Sprintf("%s,tcp/%d", client, port) }
	}
	sent := func(ago time.Duration) func(*spa.Message) {
		return func(m *spa.Message) { m.Time = time.Now().Add(-ago).Unix() }
	}

	r.part("INGEST PCAP,KNOCK;\nGPG_RATE 8;\n"+carriers, stanza("")+"\n"+password+gpg.stanza+shadow+sequence+linux)
	first := r.message(packetKey(), valid)
	r.send(client, first)
	carry()
	wrongHMAC, wrongKey := packetKey(), packetKey()
	wrongHMAC.HMACKey, wrongKey.Passphrase = []byte("another"), []byte("another")
	r.send(client, first, r.message(wrongHMAC, valid), r.message(wrongKey, valid),
		r.message(packetKey(), sent(time.Hour)), r.message(packetKey(), sent(-time.Hour)),
		r.message(packetKey(), asks(22)), r.message(packetKey(), asks(2223)),
		r.message(packetKey(), func(m *spa.Message) { m.Type, m.Text = spa.Command, client.String()+",/bin/true" }),
		r.message(passwordKey, func(m *spa.Message) {
			m.Type, m.Text, m.ServerAuth = spa.Command, client.String()+",/bin/true", "crypt,the password"
		}),
		r.message(passwordKey, func(m *spa.Message) { m.ServerAuth = "crypt,the password" }),
		r.message(passwordKey, func(m *spa.Message) { m.ServerAuth = "crypt,another" }),
		gpg.good[0])
	r.send(client, gpg.junk(12)...)
	r.send(client, gpg.good[1])
	for _, src := range others {
		r.send(src, gpg.junk(5)...)
	}
	r.sequence("10.77.0.151", time.Second, "", 7000, 8000, 9000)
	r.sequence("10.77.0.152", time.Second, "", 7000, 8000, 9001)
	r.sequence("10.77.0.153", 20*time.Second, "", 7000, 8000, 9000)
	r.logged(time.Now(), "sshd:", "10.77.0.154", 7000, "")
	r.sequence("10.77.0.155", time.Second, "", 7100, 7200)
	r.sequence("10.77.0.156", time.Second, "OPT (020405B40402080A001046E40000000001030307)", 7100, 7200)
	r.end(true)

	r.part("INGEST PCAP,KNOCK;\nGPG_RATE_SOURCE 20;\n"+carriers, stanza("REQUIRE_USERNAME alice")+"\n"+gpg.stanza+sequence)
	r.send(client, first, r.message(packetKey(), valid), r.message(packetKey(), func(m *spa.Message) { m.User = "bob" }), gpg.good[0], gpg.good[1])
	// The worker is stopped for a while and then decides many packets at once: the time of
	// the packets counts.
	r.signalWorker(syscall.SIGSTOP)
	r.send(client, gpg.junk(25)...)
	for begin := time.Now(); time.Since(begin) < 200*time.Millisecond; {
		carry()
	}
	r.send(client, gpg.junk(8)...)
	r.signalWorker(syscall.SIGCONT)
	r.sequence("10.77.0.157", time.Second, "", 7000, 8000, 9000)
	r.sequence("10.77.0.158", time.Second, "", 7100, 7200)
	r.end(true)

	r.part("AUTH_MODE PCAP;\nPCAP_FILTER udp port 62201;\n", stanza("")+"\n"+sequence)
	r.sequence("10.77.0.159", time.Second, "", 7000, 8000, 9000)
	r.send(client, first, r.message(packetKey(), valid))
	carry()
	r.end(false)
	r.stop()

	reasons := make(map[string]bool)
	for _, p := range r.parts {
		r.compare(p)
		for _, d := range p.decisions {
			var reason struct{ Reason string }
			if err := json.Unmarshal([]byte(d), &reason); err != nil {
				t.Fatal(err)
			}
			reasons[reason.Reason] = true
		}
	}
	want := strings.Fields("knock.forged_line knock.granted knock.os knock.timeout knock.wrong_port spa.auth_method spa.cmd_disabled spa.command " +
		"spa.decrypt_failed spa.future spa.granted spa.hmac_mismatch spa.port spa.rate_limited spa.replay spa.stale spa.user")
	if got := slices.Sorted(maps.Keys(reasons)); !slices.Equal(got, want) {
		t.Errorf("the run has the reasons %v, want %v", got, want)
	}
	// No source of the last configuration reads knocks: only --all-modes decides them.
	last := r.parts[len(r.parts)-1]
	if n, all := len(ofMode(last.decisions, "knock")), ofMode(r.replay(last, "--all-modes"), "knock"); n != 0 || len(all) != 1 {
		t.Errorf("%d knocks decided under AUTH_MODE PCAP, with --all-modes %q", n, all)
	}
}

func (r *recording) signalWorker(sig syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(r.worker(), sig); err != nil {
		r.t.Fatal(err)
	}
}
