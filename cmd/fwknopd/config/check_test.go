package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/policy/conf"
)

// run runs a checker on files in a temporary directory and removes that directory from
// the paths in its output.
func (c Checker) run(t *testing.T, files map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := tempFiles(t, files)
	args = append([]string{"-c", filepath.Join(dir, "main.conf"), "-a", filepath.Join(dir, "access.conf"), "--offline"}, args...)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "DIR", dir)
	}
	var out, errs bytes.Buffer
	code = c.Run(args, &out, &errs)
	clean := strings.NewReplacer(dir+"/", "")
	return code, clean.Replace(out.String()), clean.Replace(errs.String())
}

const checkedAccess = "SOURCE ANY\nKEY sixteen letters!\nHMAC_KEY something else\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\n"

func TestCheckValid(t *testing.T) {
	code, stdout, stderr := Checker{}.run(t, map[string]string{"main.conf": "", "access.conf": checkedAccess})
	want := `access.conf:1: stanza 1
    packets from anywhere
    an SPA message with the key (cbc, HMAC sha256), the address to open inside
    opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds
read as: fwknop.conf of 2.6, access.conf of 2.6
2 files, 1 stanza, 0 expectations: valid, 0 warnings
`
	if code != 0 || stderr != "" || stdout != want {
		t.Errorf("exit %d\n%s\n%s", code, stderr, stdout)
	}
}

func TestCheckRefused(t *testing.T) {
	code, stdout, stderr := Checker{}.run(t, map[string]string{"main.conf": "PCAP_INTFF lo;\n", "access.conf": checkedAccess + "FW_ACCESS_TIMEOUT x\n"})
	if code != 78 || !strings.Contains(stdout, "refused, 2 errors") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if want := "main.conf:1: PCAP_INTFF: unknown keyword (did you mean PCAP_INTF?)\naccess.conf:6: FW_ACCESS_TIMEOUT: \"x\" is not a whole number\n"; stderr != want {
		t.Errorf("%s, want %s", stderr, want)
	}
}

