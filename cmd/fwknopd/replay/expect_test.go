package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// loadText loads stanzas from a string.
func loadText(t *testing.T, access string, more ...string) *config.Loaded {
	t.Helper()
	name := filepath.Join(t.TempDir(), "access.conf")
	if err := os.WriteFile(name, []byte(access), 0o600); err != nil {
		t.Fatal(err)
	}
	server := filepath.Join(filepath.Dir(name), "fwknopd.conf")
	if err := os.WriteFile(server, []byte("ENABLE_IPT_FORWARDING Y\n"+strings.Join(more, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, problems := config.Load(config.Options{Config: server, Access: name, Offline: true})
	if problems.Failed() {
		t.Fatal(problems)
	}
	return l
}

// TestExpectCode: a line asks with the one-time code that the stanza wants.
func TestExpectCode(t *testing.T) {
	l := loadText(t, "SOURCE ANY\nKEY public-set-key-24-chars!\nOPEN_PORTS tcp/22\nREQUIRE_AUTH_METHOD totp\nTOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n")
	for _, line := range []string{"granted ask tcp/22 from 192.0.2.7", "granted ask tcp/22 from 192.0.2.7 timeout 60 for 60 at 59", "refused spa.port ask tcp/23 from 192.0.2.7"} {
		x, err := conf.ParseExpectation(line)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Expect(l, x)
		if got := strings.TrimSpace(o.Verdict + " " + o.Reason); err != nil || !strings.HasPrefix(got, o.Verdict) || o.Verdict != x.Verdict || x.Reason != "" && o.Reason != x.Reason {
			t.Errorf("%s: %s (%s), %v", line, got, o.Text, err)
		}
	}
}

const expectAccess = `
SOURCE            192.0.2.0/24
KEY               public-set-key-24-chars!
HMAC_KEY          a key for the hmac
OPEN_PORTS        tcp/22, udp/53
REQUIRE_USERNAME  alice
ENABLE_CMD_EXEC   Y
CMD_REGEX         ,uptime$

SOURCE            10.77.0.0/24
KEY               public-set-key-24-chars!
OPEN_PORTS        tcp/22
DESTINATION       198.51.100.0/24
`

// The engine's decision meets each of these lines.
func TestExpect(t *testing.T) {
	l := loadText(t, expectAccess)
	for _, line := range []string{
		"granted ask tcp/22 from 192.0.2.7 user alice opens tcp/22 for 30",
		"granted spa.granted ask tcp/22,udp/53 from 192.0.2.7 user alice opens tcp/22,udp/53",
		"granted ask tcp/22 from 192.0.2.7 user alice timeout 60 for 60",
		"granted ask tcp/22 from 192.0.2.7 user alice timeout 4000 for 300",
		"granted ask tcp/22 from 192.0.2.7 user alice nat 10.0.0.5/8022 opens tcp/22",
		"granted ask tcp/22 from 192.0.2.7 user alice allow 203.0.113.9",
		"granted ask tcp/22 from 192.0.2.7 user alice age 120 at 1700000000",
		"granted ask tcp/22 from 10.77.0.9",
		"refused spa.stale ask tcp/22 from 192.0.2.7 user alice age 121",
		"refused spa.future ask tcp/22 from 192.0.2.7 user alice age -121",
		"refused spa.user ask tcp/22 from 192.0.2.7 user bob",
		"refused spa.port ask tcp/23 from 192.0.2.7 user alice",
		"refused no_stanza ask tcp/22 from 10.77.0.9 to 203.0.113.1",
		"command run uptime from 192.0.2.7 user alice",
		"refused spa.cmd_regex run reboot from 192.0.2.7 user alice",
		"refused no_stanza payload " + freshPayload + " from 203.0.113.1",
		"granted payload " + freshPayload + " from 10.77.0.2 to 198.51.100.1 at 1700000001 opens tcp/22",
		"ignored payload aGVsbG8 from 192.0.2.7",
		"refused no_stanza file ../spa/pcap/x-replay-other-port.pcap record 2",
	} {
		t.Run(line, func(t *testing.T) { meets(t, l, line) })
	}
}

func TestExpectKnocks(t *testing.T) {
	l := loadText(t, `
SOURCE: ANY;
SHARED_SEQUENCE: tcp/1001, udp/1002, icmp;
OPEN_PORTS: tcp/22;
KNOCK_INTERVAL: 10;
FW_ACCESS_TIMEOUT: 40;
`, "AUTH_MODE KNOCK")
	for _, line := range []string{
		"granted knock.granted knock tcp/1001,udp/1002,icmp from 192.0.2.7 opens tcp/22 for 40",
		"granted knock tcp/1001,udp/1002,icmp from 2001:db8::7",
		"ignored knock tcp/1001,udp/1002 from 192.0.2.7",
		"refused knock.wrong_port knock tcp/1001,tcp/1002 from 192.0.2.7",
		"refused knock.timeout knock tcp/1001,udp/1002,icmp from 192.0.2.7 gap 6",
	} {
		t.Run(line, func(t *testing.T) { meets(t, l, line) })
	}
}

// A malformed record in the file of an EXPECT line is passed over, as in replay.
func TestExpectMalformedRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kern.log")
	record := "IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=60 TTL=64 ID=1 PROTO=TCP SPT=%s DPT=22 WINDOW=64240 SYN\n"
	text := fmt.Sprintf("Nov 28 12:00:00 host kernel: "+record+"soon host kernel: "+record, "99999", "40000")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	meets(t, loadText(t, expectAccess), "ignored file "+file)
}

// meets parses a line and compares the outcome as check does.
func meets(t *testing.T, l *config.Loaded, line string) {
	t.Helper()
	x, err := conf.ParseExpectation(line)
	if err != nil {
		t.Fatal(err)
	}
	x.Pos.File = filepath.Join(replayDir, "access.conf")
	o, err := Expect(l, x)
	if err != nil {
		t.Fatal(err)
	}
	if o.Verdict != x.Verdict || x.Reason != "" && o.Reason != x.Reason {
		t.Errorf("%s %s (%s)", o.Verdict, o.Reason, o.Text)
	}
	if x.For != 0 && o.For != x.For || x.Opens != nil && portList(o.Ports) != portList(x.Opens) {
		t.Errorf("opens %s for %v", portList(o.Ports), o.For)
	}
}

func TestExpectationsWithoutSense(t *testing.T) {
	l := loadText(t, expectAccess)
	for _, line := range []string{
		"granted ask tcp/22 from 203.0.113.1", // no stanza has a key for it
		"granted file no-such-file",
		"granted run x from 203.0.113.1",
	} {
		x, err := conf.ParseExpectation(line)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := Expect(l, x); err == nil {
			t.Errorf("%s: %+v", line, o)
		}
	}
}
