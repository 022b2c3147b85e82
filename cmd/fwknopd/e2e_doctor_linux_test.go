package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// Each of these set-ups is broken in one way, which doctor names; and it leaves the firewall
// and the files as they are.
func TestE2EDoctor(t *testing.T) {
	t.Parallel()
	const good = "PCAP_INTF srv0;\nSANDBOX off;\n"
	for name, c := range map[string]struct {
		server, access string // "": those of a set-up that works
		rules          string // for nft
		before         func(t *testing.T, s *site)
		prefix         []string // of the command
		check, want    string   // the finding: its text contains want
		code           int
		mends          bool // its fix, followed to the letter, is enough
	}{
		"works":         {check: "firewall", want: "table inet filter chain input drops what a grant is for, and is opened by one"},
		"foreign chain": {server: good + "FIREWALL_TYPE iptables;\n", check: "firewall", want: "table inet filter chain input drops what a grant is for, and is not opened", code: 1, mends: true},
		"firewalld":     {server: good + "FIREWALL_TYPE iptables;\n", before: realFirewalld, check: "firewall", want: "table inet firewalld chain filter_INPUT of firewalld drops what a grant is for, and is not opened", code: 1, mends: true},
		"Docker": {server: good + "FIREWALL_TYPE nftables;\nENABLE_IPT_FORWARDING Y;\n", before: dockerDrops, check: "firewall",
			want: "iptables-nft filter FORWARD of Docker drops what a grant is for, and is not opened", code: 1, mends: true},
		"published port": {access: guardedAccess, before: publishedPort, check: "firewall",
			want: "tcp/8080 is published to 10.78.0.2:80 by Docker", code: 1, mends: true},
		"folder of others": {before: othersFolder, check: "configuration", want: "may be written by others than its owner", mends: true},
		"no folder":        {before: func(t *testing.T, s *site) { s.write("lib", "") }, check: "folder", want: "lib is not a folder", code: 1, mends: true},
		"GnuPG home": {access: "SOURCE ANY\nOPEN_PORTS tcp/2222\nGPG_HOME_DIR %s/home\nGPG_DECRYPT_ID EF3434A2\nGPG_DECRYPT_PW x\nGPG_REMOTE_ID 4F8731AC\nHMAC_KEY another_passphrase\nFW_ACCESS_TIMEOUT 60\n",
			before: func(t *testing.T, s *site) { s.mkdir("home", 0o700) }, check: "keys", want: "home: no keys: there is no pubring.kbx", code: 1},
		"foreign cache":   {before: foreignCache, check: "digests", want: "others may write to it", code: 1, mends: true},
		"legacy tables":   {server: good + "FIREWALL_TYPE nftables;\n", before: legacyDrop, check: "firewall", want: "iptables-legacy filter INPUT drops what a grant is for, and is not opened", code: 1, mends: true},
		"wrong interface": {server: "PCAP_INTF eth9;\nSANDBOX off;\n", check: "interface", want: "there is no interface eth9", code: 1, mends: true},
		"no NET_RAW":      {prefix: []string{"setpriv", "--bounding-set", "-net_raw"}, check: "rights", want: "no CAP_NET_RAW", code: 1},
		"busy port":       {server: good + "ENABLE_UDP_SERVER Y;\nUDPSERV_PORT 62201;\n", before: busyPort, check: "port", want: "UDP port 62201 is taken by another process", code: 1},
		"clock off":       {server: good + "EVENT_LOG %s/events;\n", before: clockBehind, check: "clients", want: "the last of a clock 60"},
		"clock ahead":     {server: good + "EVENT_LOG %s/events;\n", before: clockAhead, check: "clients", want: "ahead of ours"},
		"unreadable log": {server: "AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE %s/kern.log;\nSANDBOX off;\n", before: foreignLog,
			prefix: []string{"setpriv", "--bounding-set", "-dac_override,-dac_read_search"},
			access: "SOURCE: ANY;\nSHARED_SEQUENCE: tcp/1000, tcp/1001;\nOPEN_PORTS: tcp/2222;\nFW_ACCESS_TIMEOUT: 30;\n",
			check:  "log", want: "kern.log: permission denied", code: 1, mends: true},
		"swapped files": {before: swap, check: "configuration", want: "these look swapped", code: 1},
		"filter":        {server: good + "PCAP_FILTER tcp and udp;\n", check: "filter", want: "takes no packet to", code: 1, mends: true},
	} {
		t.Run(name, func(t *testing.T) {
			netlab.Need(t, "setpriv", "iptables-legacy")
			s := newSite(t, "nftables")
			bin, err := program()
			if err != nil {
				t.Fatal(err)
			}
			server := good
			if c.server != "" {
				server = c.server
			}
			s.configure("", stanza(""))
			if !strings.Contains(server, "FIREWALL_TYPE") {
				server += "FIREWALL_TYPE auto;\n"
			}
			s.write("fwknopd.conf", strings.ReplaceAll(server, "%s", s.dir)+fmt.Sprintf("FWKNOP_DIR %[1]s/log;\nFWKNOP_LIB_DIR %[1]s/lib;\nFWKNOP_RUN_DIR %[1]s/run;\n", s.dir))
			if c.access != "" {
				s.write("access.conf", strings.ReplaceAll(c.access, "%s", s.dir))
			}
			if c.rules != "" {
				s.Server.RunInput(t, "flush ruleset\n"+c.rules, "nft -f -")
			}
			if c.before != nil {
				c.before(t, s)
			}
			rules, files := allRules(t, s), listing(t, s.dir)
			argv := append(slices.Clone(c.prefix), bin, "doctor", "--json")
			argv = append(argv, s.args()...)
			list, code := findings(t, s, argv)
			if code != c.code {
				t.Errorf("exit code %d, want %d: %+v", code, c.code, list)
			}
			i := slices.IndexFunc(list, func(f finding) bool { return f.Check == c.check && strings.Contains(f.Text, c.want) })
			if i < 0 {
				t.Fatalf("no finding of %s says %q: %+v", c.check, c.want, list)
			}
			t.Logf("%+v", list[i])
			if allRules(t, s) != rules || listing(t, s.dir) != files {
				t.Error("doctor changed the firewall or the files")
			}
			if !c.mends {
				return
			}
			follow(t, s, list[i].Fix)
			list, code = findings(t, s, argv)
			if code != 0 || slices.ContainsFunc(list, func(f finding) bool { return f.Check == c.check && strings.Contains(f.Text, c.want) && f.State != "ok" }) {
				t.Errorf("after the fix doctor ends with %d: %+v", code, list)
			}
		})
	}
}