func TestCheckLenient(t *testing.T) {
	code, _, stderr := Checker{}.run(t, map[string]string{"main.conf": "PCAP_INTFF lo;\n", "access.conf": checkedAccess}, "--lenient")
	if code != 0 || !strings.Contains(stderr, "main.conf:1: warning: PCAP_INTFF") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

func TestCheckDangers(t *testing.T) {
	code, _, stderr := Checker{}.run(t, map[string]string{"main.conf": "", "access.conf": checkedAccess + "ENABLE_CMD_EXEC Y\n"})
	if want := "access.conf:6: warning: ENABLE_CMD_EXEC: any command may be run as root: set CMD_REGEX\n"; code != 0 || stderr != want {
		t.Errorf("exit %d\n%s, want\n%s", code, stderr, want)
	}
}

// TestCheckDangersBesideErrors: an error hides no danger of what could be read, in the same
// stanza or another, and no warning doubts a line that is refused.
func TestCheckDangersBesideErrors(t *testing.T) {
	const second = "SOURCE ANY\nKEY another sixteen l.\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\nENABLE_CMD_EXEC Y\n"
	for _, tt := range []struct{ name, server, access, want string }{
		{"same stanza", "", checkedAccess + "FW_ACCESS_TIMEOUT 30s\nENABLE_CMD_EXEC Y\n",
			"access.conf:6: FW_ACCESS_TIMEOUT: \"30s\" is not a whole number (did you mean 30?)\n" +
				"access.conf:7: warning: ENABLE_CMD_EXEC: any command may be run as root: set CMD_REGEX\n"},
		{"other stanza, and no HMAC", "", checkedAccess + "FW_ACCESS_TIMEOUT x\n" + second,
			"access.conf:6: FW_ACCESS_TIMEOUT: \"x\" is not a whole number\n" +
				"access.conf:7: warning: HMAC_KEY: is not set: messages are not authenticated before they are decrypted\n" +
				"access.conf:11: warning: ENABLE_CMD_EXEC: any command may be run as root: set CMD_REGEX\n"},
		{"the line that would help is refused", "", checkedAccess + "ENABLE_CMD_EXEC Y\nCMD_REGEX ^(\n",
			"access.conf:7: CMD_REGEX: does not compile: missing closing ): `^(`\n"},
		{"the key that would help is refused", "", "SOURCE ANY\nKEY sixteen letters!\nHMAC_KEY_BASE64 *\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\n",
			"access.conf:3: HMAC_KEY_BASE64: not base64\n"},
		{"the keyword that would help is misspelled", "", "SOURCE ANY\nKEY sixteen letters!\nHMAC_KEYS x\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\n",
			"access.conf:3: HMAC_KEY…: unknown keyword (did you mean HMAC_KEY?)\n"},
		{"server file", "ENABLE_X_FORWARDED_FOR Y;\nMAX_HOPS x;\n", checkedAccess,
			"main.conf:2: MAX_HOPS: \"x\" is not a whole number\n" +
				"main.conf:1: warning: ENABLE_X_FORWARDED_FOR: anyone who can reach the web server can write any address into that header\n"},
		{"sources that are refused", "AUTH_MODE NOSE;\n", "SOURCE: ANY;\nOPEN_PORTS: 22/tcp;\nSHARED_SEQUENCE: tcp/1;\n",
			"main.conf:1: AUTH_MODE: \"NOSE\" is not one of "},
	} {
		code, _, stderr := Checker{}.run(t, map[string]string{"main.conf": tt.server, "access.conf": tt.access})
		if code != 78 || !strings.HasPrefix(stderr, tt.want) || strings.HasSuffix(tt.want, "\n") && stderr != tt.want || strings.Contains(stderr, "reads no") {
			t.Errorf("%s: exit %d\n%s, want\n%s", tt.name, code, stderr, tt.want)
		}
	}
}

// TestCheckSwappedFiles: two files given for each other are one line, in either dialect.
func TestCheckSwappedFiles(t *testing.T) {
	for access, server := range map[string]string{
		checkedAccess: "PCAP_INTF lo\nMAX_SPA_PACKET_AGE 60\n",
		"SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: sixteen letters!;\n": "AUTH_MODE PCAP;\nPCAP_INTF lo;\n",
	} {
		code, _, stderr := Checker{}.run(t, map[string]string{"main.conf": access, "access.conf": server})
		if want := "main.conf: these look swapped: here are the stanzas, and in access.conf is what belongs into fwknop.conf: -c access.conf -a main.conf\n"; code != 78 || stderr != want {
			t.Errorf("exit %d\n%s, want\n%s", code, stderr, want)
		}
	}
}

// TestCheckHost: an interface and a log that are not on this host are warned of, whether a
// file or the default names them.
func TestCheckHost(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for server, want := range map[string]string{
		"PCAP_INTF none0;\n": "main.conf:1: warning: PCAP_INTF: there is no interface none0",
		"PCAP_INTF lo;\n":    "",
		"PCAP_INTF lo;\nAUTH_MODE KNOCK;\nIPT_SYSLOG_FILE " + missing + ";\n": "main.conf:3: warning: IPT_SYSLOG_FILE: there is no " + missing,
		"PCAP_INTF lo;\nIPT_SYSLOG_FILE " + missing + ";\n":                   "",
	} {
		l, problems := Load(Options{Config: filepath.Join(tempFiles(t, map[string]string{"main.conf": server}), "main.conf"), ServerOnly: true, Offline: true})
		if problems.Failed() {
			t.Fatal(problems)
		}
		var got []string
		for _, p := range append(l.checkInterface(), l.checkLog()...) {
			got = append(got, "main.conf"+strings.TrimPrefix(p.String(), p.Pos.File))
		}
		if g := strings.Join(got, "\n"); !strings.HasPrefix(g, want) || want == "" && g != "" {
			t.Errorf("%q: %q, want %q", server, g, want)
		}
	}
}

// TestCheckAsksThoseWhoUseIt checks that the filter must compile and that required
// systems must have signatures.
func TestCheckAsksThoseWhoUseIt(t *testing.T) {
	code, _, stderr := Checker{}.run(t, map[string]string{"main.conf": "PCAP_FILTER udp prt 62201;\n", "access.conf": checkedAccess})
	if code != 78 || !strings.HasPrefix(stderr, "main.conf:1: PCAP_FILTER: ") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	const knock = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\n"
	code, _, stderr = Checker{}.run(t, map[string]string{"main.conf": "", "access.conf": knock + "REQUIRE_OS: Linux:2.4::Linux 2.4/2.7;\nREQUIRE_OS_REGEX: linuks;\n" + knock + "REQUIRE_OS: Linux:2.4::Linux 2.4/2.6;\nREQUIRE_OS_REGEX: *bsd;\n"})
	for _, want := range []string{
		"access.conf:4: warning: REQUIRE_OS: no signature has the label \"Linux:2.4::Linux 2.4/2.7\"\n",
		"access.conf:5: warning: REQUIRE_OS_REGEX: no signature has a label that it matches\n",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, stderr)
		}
	}
	if n := strings.Count(stderr, "no signature"); n != 2 {
		t.Errorf("%d labels are unknown, want 2\n%s", n, stderr)
	}
}

