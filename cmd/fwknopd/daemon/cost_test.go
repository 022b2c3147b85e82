package daemon

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// manyStanzas returns an access.conf with a stanza for each of n users.
func manyStanzas(n int) string {
	var b strings.Builder
	for i := range n {
		key := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "the key of user %16d", i))
		mac := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "the key of the messages of user %32d", i))
		fmt.Fprintf(&b, "SOURCE ANY\nOPEN_PORTS tcp/22, udp/1194\nREQUIRE_USERNAME user%d\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nFW_ACCESS_TIMEOUT 30\n\n", i, key, mac)
	}
	return b.String()
}

// handOver loads the configuration as the monitor does, and from the file that it hands over
// as the worker does.
func handOver(t *testing.T, n int) (s *setup, l *config.Loaded, e *policy.Engine) {
	t.Helper()
	s, problems := prepare(files(t, "PCAP_INTF lo;", manyStanzas(n)))
	if problems.Failed() {
		t.Fatal(problems)
	}
	f, err := configFile(s.workerConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, privsep.MaxConfig))
	if err != nil {
		t.Fatal(err)
	}
	c := new(privsep.Config)
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	if l, problems = c.Load(); problems.Failed() || len(l.Access.Stanzas) != n {
		t.Fatal(len(l.Access.Stanzas), problems)
	}
	if e, err = engine.New(engine.Options{Loaded: l, Store: replay.NewMemory(replay.Options{})}); err != nil {
		t.Fatal(err)
	}
	return s, l, e
}

// TestCostOfStanza: both processes keep no more than 6 KiB of a stanza.
func TestCostOfStanza(t *testing.T) {
	const n = 10_000
	var before, loaded, kept runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, l, e := handOver(t, n)
	runtime.ReadMemStats(&loaded)
	runtime.GC()
	runtime.ReadMemStats(&kept)
	runtime.KeepAlive([]any{s, l, e})
	for _, c := range []struct {
		what        string
		got, atMost uint64
	}{
		{"bytes allocated", (loaded.TotalAlloc - before.TotalAlloc) / n, 40 << 10}, // under the race detector
		{"allocations", (loaded.Mallocs - before.Mallocs) / n, 200},
		{"bytes kept", (kept.HeapAlloc - before.HeapAlloc) / n, 6 << 10},
	} {
		t.Logf("%d %s a stanza", c.got, c.what)
		if c.got > c.atMost {
			t.Errorf("%d %s a stanza, at most %d are allowed", c.got, c.what, c.atMost)
		}
	}
}

// TestManyStanzas: the most stanzas that are allowed are handed over.
func TestManyStanzas(t *testing.T) {
	if testing.Short() {
		t.Skip("loads 50,000 stanzas")
	}
	s, l, _ := handOver(t, conf.MaxStanzas)
	if n := len(s.policy.Limits.Stanzas); n != conf.MaxStanzas || l.Access.Stanzas[n-1].Usernames[0] != fmt.Sprintf("user%d", n-1) {
		t.Errorf("%d stanzas, the last one is of %v", n, l.Access.Stanzas[n-1].Usernames)
	}
}

// TestManyKeys: the OpenPGP keys of all stanzas have a bound, since they are handed over too.
func TestManyKeys(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, make([]byte, privsep.MaxKeys/2), 0o600); err != nil {
		t.Fatal(err)
	}
	stanza := "SOURCE ANY\nGPG_KEY_FILE " + name + "\nGPG_REMOTE_ID ANY\nGPG_ALLOW_NO_PW Y\n"
	if _, problems := prepare(files(t, "PCAP_INTF lo;", strings.Repeat(stanza, 2))); problems.Failed() {
		t.Fatal(problems)
	}
	_, problems := prepare(files(t, "PCAP_INTF lo;", strings.Repeat(stanza, 3)))
	if want := "access.conf:9: the OpenPGP keys of the stanzas so far are larger than 33554432 bytes"; !problems.Failed() || !strings.HasSuffix(problems[len(problems)-1].String(), want) {
		t.Errorf("%v, want %s", problems, want)
	}
}
