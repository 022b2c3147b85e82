package daemon

import (
	"encoding/json"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
)

// files writes a configuration and returns the options that name its files.
func files(t testing.TB, server, access string) *cli.Options {
	t.Helper()
	dir := t.TempDir()
	o := &cli.Options{Config: filepath.Join(dir, "fwknopd.conf"), Access: filepath.Join(dir, "access.conf"), Test: true}
	server += "\nFWKNOP_DIR " + dir + ";\nFWKNOP_RUN_DIR " + dir + ";\nFWKNOP_LIB_DIR " + dir + ";\n"
	for name, text := range map[string]string{o.Config: server, o.Access: access} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

const plainStanza = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\nHMAC_KEY anothertestkey\n"

// Host names are looked up for the worker only where a client may name one, at a limited
// rate.
func TestResolver(t *testing.T) {
	const nat = "ENABLE_IPT_FORWARDING Y\nPCAP_INTF lo\n"
	const inside = plainStanza + "INTERNAL_NET_ACCESS 192.0.2.0/24\n"
	for _, c := range []struct {
		server, access string
		want           bool
	}{
		{nat + "ENABLE_NAT_DNS Y", inside, true},
		{nat + "ENABLE_NAT_DNS N", inside, false},
		{"PCAP_INTF lo\nENABLE_NAT_DNS Y", plainStanza, false},
		{nat + "ENABLE_NAT_DNS Y", plainStanza + "FORCE_NAT 192.0.2.1 22\n", false},
	} {
		s, problems := prepare(files(t, c.server, c.access))
		if problems.Failed() {
			t.Fatalf("%s: %v", c.server, problems)
		}
		resolve := s.policy.Resolve
		if (resolve != nil) != c.want {
			t.Errorf("%s%s: names are looked up: %v", c.server, c.access, resolve != nil)
		}
		if resolve == nil {
			continue
		}
		for range resolveRate {
			if found, err := resolve("127.0.0.1"); err != nil || len(found) != 1 {
				t.Errorf("127.0.0.1: %v, %v", found, err)
			}
		}
		if _, err := resolve("127.0.0.1"); err != errResolveRate {
			t.Errorf("more than the rate: %v", err)
		}
	}
}

// The worker gets the same configuration as the monitor without reading any file.
func TestWorkerConfigRoundTrip(t *testing.T) {
	_, problems := prepare(files(t, "PCAP_INTF lo;", plainStanza+"%include other.conf\n"))
	if !problems.Failed() {
		t.Fatal("an include that is missing is no problem")
	}
	o := files(t, "PCAP_INTF lo;", plainStanza)
	include := filepath.Join(filepath.Dir(o.Access), "other.conf")
	if err := os.WriteFile(include, []byte("SOURCE 192.0.2.0/24\nOPEN_PORTS tcp/80\nKEY onemoretestkey\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Access, []byte(plainStanza+"%include "+include+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	f, err := configFile(s.workerConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("what is handed over can be changed")
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	c := new(privsep.Config)
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{o.Config, o.Access, include} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	l, problems := c.Load()
	if problems.Failed() {
		t.Fatal(problems)
	}
	if len(l.Access.Stanzas) != 2 || string(l.Access.Stanzas[0].Key.Bytes()) != "sometestkey1" || l.Server.Interface != "lo" {
		t.Errorf("the worker has %d stanzas, interface %q", len(l.Access.Stanzas), l.Server.Interface)
	}
}

// The monitor opens every source that the worker may ask for.
func TestOpeners(t *testing.T) {
	for _, server := range []string{
		"INGEST PCAP,FILE_PCAP,ULOG_PCAP,KNOCK,SOCKET,NFLOG,KMSG,UDP,TCP;", "AUTH_MODE KNOCK;\nENABLE_SYSLOG_FILE N;", "PCAP_FILE /tmp/x.pcap;",
	} {
		s, problems := prepare(files(t, server, plainStanza))
		if problems.Failed() {
			t.Errorf("%s: %v", server, problems)
			continue
		}
		offered := s.openers()
		for _, f := range privsep.SourceSpecs(s.Loaded) {
			if offered[f.Name()] == nil {
				t.Errorf("%s: the monitor does not open %s", server, f.Name())
			}
		}
	}
}

// The worker gets the group of a log, and no group that it does not need.
func TestReaderGroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("giving files to groups takes root")
	}
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, gid int) privsep.SourceSpec {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 0, gid); err != nil {
			t.Fatal(err)
		}
		return privsep.SourceSpec{Spec: ingest.Spec{Mode: "KNOCK", Path: path}}
	}
	got := readerGroups([]privsep.SourceSpec{
		file("of-a-group", 0o640, 4), file("for-all", 0o644, 5), file("of-nobody-else", 0o600, 6), file("of-root", 0o640, 0),
		{Spec: ingest.Spec{Mode: "KNOCK", Path: filepath.Join(dir, "missing")}},
	})
	if want := []uint32{4}; !slices.Equal(got, want) {
		t.Errorf("groups %v, want %v", got, want)
	}
	if got := readerGroups([]privsep.SourceSpec{{Spec: ingest.Spec{Mode: "JOURNAL"}}}); len(got) > 0 {
		t.Errorf("groups %v for the journal, which journalctl reads", got)
	}
	var want []uint32
	if g, err := user.LookupGroup(journalGroup); err == nil {
		gid, _ := strconv.Atoi(g.Gid)
		want = []uint32{uint32(gid)}
	}
	if got := journalGroups(); !slices.Equal(got, want) {
		t.Errorf("groups %v of journalctl, want %v", got, want)
	}
}

// Passwords are checked for the users that a stanza with the file names, for all users if
// one names none.
func TestPasswordUsers(t *testing.T) {
	shadow := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(shadow, []byte("alice:x:1::::::\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stanza := func(users string) string {
		return "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\nHMAC_KEY anothertestkey\nREQUIRE_AUTH_METHOD crypt\nSHADOW_FILE " + shadow + "\n" + users
	}
	for _, c := range []struct {
		access string
		want   []string
	}{
		{stanza("REQUIRE_USERNAME alice\n"), []string{"alice"}},
		{stanza("REQUIRE_USERNAME alice\n") + stanza("REQUIRE_USERNAME bob, carol\n"), []string{"alice", "bob", "carol"}},
		{stanza("REQUIRE_USERNAME alice\n") + stanza(""), nil},
		{stanza("") + stanza("REQUIRE_USERNAME alice\n"), nil},
	} {
		s, problems := prepare(files(t, "PCAP_INTF lo;", c.access))
		if problems.Failed() {
			t.Fatal(problems)
		}
		if f, ok := s.policy.Passwords[shadow]; !ok || !slices.Equal(f.Users, c.want) || (f.Users == nil) != (c.want == nil) {
			t.Errorf("%q: %q, %v", c.access, f.Users, ok)
		}
	}
}