func TestCheckExplain(t *testing.T) {
	_, stdout, _ := Checker{}.run(t, map[string]string{
		"main.conf":   "ENABLE_FKO_MODULE Y;\nFIREWALL_EXE /sbin/iptables;\nMAX_HOPS 3;\nGPG_EXE /usr/bin/gpg;\n",
		"access.conf": checkedAccess}, "--explain")
	for _, want := range []string{
		"main.conf:1: ENABLE_FKO_MODULE: no effect\n",
		"main.conf:2: FIREWALL_EXE: honoured differently: firewall-cmd is not run: its rules are made through iptables\n",
		"main.conf:3: MAX_HOPS: honoured\n",
		"main.conf:4: GPG_EXE: honoured: as gpgCmd\n",
		"access.conf:5: REQUIRE_SOURCE_ADDRESS: honoured differently: the 1.9 program took",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

func TestCheckJSON(t *testing.T) {
	code, stdout, stderr := Checker{}.run(t, map[string]string{"main.conf": "", "access.conf": checkedAccess + "ENABLE_CMD_EXEC Y\n"}, "--format", "json", "--explain")
	var r result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if code != 0 || stderr != "" || r.V != 1 || !r.Valid || r.Warnings != 1 || len(r.Stanzas) != 1 || r.Stanzas[0].Line != 1 || len(r.Stanzas[0].Allows) != 4 || r.ReadAs.Access != "2.6" {
		t.Errorf("exit %d, %q, %+v", code, stderr, r)
	}
	if p := r.Problems[0]; p.Line != 6 || p.Keyword != "ENABLE_CMD_EXEC" || p.Severity != "warning" {
		t.Errorf("%+v", p)
	}
	if len(r.Keywords) != 6 {
		t.Errorf("%d keywords, want 6", len(r.Keywords))
	}
	if strings.Contains(stdout, "sixteen letters") {
		t.Error("the key is printed")
	}
}

func TestCheckUsage(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"operand"}, {"--format", "xml"}} {
		var stdout, stderr bytes.Buffer
		if code := (Checker{}).Run(args, &stdout, &stderr); code != 2 || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%v: exit %d, %s", args, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := (Checker{}).Run([]string{"--help"}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "--expect") || stderr.Len() > 0 {
		t.Errorf("--help: exit %d, %s%s", code, stdout.String(), stderr.String())
	}
}

// engine is a Runner whose outcome depends on the user of the expectation.
func engine(l *Loaded, e conf.Expectation) (Outcome, error) {
	switch e.User {
	case "alice":
		return Outcome{Verdict: "granted", Reason: "spa.granted", Ports: e.Ask, For: l.Access.Stanzas[0].AccessTimeout}, nil
	case "nobody":
		return Outcome{}, errors.New("x.pcap: no such file")
	}
	return Outcome{Verdict: "refused", Reason: "spa.user", Text: "user mallory is not listed"}, nil
}

