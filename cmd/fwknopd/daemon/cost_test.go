package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/fixtures/short"
	"fwknopd/fixtures/users"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// handOver loads the configuration as the monitor does, and from the file that it hands over
// as the worker does.
func handOver(t *testing.T, n int) (s *setup, l *config.Loaded, e *policy.Engine) {
	t.Helper()
	s, problems := prepare(files(t, "PCAP_INTF lo;", users.AccessConf(n)))
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
	short.Skip(t)
	const n = 10_000
	users.Check(t, n, users.Cost{Bytes: 24 << 10, Allocations: 200, Kept: 6 << 10}, func() any {
		s, l, e := handOver(t, n)
		return []any{s, l, e}
	})
}

// TestManyStanzas: the most stanzas that are allowed are handed over.
func TestManyStanzas(t *testing.T) {
	short.Skip(t)
	s, l, _ := handOver(t, conf.MaxStanzas)
	if n := len(s.policy.Limits.Stanzas); n != conf.MaxStanzas || l.Access.Stanzas[n-1].Usernames[0] != fmt.Sprintf("user%d", n-1) {
		t.Errorf("%d stanzas, the last one is of %v", n, l.Access.Stanzas[n-1].Usernames)
	}
}

// TestManyKeys: the OpenPGP keys of all stanzas have a bound, since they are handed over too.
func TestManyKeys(t *testing.T) {
	short.Skip(t)
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
