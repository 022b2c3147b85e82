package engine

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/fixtures/jsonl"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

const spaDir = "../../../fixtures/spa"

// load loads a configuration of one OpenPGP stanza.
func load(t *testing.T, server string) *config.Loaded {
	t.Helper()
	keys, err := filepath.Abs(filepath.Join(spaDir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"fwknopd.conf": "PCAP_INTF lo\n" + server,
		"access.conf": fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/22\nGPG_KEY_FILE %[1]s/server.sec.asc\nGPG_KEY_FILE %[1]s/client.pub.asc\n"+
			"GPG_REQUIRE_SIG Y\nGPG_ALLOW_NO_PW Y\nGPG_REMOTE_ID 4F8731AC\n", keys),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, problems := config.Load(config.Options{Config: filepath.Join(dir, "fwknopd.conf"), Access: filepath.Join(dir, "access.conf"), Offline: true})
	if problems.Failed() {
		t.Fatal(problems)
	}
	return l
}

// wire returns the payload of a recorded packet.
func wire(t *testing.T, name string) []byte {
	t.Helper()
	type vector struct {
		Name string
		Wire []byte `json:"wire_base64"`
	}
	all := jsonl.Read[vector](t, spaDir+"/vectors.jsonl")
	i := slices.IndexFunc(all, func(v vector) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("no vector %s", name)
	}
	return all[i].Wire
}

// The OpenPGP limit allows a burst of one second, by the time of the packets: the same
// packets are opened live, delayed, and in a replay.
func TestRateOfOpenPGP(t *testing.T) {
	good := wire(t, "c-gpg-signed")
	junk := append(bytes.Clone(good[:len(good)-8]), "AAAAAAAA"...)
	at := time.Unix(1700000000, 0)
	for name, c := range map[string]struct {
		server string
		wait   time.Duration // additional delay of each packet over the one before
		offset time.Duration // of the record's clock
		want   int           // of 12 that are opened
	}{
		"replayed":                {want: 5},
		"live":                    {wait: 250 * time.Millisecond, want: 5},
		"configured":              {server: "GPG_RATE_SOURCE 2\n", want: 2},
		"in total":                {server: "GPG_RATE 3\n", want: 3},
		"records of another time": {wait: 250 * time.Millisecond, offset: -time.Hour, want: 12},
	} {
		t.Run(name, func(t *testing.T) {
			l := load(t, c.server)
			e, err := New(Options{Loaded: l, Store: replay.NewMemory(StoreOptions(l.Server, time.Time{}, nil)),
				Keyring: func(g *conf.GPG) (*spa.Keyring, error) { return keyring.Load(t.Context(), g) }})
			if err != nil {
				t.Fatal(err)
			}
			opened := 0
			for i := range 12 {
				ev := &parse.Event{Time: at.Add(c.offset), Src: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), uint16(4000+i)),
					Dst: netip.MustParseAddrPort("198.51.100.1:62201"), Proto: parse.UDP, Origin: parse.OriginFrame, Len: uint16(28 + len(junk)), Payload: junk}
				switch d := e.Decide(at.Add(time.Duration(i)*c.wait), ev); d.Reason {
				case policy.SPADecryptFailed:
					opened++
				case policy.SPARateLimited:
				default:
					t.Fatalf("packet %d: %+v", i, d)
				}
			}
			if opened != c.want {
				t.Errorf("%d of 12 packets were opened, want %d", opened, c.want)
			}
		})
	}
}

// TRIAL_RATE bounds the work on packets that no stanza opens: of one source, half of what
// a quarter of a second has.
func TestTrialRate(t *testing.T) {
	junk, err := spa.Encode(&spa.Message{User: "alice", Time: 1700000000, Version: "3.0.0", Type: spa.Access, Text: "192.0.2.7,tcp/22"},
		spa.Key{Passphrase: []byte("of no stanza"), HMACKey: []byte("nor is this")}, spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		server    string
		unlimited bool
		want      int // of 3000 packets against 100 stanzas
	}{
		{"", false, 1_000_000 / 4 / 2 / 100},
		{"TRIAL_RATE 80000\n", false, 80_000 / 4 / 2 / 100},
		{"TRIAL_RATE 80000\n", true, 3000},
	} {
		l := load(t, c.server)
		st := &l.Access.Stanzas[0]
		st.GPG, st.Key, st.HMACKey = nil, conf.NewSecret([]byte("a passphrase")), conf.NewSecret([]byte("an hmac key"))
		l.Access.Stanzas = slices.Repeat(l.Access.Stanzas[:1], 100)
		e, err := New(Options{Loaded: l, Store: replay.NewMemory(StoreOptions(l.Server, time.Time{}, nil)), Unlimited: c.unlimited})
		if err != nil {
			t.Fatal(err)
		}
		at, tried := time.Unix(1700000000, 0), 0
		ev := &parse.Event{Time: at, Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"),
			Proto: parse.UDP, Origin: parse.OriginFrame, Len: 300, Payload: junk}
		for range 3000 {
			if d := e.Decide(at, ev); d.Reason != policy.SPARateLimited {
				tried++
			}
		}
		if tried != c.want {
			t.Errorf("%q: %d packets were tried, want %d", c.server, tried, c.want)
		}
	}
}

// Signatures are read only if a stanza requires an operating system, by ReadFile.
func TestSignaturesOnDemand(t *testing.T) {
	l := load(t, "")
	l.Server.P0fFile = "/the/file"
	var read []string
	o := Options{Loaded: l, Store: replay.NewMemory(replay.Options{}), ReadFile: func(name string) ([]byte, error) {
		read = append(read, name)
		return nil, os.ErrPermission
	}}
	if _, err := New(o); err != nil || read != nil {
		t.Fatalf("%v, read %q", err, read)
	}
	l.Access.Stanzas[0].RequireOS = "Linux"
	if _, err := New(o); err == nil || !slices.Equal(read, []string{"/the/file"}) {
		t.Errorf("%v, read %q", err, read)
	}
}