func TestExpectations(t *testing.T) {
	const from = " ask tcp/22 from 192.0.2.7"
	for _, tt := range []struct{ line, want string }{
		{"granted user alice" + from, ""},
		{"granted spa.granted user alice opens tcp/22 for 30" + from, ""},
		{"granted user alice for 31" + from, "expected to open for 31s, opened for 30s"},
		{"granted user alice opens tcp/22,udp/53" + from, "expected to open tcp/22, udp/53, opened tcp/22"},
		{"refused user alice" + from, "expected refused, decided granted spa.granted"},
		{"refused spa.user user mallory" + from, ""},
		{"refused spa.stale user mallory" + from, "expected refused spa.stale, decided refused spa.user (user mallory is not listed)"},
		{"granted user nobody" + from, "x.pcap: no such file"},
	} {
		want := ""
		if tt.want != "" {
			want = "access.conf:6: EXPECT: " + tt.want + "\n"
		}
		code, _, stderr := Checker{Expect: engine}.run(t, map[string]string{"main.conf": "", "access.conf": checkedAccess + "EXPECT " + tt.line + "\n"})
		if (code != 0) != (want != "") || stderr != want {
			t.Errorf("%s: exit %d, %q, want %q", tt.line, code, stderr, want)
		}
	}
}

func TestExpectFile(t *testing.T) {
	files := map[string]string{"main.conf": "", "access.conf": checkedAccess,
		"e": "# remarks\n\nEXPECT: granted user alice ask tcp/22 from 192.0.2.7;\nrefused user mallory ask tcp/22 from 192.0.2.7\nEXPECT granted user mallory ask tcp/22 from 192.0.2.7\n"}
	code, stdout, stderr := Checker{Expect: engine}.run(t, files, "--expect", "DIR/e")
	if want := "e:5: EXPECT: expected granted, decided refused spa.user (user mallory is not listed)\n"; code != 1 || stderr != want || !strings.Contains(stdout, "3 expectations") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	files["e"] = "granted nothing\n"
	if code, _, stderr = (Checker{Expect: engine}).run(t, files, "--expect", "DIR/e"); code != 1 || !strings.HasPrefix(stderr, "e:1: EXPECT: ") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if code, _, _ = (Checker{Expect: engine}).run(t, files, "--expect", "DIR/none"); code != 1 {
		t.Errorf("a missing file: exit %d", code)
	}
	files["e"] = "granted user alice ask tcp/22 from 192.0.2.7\n"
	if code, _, stderr = (Checker{}).run(t, files, "--expect", "DIR/e"); code != 1 || !strings.Contains(stderr, "cannot be run") {
		t.Errorf("without an engine: exit %d, %s", code, stderr)
	}
}

// TestSamples checks that --defaults prints two files that are valid without warnings,
// with new keys each time.
func TestSamples(t *testing.T) {
	var last string
	for range 2 {
		var stdout, stderr bytes.Buffer
		if code := Dump(DumpOptions{Defaults: true}, &stdout, &stderr); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr.String())
		}
		if stdout.String() == last {
			t.Error("the keys are the same twice")
		}
		last = stdout.String()
	}
	server, access, ok := strings.Cut(last, "# ---- access.conf ----\n")
	if !ok {
		t.Fatal("the files cannot be told apart")
	}
	dir := tempFiles(t, map[string]string{"fwknop.conf": server, "access.conf": access})
	l, problems := Load(Options{Config: filepath.Join(dir, "fwknop.conf"), Access: filepath.Join(dir, "access.conf"), StrictPerms: true})
	problems = append(problems, Lint(l.Server, l.Values, l.Access)...)
	for _, p := range problems {
		t.Error(p)
	}
	if s := l.Access.Stanzas; len(s) != 1 || len(s[0].Expectations) != 2 || len(s[0].Key.Bytes()) != sampleKeyLen || len(s[0].HMACKey.Bytes()) != sampleHMACLen {
		t.Errorf("stanzas %v", s)
	}
}

