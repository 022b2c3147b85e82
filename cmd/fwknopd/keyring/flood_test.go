package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// TestFlood checks that junk addressed to our key causes no more public-key operations
// than the limit allows, and that 100 symmetric packets a second are granted meanwhile.
func TestFlood(t *testing.T) {
	const seconds, symmetric, junk, rate = 5, 100, 2000, 20
	key := []byte("public-set-key-24-chars!")
	anyone := conf.Nets{Include: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	gpg := &conf.GPG{KeyFiles: keyFiles(t, "server.sec.asc", "client.pub.asc"), RemoteIDs: []string{"4F8731AC"}, Prefix: spa.DefaultGPGPrefix}
	limiter := &countingLimiter{Limiter: spa.NewLimiter(spa.Rate{PerSecond: 5, Burst: 5}, spa.Rate{PerSecond: rate, Burst: rate})}
	e, err := policy.NewEngine(policy.Options{
		Server: &conf.Server{Dialect: conf.C26, AuthModes: []string{"PCAP"}, Aging: true, MaxAge: time.Minute, MinGPGLen: 400},
		Access: &conf.Access{Stanzas: []conf.Stanza{{Source: anyone, SourceAddress: anyone, Key: conf.NewSecret(key), GPG: gpg,
			OpenPorts: []conf.Port{{Proto: 6, Number: 22}}, AccessTimeout: 30 * time.Second}}},
		Store:    replay.NewMemory(replay.Options{}),
		Keyring:  func(g *conf.GPG) (*spa.Keyring, error) { return Load(t.Context(), g) },
		GPGLimit: limiter,
	})
	if err != nil {
		t.Fatal(err)
	}
	event := func(src uint32, now time.Time, payload []byte) *parse.Event {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], src)
		return &parse.Event{Time: now, Src: netip.AddrPortFrom(netip.AddrFrom4(a), 4000), Dst: netip.MustParseAddrPort("10.77.0.1:62201"),
			Proto: parse.UDP, Origin: parse.OriginFrame, Len: uint16(28 + len(payload)), Payload: payload}
	}
	bad := ourKeyJunk(t)
	granted, limited := 0, 0
	for s := range seconds {
		now := time.Unix(1700000000+int64(s), 0)
		for i := range uint32(junk) {
			if d := e.Decide(now, event(0x0a000000+i%1000, now, bad)); d.Verdict == policy.Allow {
				t.Fatalf("junk: %+v", d)
			} else if d.Reason == policy.SPARateLimited {
				limited++
			}
			if i%(junk/symmetric) != 0 {
				continue
			}
			m := spa.Message{User: "alice", Time: now.Unix(), Version: "3.0.0", Type: spa.Access, Text: "192.0.2.7,tcp/22"}
			w, err := spa.Encode(&m, spa.Key{Passphrase: key}, spa.EncodeOptions{Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			if e.Decide(now, event(0xc0000207, now, w)).Verdict == policy.Allow {
				granted++
			}
		}
	}
	if granted != seconds*symmetric {
		t.Errorf("%d of %d symmetric packets granted", granted, seconds*symmetric)
	}
	worked := limiter.worked
	if worked == 0 || worked > rate*seconds || limited != seconds*junk-worked {
		t.Errorf("%d of %d packets caused work, %d were counted as limited", worked, seconds*junk, limited)
	}
}

// A countingLimiter counts the operations that it allows.
type countingLimiter struct {
	*spa.Limiter
	worked int
}

// Allow implements [policy.GPGLimit].
func (l *countingLimiter) Allow(src netip.Addr, at time.Time) bool {
	ok := l.Limiter.Allow(src, at)
	if ok {
		l.worked++
	}
	return ok
}

// What explain says of a packet is what is decided, also when the rate of public-key work is
// used up, and explaining takes nothing of it.
func TestFloodExplained(t *testing.T) {
	anyone := conf.Nets{Include: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	gpg := &conf.GPG{KeyFiles: keyFiles(t, "server.sec.asc", "client.pub.asc"), RemoteIDs: []string{"4F8731AC"}, Prefix: spa.DefaultGPGPrefix}
	stanza := conf.Stanza{Source: anyone, SourceAddress: anyone, GPG: gpg, OpenPorts: []conf.Port{{Proto: 6, Number: 22}}, AccessTimeout: 30 * time.Second}
	e, err := policy.NewEngine(policy.Options{
		Server:   &conf.Server{Dialect: conf.C26, AuthModes: []string{"PCAP"}, Aging: true, MaxAge: time.Minute, MinGPGLen: 400},
		Access:   &conf.Access{Stanzas: []conf.Stanza{stanza, stanza}}, // each packet takes two shares
		Store:    replay.NewMemory(replay.Options{}),
		Keyring:  func(g *conf.GPG) (*spa.Keyring, error) { return Load(t.Context(), g) },
		GPGLimit: spa.NewLimiter(spa.Rate{PerSecond: 1, Burst: 5}, spa.Rate{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	now, junk := time.Unix(1700000000, 0), ourKeyJunk(t)
	ev := &parse.Event{Time: now, Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("10.77.0.1:62201"),
		Proto: parse.UDP, Origin: parse.OriginFrame, Len: uint16(28 + len(junk)), Payload: junk}
	for i := range 4 {
		first, again := e.Explain(now, ev), e.Explain(now, ev)
		decided := e.Decide(now, ev)
		for _, tr := range []policy.Trace{first, again} {
			if tr.Decision.Reason != decided.Reason || tr.Decision.Verdict != decided.Verdict {
				t.Errorf("packet %d: explained as %s, decided as %s", i, tr.Decision.Reason, decided.Reason)
			}
		}
		if limited := decided.Reason == policy.SPARateLimited; limited != (i >= 3) { // the third has a share for one stanza
			t.Errorf("packet %d: %s", i, decided.Reason)
		}
		var checks []string
		for _, c := range first.Stanzas[1].Checks {
			checks = append(checks, c.Name)
		}
		if last := checks[len(checks)-1]; (last == "rate") != (i >= 2) {
			t.Errorf("packet %d: checks %q", i, checks)
		}
	}
}

// ourKeyJunk returns a message to our key with a corrupt body, the most expensive junk.
func ourKeyJunk(t *testing.T) []byte {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Name == "c-gpg-signed" {
			return append(bytes.Clone(v.Wire[:len(v.Wire)-8]), "AAAAAAAA"...)
		}
	}
	t.Fatal("no vector")
	return nil
}
