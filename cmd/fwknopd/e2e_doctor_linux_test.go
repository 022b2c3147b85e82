package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// Each of these set-ups is broken in one way, which doctor names; and it leaves the firewall
// and the files as they are.
func TestE2EDoctor(t *testing.T) {
	const good = "PCAP_INTF srv0;\nSANDBOX off;\n"
	stamp := `{"v":1,"event_type":"decision","verdict":"refused","reason":"spa.stale","detail":{"age_s":600,"max_age_s":120}}` + "\n"
	for name, c := range map[string]struct {
		server, access string // "": those of a set-up that works
		rules          string // for nft
		before         func(t *testing.T, s *site)
		prefix         []string // of the command
		check, want    string   // the finding: its text contains want
		code           int
	}{
		"works":           {check: "firewall", want: "grants are opened in nftables"},
		"foreign chain":   {server: good + "FIREWALL_TYPE iptables;\n", check: "firewall", want: "table inet filter chain input drops what a grant is for, and is not opened", code: 1},
		"firewalld":       {server: good + "FIREWALL_TYPE iptables;\n", rules: "table inet firewalld { chain filter_INPUT { type filter hook input priority 10; policy drop; ct state established accept\n}\n}", check: "firewall", want: "firewalld", code: 1},
		"legacy tables":   {server: good + "FIREWALL_TYPE nftables;\n", before: legacyDrop, check: "firewall", want: "legacy", code: 1},
		"wrong interface": {server: "PCAP_INTF eth9;\nSANDBOX off;\n", check: "interface", want: "there is no interface eth9", code: 1},
		"no NET_RAW":      {prefix: []string{"setpriv", "--bounding-set", "-net_raw"}, check: "rights", want: "no CAP_NET_RAW", code: 1},
		"busy port":       {server: good + "ENABLE_UDP_SERVER Y;\nUDPSERV_PORT 62201;\n", before: busyPort, check: "port", want: "UDP port 62201 is taken by another process", code: 1},
		"clock off": {server: good + "EVENT_LOG %s/events;\n", before: func(t *testing.T, s *site) { s.write("events", stamp) },
			check: "clients", want: "the last of a clock 600 s behind ours"},
		"unreadable log": {server: "AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE %s/kern.log;\nSANDBOX off;\n", before: foreignLog,
			prefix: []string{"setpriv", "--bounding-set", "-dac_override,-dac_read_search"},
			access: "SOURCE: ANY;\nSHARED_SEQUENCE: tcp/1000, tcp/1001;\nOPEN_PORTS: tcp/2222;\nFW_ACCESS_TIMEOUT: 30;\n",
			check:  "log", want: "kern.log: permission denied", code: 1},
		"swapped files": {before: swap, check: "configuration", want: "these look swapped", code: 1},
		"filter":        {server: good + "PCAP_FILTER tcp and udp;\n", check: "filter", want: "takes no packet to", code: 1},
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
				s.write("access.conf", c.access)
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
			cmd := s.Server.Command(argv[0], argv[1:]...)
			out, err := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("exit code %d (%v), want %d:\n%s", code, err, c.code, out)
			}
			var report struct {
				Findings []struct{ Check, State, Text, Fix string }
			}
			if err := json.Unmarshal(out, &report); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			found := false
			for _, f := range report.Findings {
				found = found || f.Check == c.check && strings.Contains(f.Text, c.want)
			}
			if !found {
				t.Errorf("no finding of %s says %q:\n%s", c.check, c.want, out)
			}
			if allRules(t, s) != rules || listing(t, s.dir) != files {
				t.Error("doctor changed the firewall or the files")
			}
		})
	}
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