// Beside a running daemon doctor finds its process and the journal that it has locked, and nothing
// to mend; a journal that another process has is named with it.
func TestE2EDoctorBesideDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	argv := append([]string{bin, "doctor", "--json"}, s.args()...)
	says := func(check, state, text string) {
		t.Helper()
		list, _ := findings(t, s, argv)
		if !slices.ContainsFunc(list, func(f finding) bool { return f.Check == check && f.State == state && strings.Contains(f.Text, text) }) {
			t.Errorf("no %s of %s says %q: %+v", state, check, text, list)
		}
	}
	says("daemon", "ok", "runs as process ")
	says("digests", "ok", " has 0 messages in ")
	if _, code := findings(t, s, argv); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.stop()
	says("daemon", "warning", "does not run")
	journal, err := filepath.Glob(filepath.Join(s.dir, "*", "digest.cache"))
	if err != nil || len(journal) != 1 {
		t.Fatalf("journals: %q, %v", journal, err)
	}
	f, err := os.Open(journal[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	says("digests", "fix", fmt.Sprintf("is in use by process %d", os.Getpid()))
}

// A finding is one of doctor --json.
type finding struct{ Check, State, Text, Fix string }

// findings runs doctor.
func findings(t *testing.T, s *site, argv []string) ([]finding, int) {
	t.Helper()
	cmd := s.Server.Command(argv[0], argv[1:]...)
	out, err := cmd.Output()
	var report struct{ Findings []finding }
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
		t.Fatalf("%v (%v):\n%s", jsonErr, err, out)
	}
	return report.Findings, cmd.ProcessState.ExitCode()
}

// setting is a fix that is a change to a file; others are command lines.
var setting = regexp.MustCompile(`^set (\S+) to (.+) in (\S+)$`)