func TestDump(t *testing.T) {
	dir := tempFiles(t, map[string]string{"main.conf": "SLEEP_INTERVAL 42;\nBLACKLIST 192.0.2.0/24;\nENABLE_PCAP_PROMISC Y;\nAUTH_MODE PCAP;\n", "access.conf": goodAccess + "GPG_REMOTE_ID: ABCD1234;\nGPG_DECRYPT_ID: ABCD1234;\nGPG_DECRYPT_PW: passphrase!;\nGPG_HOME_DIR: /;\n"})
	o := DumpOptions{Options: Options{Config: filepath.Join(dir, "main.conf"), Access: filepath.Join(dir, "access.conf"), Argv: map[string]string{"MAX_HOPS": "9"}},
		Now: time.Date(2026, 11, 22, 7, 46, 5, 0, time.UTC)}
	dump := func(format string, all bool) (string, string) {
		t.Helper()
		o.Format, o.IncludeAll = format, all
		var stdout, stderr bytes.Buffer
		if code := Dump(o, &stdout, &stderr); code != 0 {
			t.Fatalf("%s: exit %d\n%s", format, code, stderr.String())
		}
		for _, secret := range []string{"a key of sixteen", "passphrase!"} {
			if strings.Contains(stdout.String()+stderr.String(), secret) {
				t.Errorf("%s shows %q", format, secret)
			}
		}
		return strings.ReplaceAll(stdout.String(), dir+"/", ""), strings.ReplaceAll(stderr.String(), dir+"/", "")
	}
	wants := func(where, text string, lines ...string) {
		t.Helper()
		for _, w := range lines {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), w) {
				t.Errorf("%s lacks %q\n%s", where, w, text)
			}
		}
	}
	stdout, stderr := dump("", false)
	wants("text", stderr, "Sun Nov 22 07:46:05 2026 [+] Dumping config from: main.conf", "SLEEP_INTERVAL 42 # main.conf:1", "MAX_HOPS 9 # argv", "UDPSERV_PORT 62201 # default",
		"BLACKLIST (removed)", "[+] Command paths:", "iptables /sbin/iptables", "[+] Dumping access config: access.conf", "SOURCE block: 1", "KEY: (removed) # access.conf:3",
		"GPG_DECRYPT_PW: (removed)", "GPG_REMOTE_ID: (removed)", "KNOCK_INTERVAL: 60 # default")
	if stdout != "" {
		t.Errorf("the text goes to stderr alone, stdout has %q", stdout)
	}
	_, stderr = dump("text", true)
	wants("text with all", stderr, "BLACKLIST 192.0.2.0/24", "GPG_REMOTE_ID: ABCD1234", "GPG_DECRYPT_PW: (removed)")
	stdout, _ = dump("c", false)
	wants("c", stdout, "Current fwknopd config settings:", "ENABLE_PCAP_PROMISC = 'Y'", "PCAP_FILE = '<not set>'", "Current fwknopd access settings:", "SOURCE (1): ANY", "KEY: <see the access.conf file>")
	stdout, _ = dump("conf", false)
	wants("conf", stdout, "SLEEP_INTERVAL 42;", "KEY: [redacted];")
	stdout, _ = dump("json", false)
	var j struct {
		V       int
		Server  []dumpValue
		Stanzas []struct {
			Number, Line int
			Mode         string
			Values       []dumpValue
		}
	}
	if err := json.Unmarshal([]byte(stdout), &j); err != nil {
		t.Fatal(err)
	}
	if j.V != 1 || len(j.Server) != len(conf.ServerKeywords) || len(j.Stanzas) != 1 || j.Stanzas[0].Line != 1 || j.Stanzas[0].Mode != "PCAP" {
		t.Errorf("%+v", j)
	}
	o.Format = "xml"
	if code := Dump(o, &bytes.Buffer{}, &bytes.Buffer{}); code != 2 {
		t.Errorf("--format xml: exit %d", code)
	}
}

func TestDumpOfBadFilesFails(t *testing.T) {
	dir := tempFiles(t, map[string]string{"main.conf": "MAX_HOPS x;\n", "access.conf": goodAccess})
	o := DumpOptions{Options: Options{Config: filepath.Join(dir, "main.conf"), Access: filepath.Join(dir, "access.conf")}}
	var stdout, stderr bytes.Buffer
	if code := Dump(o, &stdout, &stderr); code != 78 || !strings.Contains(stderr.String(), "main.conf:1: MAX_HOPS: ") {
		t.Errorf("exit %d\n%s", code, stderr.String())
	}
	stdout.Reset()
	if code := ParseOnly(o.Options, false, &stdout, &stderr); code != 78 || stdout.Len() > 0 {
		t.Errorf("ParseOnly: exit %d, %s", code, stdout.String())
	}
	if err := os.WriteFile(o.Config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := ParseOnly(o.Options, false, &stdout, &stderr); code != 0 || stdout.String() != "Configs parsed, exiting.\n" {
		t.Errorf("ParseOnly: exit %d, %s", code, stdout.String())
	}
}
