package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/spa"
)

// clock is the time at which the tests run the client.
var clock = time.Unix(1700000000, 0)

// A runner runs the client with a home directory of its own.
type runner struct {
	home   string
	stdin  string
	typed  map[string]string // by prompt
	stdout bytes.Buffer
	stderr bytes.Buffer
}

func newRunner(t *testing.T) *runner { return &runner{home: t.TempDir()} }

func (r *runner) run(t *testing.T, args ...string) int {
	t.Helper()
	r.stdout.Reset()
	r.stderr.Reset()
	return r.client().run(t.Context(), args)
}

func (r *runner) client() *client {
	return &client{
		stdin: strings.NewReader(r.stdin), stdout: &r.stdout, stderr: &r.stderr,
		getenv:   func(name string) string { return map[string]string{"HOME": r.home, "USERPROFILE": r.home}[name] },
		now:      func() time.Time { return clock },
		terminal: r.ask,
	}
}

func (r *runner) ask(prompt string, _ bool) ([]byte, error) {
	if answer, ok := r.typed[prompt]; ok {
		return []byte(answer), nil
	}
	return nil, errors.New("asked for " + prompt)
}

// rc writes the rc file.
func (r *runner) rc(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.home, ".fwknoprc"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// packet runs the client and returns the packet that a server receives.
func (r *runner) packet(t *testing.T, args ...string) []byte {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	if code := r.run(t, append(args, "-p", port)...); code != exitOK {
		t.Fatalf("%q ends with %d: %s", args, code, r.stderr.String())
	}
	buf := make([]byte, 2000)
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// open opens a packet as the server does.
func open(t *testing.T, text []byte, k spa.Key) *spa.Message {
	t.Helper()
	k.AllowHosts = true
	o, err := spa.NewOpener(k)
	if err != nil {
		t.Fatal(err)
	}
	var p spa.Packet
	p.Set(text)
	m := new(spa.Message)
	if err := o.Open(&p, m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}

var (
	keyed  = []string{"-D", "127.0.0.1", "-a", "192.0.2.7", "-U", "alice", "--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1"}
	theKey = spa.Key{Passphrase: []byte("fwknoptest"), HMACKey: []byte("hmactest1")}
)

func TestMessages(t *testing.T) {
	for args, want := range map[string]spa.Message{
		"-A tcp/22":                                     {Type: spa.Access, Text: "192.0.2.7,tcp/22"},
		"-A tcp/22,udp/53 -f 60":                        {Type: spa.AccessTimeout, Text: "192.0.2.7,tcp/22,udp/53", Timeout: 60},
		"-A tcp/22 -f 0":                                {Type: spa.Access, Text: "192.0.2.7,tcp/22"},
		"-A tcp/22 -N 10.0.0.1":                         {Type: spa.NATAccess, Text: "192.0.2.7,tcp/22", NAT: "10.0.0.1,22"},
		"-A tcp/22 -N 10.0.0.1:33":                      {Type: spa.NATAccess, Text: "192.0.2.7,tcp/22", NAT: "10.0.0.1,33"},
		"-A tcp/22 -N 10.0.0.1,33":                      {Type: spa.NATAccess, Text: "192.0.2.7,tcp/22", NAT: "10.0.0.1,33"},
		"-A tcp/22 -N [2001:db8::5]:33":                 {Type: spa.NATAccess, Text: "192.0.2.7,tcp/22", NAT: "2001:db8::5,33"},
		"-A tcp/22 -N 2001:db8::5":                      {Type: spa.NATAccess, Text: "192.0.2.7,tcp/22", NAT: "2001:db8::5,22"},
		"-A tcp/22 -N inside.example -f 5":              {Type: spa.NATAccessTimeout, Text: "192.0.2.7,tcp/22", NAT: "inside.example,22", Timeout: 5},
		"-A tcp/22 -N 10.0.0.1 --nat-port 4000":         {Type: spa.NATAccess, Text: "192.0.2.7,tcp/4000", NAT: "10.0.0.1,22"},
		"-A tcp/22 --nat-local --nat-port 4000":         {Type: spa.LocalNATAccess, Text: "192.0.2.7,tcp/4000", NAT: "127.0.0.1,22"},
		"-A tcp/22 --nat-local --nat-port 4000 -f 7":    {Type: spa.LocalNATAccessTimeout, Text: "192.0.2.7,tcp/4000", NAT: "127.0.0.1,22", Timeout: 7},
		"-A tcp/22 --time-offset-plus 2min":             {Type: spa.Access, Text: "192.0.2.7,tcp/22", Time: 120},
		"-A tcp/22 --time-offset-minus 1hour":           {Type: spa.Access, Text: "192.0.2.7,tcp/22", Time: -3600},
		"--Access tcp/22 --digest-alg SHA1 --Spoof-u x": {Type: spa.Access, Text: "192.0.2.7,tcp/22", DigestType: "sha1", User: "x"},
		"-C w": {Type: spa.Command, Text: "192.0.2.7,w"},
	} {
		r := newRunner(t)
		fields := strings.Fields(args)
		base := keyed
		if want.User != "" { // given once only
			base = slices.DeleteFunc(slices.Clone(keyed), func(s string) bool { return s == "-U" || s == "alice" })
		}
		m := open(t, r.packet(t, append(slices.Clone(base), fields...)...), theKey)
		if want.User == "" {
			want.User = "alice"
		}
		if want.DigestType == "" {
			want.DigestType = "sha256"
		}
		got := spa.Message{Type: m.Type, Text: m.Text, NAT: m.NAT, Timeout: m.Timeout, User: m.User, Time: m.Time - clock.Unix(), DigestType: m.DigestType}
		if !equal(&got, &want) || m.Version != protocol || m.HasTimeout != (want.Timeout != 0) {
			t.Errorf("%s: got %+v\nwant %+v", args, got, want)
		}
	}
}

func equal(a, b *spa.Message) bool {
	return a.Type == b.Type && a.Text == b.Text && a.NAT == b.NAT && a.Timeout == b.Timeout && a.User == b.User && a.Time == b.Time && a.DigestType == b.DigestType
}

var digests = []string{"md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"}

// TestModes: our server opens what the client sends in every mode and with every digest.
func TestModes(t *testing.T) {
	r := newRunner(t)
	for _, mode := range []string{"cbc", "CTR", "ofb", "cfb", "ecb"} {
		for _, digest := range digests {
			k := theKey
			k.Mode, k.HMACType, k.Digests = strings.ToLower(mode), digest, []string{digest}
			open(t, r.packet(t, append(slices.Clone(keyed), "-A", "tcp/22", "-M", mode, "-m", digest, "--hmac-digest-type", strings.ToUpper(digest))...), k)
		}
	}
	plain := []string{"-D", "127.0.0.1", "-s", "-A", "tcp/22", "--key-rijndael", "fwknoptest"}
	if m := open(t, r.packet(t, plain...), spa.Key{Passphrase: []byte("fwknoptest")}); m.Text != "0.0.0.0,tcp/22" || m.User == "" {
		t.Errorf("got %+v", m)
	}
	open(t, r.packet(t, append(plain, "-M", "legacy")...), spa.Key{Passphrase: []byte("fwknoptest"), Mode: "legacy"})
}

// TestKeySources: the key can come from a file, a pipe, the terminal or base64.
func TestKeySources(t *testing.T) {
	r := newRunner(t)
	file := filepath.Join(r.home, "keys")
	if err := os.WriteFile(file, []byte("192.0.2.1: other\n127.0.0.1: fwknoptest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	macs := filepath.Join(r.home, "macs")
	if err := os.WriteFile(macs, []byte("127.0.0.1:hmactest1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.stdin = "fwknoptest\n"
	r.typed = map[string]string{"Key: ": "fwknoptest", "HMAC key: ": "hmactest1"}
	for _, args := range []string{
		"-G " + file + " --get-hmac-key " + macs,
		"--stdin --use-hmac",
		"--use-hmac",
		"--key-base64-rijndael Zndrbm9wdGVzdA== --key-base64-hmac aG1hY3Rlc3Qx",
	} {
		all := append([]string{"-D", "127.0.0.1", "-a", "192.0.2.7", "-A", "tcp/22"}, strings.Fields(args)...)
		open(t, r.packet(t, all...), theKey)
	}
}

// TestLongKey: servers of 1.9 and ours accept keys that 2.6 does not.
func TestLongKey(t *testing.T) {
	r := newRunner(t)
	key := strings.Repeat("k", 33)
	open(t, r.packet(t, "-D", "127.0.0.1", "-s", "-A", "tcp/22", "--key-rijndael", key), spa.Key{Passphrase: []byte(key)})
	if !strings.Contains(r.stderr.String(), "33 bytes") {
		t.Errorf("got %q", r.stderr.String())
	}
}

// TestServerAuth: the password is in the message, and nowhere else.
func TestServerAuth(t *testing.T) {
	r := newRunner(t)
	r.typed = map[string]string{"Password on the server: ": "unix password"}
	for _, request := range [][]string{{"-A", "tcp/22"}, {"-C", "w"}} {
		m := open(t, r.packet(t, append(append(slices.Clone(keyed), request...), "--Server-auth", "crypt")...), theKey)
		if m.ServerAuth != "crypt,unix password" {
			t.Errorf("%q: got %+v", request, m)
		}
	}
	if r.run(t, append(slices.Clone(keyed), "-A", "tcp/22", "--server-auth", "crypt", "-T")...); strings.Contains(r.stdout.String(), "unix") {
		t.Errorf("got %s", r.stdout.String())
	}
}

func TestRC(t *testing.T) {
	r := newRunner(t)
	r.rc(t, `[default]
SPA_SERVER 127.0.0.1
ALLOW_IP source
ACCESS tcp/1
SPOOF_USER default
KEY othersecret
VERBOSE N
[gw]
ACCESS: tcp/22
KEY_BASE64 Zndrbm9wdGVzdA==
HMAC_KEY_BASE64 aG1hY3Rlc3Qx
HMAC_DIGEST_TYPE SHA512
DIGEST_TYPE SHA1
TIME_OFFSET -60
FW_TIMEOUT 9
RAND_PORT N
`)
	k := theKey
	k.HMACType = "sha512"
	m := open(t, r.packet(t, "-n", "gw", "-a", "192.0.2.7", "-f", "5"), k)
	if m.Text != "192.0.2.7,tcp/22" || m.User != "default" || m.Timeout != 5 || m.DigestType != "sha1" || m.Time != clock.Unix()-60 {
		t.Errorf("got %+v", m)
	}
	if m = open(t, r.packet(t, "-C", "w"), spa.Key{Passphrase: []byte("othersecret")}); m.Text != "0.0.0.0,w" {
		t.Errorf("got %+v", m)
	}
	if code := r.run(t, "--stanza-list"); code != exitOK || r.stdout.String() != "gw\n" {
		t.Errorf("%d %s", code, r.stdout.String())
	}
}

// TestRCNo: N in a stanza wins over Y of the default one, but not over the settings that
// Y would exclude.
func TestRCNo(t *testing.T) {
	r := newRunner(t)
	r.rc(t, `[default]
SPA_SERVER 127.0.0.1
SPA_SERVER_PORT 4001
RAND_PORT Y
ALLOW_IP source
ACCESS tcp/22
KEY fwknoptest
[gw]
RAND_PORT N
RESOLVE_IP_HTTPS N
RESOLVE_IP_HTTP N
[random]
RAND_PORT Y
[port]
SPA_SERVER_PORT 4002
`)
	for name, want := range map[string]string{"gw": "127.0.0.1:4001 ", "port": "127.0.0.1:4002 "} {
		if code := r.run(t, "-n", name, "-T"); code != exitOK || !strings.Contains(r.stdout.String(), want) || !strings.Contains(r.stdout.String(), "0.0.0.0,tcp/22") {
			t.Errorf("%s: %d %s%s", name, code, r.stdout.String(), r.stderr.String())
		}
	}
	if code := r.run(t, "-n", "random", "-T"); code != exitOK || strings.Contains(r.stdout.String(), ":4001 ") {
		t.Errorf("%d %s%s", code, r.stdout.String(), r.stderr.String())
	}
}

func TestRCErrors(t *testing.T) {
	for text, want := range map[string]string{
		"ACESS tcp/22":  ".fwknoprc:2: unknown keyword ACESS (did you mean ACCESS?)",
		"X 1":           ".fwknoprc:2: unknown keyword X\n",
		"FW_TIMEOUT x":  `FW_TIMEOUT: "x" is not a whole number`,
		"RAND_PORT x":   "neither Y nor N",
		"PORT_OFFSET 0": "PORT_OFFSET: 0 is no port",
	} {
		r := newRunner(t)
		r.rc(t, "[default]\n"+text+"\n")
		if code := r.run(t, "-T"); code != exitError || !strings.Contains(r.stderr.String(), want) {
			t.Errorf("%s: %d %s", text, code, r.stderr.String())
		}
	}
}

func TestSave(t *testing.T) {
	r := newRunner(t)
	args := []string{"-n", "gw", "-D", "127.0.0.1", "-A", "tcp/22", "-s", "-f", "60", "-U", "alice", "-m", "sha1", "-N", "10.0.0.1:22",
		"--time-offset-minus", "1min", "--hmac-digest-type", "sha512", "-S", "0"}
	if code := r.run(t, append(args, "--key-gen", "--save-rc-stanza")...); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	path := filepath.Join(r.home, ".fwknoprc")
	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	value := func(key string) string {
		_, rest, _ := strings.Cut(string(saved), "\n"+key+" ")
		rest, _, _ = strings.Cut(rest, "\n")
		return strings.TrimSpace(rest)
	}
	if strings.Contains(r.stdout.String()+r.stderr.String(), value("KEY_BASE64")) {
		t.Error("the key was printed")
	}
	key, _ := fromBase64("", value("KEY_BASE64"))
	mac, _ := fromBase64("", value("HMAC_KEY_BASE64"))
	m := open(t, r.packet(t, "-n", "gw"), spa.Key{Passphrase: key, HMACKey: mac, HMACType: "sha512"})
	if m.Text != "0.0.0.0,tcp/22" || m.NAT != "10.0.0.1,22" || m.User != "alice" || m.Timeout != 60 || m.DigestType != "sha1" || m.Time != clock.Unix()-60 {
		t.Errorf("got %+v of\n%s", m, saved)
	}
	args = append(args, "--key-rijndael", "fwknoptest", "--save-rc-stanza", "-T")
	if code := r.run(t, args...); code != exitError || !strings.Contains(r.stderr.String(), "--force-stanza replaces it") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	if code := r.run(t, append(args, "--force-stanza")...); code != exitOK || !strings.Contains(r.stdout.String(), "0.0.0.0,tcp/22") {
		t.Errorf("%d %s%s", code, r.stdout.String(), r.stderr.String())
	}
	if again, _ := os.ReadFile(path); bytes.Contains(again, []byte("KEY_BASE64")) || !bytes.Contains(again, []byte("[gw]\n")) {
		t.Errorf("got\n%s", again)
	}
}

// TestKeywordsAreSaved: what a keyword sets is what is saved for it.
func TestKeywordsAreSaved(t *testing.T) {
	values := map[string]string{"TIME_OFFSET": "-60", "ALLOW_IP": "192.0.2.7", "SHARED_SEQUENCE": "tcp/7000,icmp"}
	for _, k := range keywords {
		if slices.Contains([]string{"RESOLVE_IP_HTTP", "WGET_CMD", "USE_WGET_USER_AGENT"}, k.name) {
			continue
		}
		saved := ""
		for _, v := range []string{values[k.name], "Y", "7"} {
			o := newOptions(t)
			if v == "" || k.set(o, v) != nil {
				continue
			}
			if saved = k.get(o); saved != v {
				t.Errorf("%s %s is saved as %q", k.name, v, saved)
			}
			break
		}
		if saved == "" {
			t.Errorf("%s is not saved", k.name)
		}
		for _, name := range k.options {
			if !clientHas(t, name) {
				t.Errorf("%s: there is no option --%s", k.name, name)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	all := []string{"-D 127.0.0.1", "-a 192.0.2.7", "-A tcp/22", "--key-rijndael fwknoptest"}
	without := func(i int, more string) string {
		return strings.Join(slices.Delete(slices.Clone(all), i, i+1), " ") + " " + more
	}
	base := strings.Join(all, " ") + " "
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{without(0, ""), exitUsage, "no server"},
		{without(1, ""), exitUsage, "which address"},
		{without(2, ""), exitUsage, "nothing is asked for"},
		{without(3, ""), exitError, "asked for Key: "},
		{without(1, "-a x"), exitUsage, "no IP address"},
		{without(2, "-A tcp22"), exitUsage, "want PROTO/PORT"},
		{without(2, "-A tcp/0"), exitUsage, "want PROTO/PORT"},
		{without(2, "-A icmp/1"), exitUsage, "want PROTO/PORT"},
		{without(2, "-A tcp/22,"), exitUsage, "want PROTO/PORT"},
		{without(2, "-A 22"), exitUsage, "want tcp/22 or udp/22"},
		{without(2, "-A 22/tcp"), exitUsage, "want tcp/22"},
		{base + "-U a:b", exitUsage, "the server would refuse this"},
		{base + "--server-auth pam", exitUsage, "the only method is crypt"},
		{base + "--server-auth crypt -f 5", exitUsage, "goes with no --fw-timeout"},
		{without(3, "--key-base64-rijndael ?"), exitError, "the key is no base64"},
		{base + "-s", exitUsage, "--allow-ip and --source-ip exclude each other"},
		{base + "--key-hmac fwknoptest", exitError, "are the same"},
		{base + "-M legacy --key-hmac hmactest1", exitUsage, "mode legacy"},
		{base + "-M pcbc", exitError, "unknown encryption mode"},
		{base + "-m md4", exitError, "unknown digest type"},
		{base + "-p 70000", exitUsage, "70000 is no port"},
		{base + "-P carrier", exitUsage, "no carrier"},
		{base + "--nat-port 22", exitUsage, "go with --nat-access"},
		{without(2, "-A tcp/22,tcp/80 --nat-local"), exitUsage, "only one port"},
		{without(2, "-C w -f 5"), exitUsage, "goes with no --fw-timeout"},
		{base + "--time-offset-plus 3x", exitUsage, "want a number"},
		{base + "-n gw", exitError, "no stanza [gw]"},
		{base + "-n gw --no-rc-file", exitError, "no rc file"},
		{base + "--key-len 5", exitUsage, "--key-len goes with --key-gen"},
		{base + "--bogus", exitUsage, "unknown option --bogus"},
		{base + "stray", exitUsage, "unexpected argument"},
		{base + "--wait 3s", exitUsage, "unexpected argument"},
		{base + "--wait=", exitUsage, "want a time"},
		{base + "--wait=0", exitUsage, "want a time"},
		{base + "--wait=soon", exitUsage, "want a time"},
		{without(2, "-C w --wait"), exitUsage, "--server-cmd and --wait exclude each other"},
		{base + "--wait --save-rc-stanza", exitUsage, "--wait has no keyword"},
		{base + "--proxy 127.0.0.1", exitUsage, "--proxy wants HOST PORT"},
		{base + "--proxy 127.0.0.1 ssh", exitUsage, "--proxy wants HOST PORT"},
		{base + "--proxy 127.0.0.1 22 22", exitUsage, "--proxy wants HOST PORT"},
		{base + "--proxy 127.0.0.1 23", exitUsage, "tcp/23 is not what is asked for, which is tcp/22"},
		{without(2, "-A udp/22 --proxy 127.0.0.1 22"), exitUsage, "tcp/22 is not what is asked for, which is udp/22"},
		{without(3, "--stdin --proxy 127.0.0.1 22"), exitUsage, "--stdin and --proxy exclude each other"},
		{without(3, "--fd 0 --proxy 127.0.0.1 22"), exitUsage, "--fd 0: with --proxy"},
		{"--key-gen --key-len 999", exitUsage, "want 1 to 128"},
		{"--key-gen --hmac-digest-type md4", exitUsage, "is none of"},
	} {
		r := newRunner(t)
		if code := r.run(t, strings.Fields(tt.args)...); code != tt.code || !strings.Contains(r.stderr.String(), tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.args, code, r.stderr.String(), tt.code, tt.want)
		}
		if strings.Contains(r.stderr.String(), "fwknoptest") {
			t.Errorf("%s: a key is in %s", tt.args, r.stderr.String())
		}
	}
}

func TestDryRun(t *testing.T) {
	r := newRunner(t)
	if code := r.run(t, append(slices.Clone(keyed), "-A", "tcp/22", "-f", "5", "--dry-run")...); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	out := r.stdout.String()
	lines := strings.Split(out, "\n")
	if m := open(t, []byte(lines[1]), theKey); m.Timeout != 5 {
		t.Errorf("%+v", m)
	}
	for _, want := range []string{"not sent to 127.0.0.1:62201 over udp", "alice", "192.0.2.7,tcp/22", "3 (access with a timeout)", "1700000000 (2023-11-14T22:13:20Z)", "Rijndael, cbc", "sha256"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	for _, secret := range []string{"fwknoptest", "hmactest1"} {
		if strings.Contains(out, secret) {
			t.Errorf("a key is in\n%s", out)
		}
	}
}

func TestDryRunJSON(t *testing.T) {
	r := newRunner(t)
	for _, form := range [][]string{{"--json"}, {"--format", "jsonl"}} {
		if code := r.run(t, append(append(slices.Clone(keyed), form...), "-A", "tcp/22", "-f", "5", "-T", "-P", "tcp")...); code != exitOK {
			t.Fatal(r.stderr.String())
		}
		var s shown
		if err := json.Unmarshal(r.stdout.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		m := open(t, []byte(s.Packet), theKey)
		want := shown{Packet: s.Packet, Server: "127.0.0.1:62201", Carrier: "tcp", User: "alice", Time: clock.Unix(), Version: protocol, Type: 3,
			TypeName: "access with a timeout", Message: m.Text, Timeout: 5, Digest: "sha256", Encryption: "Rijndael, cbc", HMAC: "sha256"}
		if s != want {
			t.Errorf("got %+v", s)
		}
	}
	if code := r.run(t, append(slices.Clone(keyed), "-A", "tcp/22", "-T", "--format", "xml")...); code != exitUsage {
		t.Errorf("ends with %d", code)
	}
}

// TestOtherJSON: --key-gen, --stanza-list and -V have a JSON form, a knock has none.
func TestOtherJSON(t *testing.T) {
	r := newRunner(t)
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--key-gen --key-len 1 --hmac-key-len 1", exitOK, `^{"v":1,"key_base64":"..==","hmac_key_base64":"..=="}\n$`},
		{"--key-gen-file " + filepath.Join(r.home, "keys"), exitOK, `^{"v":1,"file":".*/keys"}\n$`},
		{"--stanza-list", exitOK, `^{"v":1,"stanzas":\[\]}\n$`},
		{"-V", exitOK, `^{"v":1,"version":".*"}\n$`},
		{"-A tcp/22 -D 127.0.0.1 -s", exitUsage, "^$"},
		{"-n gw -D 127.0.0.1 --key-gen --save-rc-stanza", exitUsage, "^$"},
	} {
		code := r.run(t, append(strings.Fields(tt.args), "--json")...)
		if code != tt.code || !regexp.MustCompile(tt.want).MatchString(r.stdout.String()) {
			t.Errorf("%s: ends with %d, %s%s", tt.args, code, &r.stdout, &r.stderr)
		}
	}
}

func TestKeyGenFile(t *testing.T) {
	r := newRunner(t)
	path := filepath.Join(r.home, "new")
	if code := r.run(t, "--key-gen-file", path); code != exitOK {
		t.Fatal(r.stderr.String())
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "KEY_BASE64: ") || strings.Contains(r.stdout.String(), "KEY_BASE64") {
		t.Errorf("%v %s", err, text)
	}
	if code := r.run(t, "--key-gen-file", path); code != exitError {
		t.Error("the file was overwritten")
	}
	if code := r.run(t, "--key-gen", "--key-len", "16"); code != exitOK || !strings.Contains(r.stdout.String(), "\nHMAC_KEY_BASE64: ") {
		t.Errorf("%s %s", r.stdout.String(), r.stderr.String())
	}
}

// TestSavePacket: the packet is written as it is sent.
func TestSavePacket(t *testing.T) {
	r := newRunner(t)
	path := filepath.Join(r.home, "packet")
	var want []byte
	for range 2 {
		want = append(append(want, r.packet(t, append(slices.Clone(keyed), "-A", "tcp/22", "-B", path, "-b")...)...), '\n')
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v %s", err, got)
	}
}

func newOptions(t *testing.T) *cli.Options {
	t.Helper()
	o, err := cli.Parse(cli.Client, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// clientHas reports whether the client has an option of that name.
func clientHas(t *testing.T, name string) bool {
	t.Helper()
	var b bytes.Buffer
	cli.Usage(&b, cli.Client)
	return strings.Contains(b.String(), "--"+name+" ")
}

// TestTagOfPackets: packets have a tag, unless it is switched off or the mode allows none.
func TestTagOfPackets(t *testing.T) {
	base := []string{"-D", "127.0.0.1", "-a", "192.0.2.7", "-A", "tcp/22", "--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1"}
	key := spa.Key{Passphrase: []byte("fwknoptest"), HMACKey: []byte("hmactest1")}
	salts, err := key.SaltKey()
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]bool{
		"": true, "-M cbc": true, "-M ctr": false, "-M ecb": false, "--no-tag": false, "-n gw": false, "-n other": true,
	} {
		r := newRunner(t)
		r.rc(t, "[gw]\nNO_TAG Y\n[other]\nNO_TAG N\n")
		var p spa.Packet
		p.Set(r.packet(t, append(base, strings.Fields(args)...)...))
		s, ok := p.Salt()
		if !ok || salts.Tags(&s) != want {
			t.Errorf("%q: tagged %v, want %v", args, !want, want)
		}
	}
}