// follow does what a fix says.
func follow(t *testing.T, s *site, fix string) {
	t.Helper()
	set := setting.FindStringSubmatch(fix)
	if set == nil {
		if out, err := s.Server.Command("sh", "-c", fix).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", fix, err, out)
		}
		return
	}
	text, err := os.ReadFile(set[3])
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^` + set[1] + ` .*$`)
	value := set[1] + " " + set[2] + ";"
	changed := line.ReplaceAllString(string(text), value)
	if !line.Match(text) {
		changed += value + "\n"
	}
	if err := os.WriteFile(set[3], []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// realFirewalld has Debian's firewalld make the rules.
func realFirewalld(t *testing.T, s *site) {
	s.Server.Run(t, "nft flush ruleset")
	netlab.StartFirewalld(t, s.Server, netlab.FirewalldConfig{})
}

// dockerDrops has only Docker's chains and a ruleset of nft.
func dockerDrops(t *testing.T, s *site) { both(flushAll, docker)(t, s.Server) }

const guardedAccess = "SOURCE ANY\nOPEN_PORTS tcp/8080\nKEY sixteen_letters!\nHMAC_KEY another_passphrase\nFW_ACCESS_TIMEOUT 60\n"

// publishedPort has Docker publish the port that the stanza offers.
func publishedPort(t *testing.T, s *site) {
	s.AddInside(t)
	enforcetest.PublishTables(t, s.Lab, "iptables-nft")
}

// othersFolder has a folder of state that others may write to.
func othersFolder(t *testing.T, s *site) {
	s.mkdir("lib", 0o777)
}

func (s *site) mkdir(name string, mode os.FileMode) {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
		s.t.Fatal(err)
	}
}

// foreignCache has a journal of seen messages that others may write to.
func foreignCache(t *testing.T, s *site) {
	file := filepath.Join(s.dir, "digests")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chmod(file, 0o666)); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(s.dir, "fwknopd.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	s.write("fwknopd.conf", string(text)+"DIGEST_FILE "+file+";\n")
}

// allRules returns the rules of all firewalls of the server, without the counters.
func allRules(t *testing.T, s *site) string {
	t.Helper()
	text := s.Server.Run(t, "nft -s list ruleset")
	for _, save := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		for line := range strings.Lines(s.Server.Run(t, save)) {
			if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ":") { // the time; chains with counters
				text += line
			} else if name, _, ok := strings.Cut(line, " ["); ok {
				text += name + "\n"
			}
		}
	}
	return text
}

// foreignLog makes a log that only its owner may read, who is not root.
func foreignLog(t *testing.T, s *site) {
	s.write("kern.log", "")
	if err := os.Chown(filepath.Join(s.dir, "kern.log"), 65534, -1); err != nil {
		t.Fatal(err)
	}
}

// legacyDrop has the old tables of iptables drop what comes in.
func legacyDrop(t *testing.T, s *site) { s.Server.Run(t, "iptables-legacy -P INPUT DROP") }

// clockBehind and clockAhead have the daemon refuse a client whose clock is off by ten minutes.
func clockBehind(t *testing.T, s *site) { clockOff(t, s, "--time-offset-minus", "spa.stale") }
func clockAhead(t *testing.T, s *site)  { clockOff(t, s, "--time-offset-plus", "spa.future") }

func clockOff(t *testing.T, s *site, option, reason string) {
	t.Helper()
	s.launch() // without a sandbox
	s.waitFor("Starting fwknopd main event loop.")
	s.knock(append(ask(), option, "10M")...)
	wait.For(t, "a refusal", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "events"))
		return err == nil && strings.Contains(string(text), `"`+reason+`"`)
	})
	s.stop()
}

// busyPort takes the port of the UDP server.
func busyPort(t *testing.T, s *site) {
	s.Server.Do(func() {
		c, err := net.ListenPacket("udp", ":62201")
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.Close() })
	})
}

// swap gives each of the two files the other's name.
func swap(t *testing.T, s *site) {
	server, access, other := filepath.Join(s.dir, "fwknopd.conf"), filepath.Join(s.dir, "access.conf"), filepath.Join(s.dir, "other")
	for _, move := range [][2]string{{server, other}, {access, server}, {other, access}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// listing returns the names and contents of the files of a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		fmt.Fprintf(&b, "%s %d\n%s\n", e.Name(), e.Type(), text)
	}
	return b.String()
}
