package privsep

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

func loaded(t testing.TB, server, access string) *config.Loaded {
	t.Helper()
	l, problems := config.Load(config.Options{Config: "fwknopd.conf", Access: "access.conf", Offline: true,
		FS: recordedFS{&Config{Files: map[string]FileResult{
			"fwknopd.conf": {Data: []byte(server), Info: conf.FileInfo{Regular: true}},
			"access.conf":  {Data: []byte(access), Info: conf.FileInfo{Regular: true}},
		}}}})
	if problems.Failed() {
		t.Fatal(problems)
	}
	return l
}

// What a socket takes follows from the configuration.
func TestPayloadOfSources(t *testing.T) {
	const key = "SOURCE ANY\nKEY sometestkey1\n"
	for _, c := range []struct {
		server, access string
		want           filter.Payload
	}{
		{"PCAP_INTF lo;\n", key, filter.Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"}},
		{"PCAP_INTF lo;\nENABLE_UDP_SERVER Y;\n", key, filter.Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"}},
		{"PCAP_INTF lo;\nENABLE_SPA_OVER_HTTP Y;\n", key, filter.Payload{}},
		{"INGEST PCAP,KMSG;\nPCAP_INTF lo;\n", key + "SOURCE ANY\nSHARED_SEQUENCE tcp/7000, udp/8000\nOPEN_PORTS tcp/22\n", filter.Payload{}},
		{"PCAP_FILE /tmp/x.pcap;\n", key, filter.Payload{}},
	} {
		if got := SourceSpecs(loaded(t, c.server, c.access))[0].Payload; got != c.want {
			t.Errorf("%q: %+v, want %+v", c.server, got, c.want)
		}
	}
}

// TestKernelForm: the form is said only where every source of packets narrows.
func TestKernelForm(t *testing.T) {
	const key = "SOURCE ANY\nKEY sometestkey1\n"
	for _, c := range []struct {
		server string
		narrow bool
	}{
		{"PCAP_INTF lo;\n", true},
		{"PCAP_INTF lo;\nENABLE_UDP_SERVER Y;\n", ingest.NarrowsUDP},
		{"PCAP_INTF lo;\nENABLE_TCP_SERVER Y;\n", true},
		{"PCAP_INTF lo;\nPCAP_FILTER vlan or udp;\n", false},
		{"INGEST PCAP,NFLOG;\nPCAP_INTF lo;\n", false},
		{"INGEST KMSG;\n", false},
	} {
		if got := !KernelForm(loaded(t, c.server, key)).IsZero(); got != c.narrow {
			t.Errorf("%q: %v, want %v", c.server, got, c.narrow)
		}
	}
}

// FuzzPayload: a datagram that the filters of the sockets drop is one that the engine
// ignores and does not count.
func FuzzPayload(f *testing.F) {
	long := strings.Repeat("A", 200)
	for _, s := range []string{"8" + long, "U2FsdGVkX1" + long, long, long + long, "8" + strings.Repeat("=", 150), "GET /8" + long, "\x00" + long, "+", "hQEM" + long + long} {
		f.Add([]byte(s))
	}
	const key, elsewhere = "SOURCE ANY\nKEY sometestkey1\n", "SOURCE 192.0.2.0/24\nKEY sometestkey2\nHMAC_KEY anotherkey\n"
	const gpg = "SOURCE ANY\nGPG_DECRYPT_ID server\nGPG_ALLOW_NO_PW Y\nGPG_REMOTE_ID ANY\nGPG_HOME_DIR /etc/fwknop/gpg\n"
	var checks []func(*testing.T, []byte)
	for _, server := range []string{"PCAP_INTF lo;\n", "PCAP_INTF lo;\nENABLE_UDP_SERVER Y;\n", "PCAP_INTF lo;\nENABLE_SPA_OVER_HTTP Y;\n", "PCAP_INTF lo;\nBLACKLIST 203.0.113.0/24;\n"} {
		for _, access := range []string{key, elsewhere, gpg, elsewhere + gpg} {
			if strings.Contains(server, "BLACKLIST") && access == elsewhere {
				continue
			}
			checks = append(checks, payloadCheck(f, loaded(f, server, access)))
			if strings.Contains(access, "GPG") {
				for _, size := range []string{"0", "150", "1000"} {
					checks = append(checks, payloadCheck(f, loaded(f, server+"MIN_GNUPG_MSG_SIZE "+size+";\n", access)))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1472 {
			return
		}
		for _, check := range checks {
			check(t, payload)
		}
	})
}

func payloadCheck(f *testing.F, l *config.Loaded) func(*testing.T, []byte) {
	spec := SourceSpecs(l)[0]
	engine, err := policy.NewEngine(policy.Options{Server: l.Server, Access: l.Access, Store: replay.NewMemory(replay.Options{}),
		Keyring: func(*conf.GPG) (*spa.Keyring, error) { return testKeyring(f), nil }})
	if err != nil {
		f.Fatal(err)
	}
	expr, err := filter.Parse(spec.Filter)
	if err != nil {
		f.Fatal(err)
	}
	live, err := expr.LiveProgram(parse.LinkRaw, spec.Payload)
	if err != nil {
		f.Fatal(err)
	}
	socket, err := spec.Payload.Program()
	if err != nil {
		f.Fatal(err)
	}
	liveKeeps, socketKeeps := keeper(f, live), keeper(f, socket)
	decoder, err := parse.NewDecoder(parse.LinkRaw)
	if err != nil {
		f.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0)
	return func(t *testing.T, payload []byte) {
		packet := datagram(payload)
		if liveKeeps(t, packet) && socketKeeps(t, packet[20:]) {
			return
		}
		var ev parse.Event
		if decoder.Frame(packet, at, &ev) != nil {
			return
		}
		before := engine.Examined()
		if d := engine.Decide(at, &ev); d.Verdict != policy.Ignore || engine.Examined() != before {
			t.Errorf("the kernel drops %q, which is %v %s", payload, d.Verdict, d.Reason)
		}
	}
}

// testKeyring has the keys of a server and a client.
func testKeyring(t testing.TB) *spa.Keyring {
	t.Helper()
	var exports [][]byte
	for _, name := range []string{"server.sec.asc", "client.pub.asc"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "..", "fixtures", "spa", "keys", name))
		if err != nil {
			t.Fatal(err)
		}
		exports = append(exports, data)
	}
	ring, err := spa.NewKeyring(exports, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// datagram is an IPv4 packet to the port of SPA.
func datagram(payload []byte) []byte {
	b := append(make([]byte, 28), payload...)
	b[0], b[8], b[9] = 0x45, 64, byte(parse.UDP)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{203, 0, 113, 7, 198, 51, 100, 1})
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], 62201)
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload)))
	return b
}

// keeper returns what tells whether a socket with a filter takes a packet; without one it does.
func keeper(f *testing.F, raw []bpf.RawInstruction) func(t *testing.T, packet []byte) bool {
	f.Helper()
	if len(raw) == 0 {
		return func(*testing.T, []byte) bool { return true }
	}
	code := make([]bpf.Instruction, len(raw))
	for i := range raw {
		code[i] = raw[i].Disassemble()
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		f.Fatal(err)
	}
	return func(t *testing.T, packet []byte) bool {
		n, err := vm.Run(packet)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}
