package spa

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestGPGSender: the server opens what is encrypted for it, whatever keys there are.
func TestGPGSender(t *testing.T) {
	now := time.Unix(1700000005, 0)
	keys := exports(t, "server*.pub.asc", "client.sec.asc", "clientpw.sec.asc", "clientsub.sec.asc", "client*.pub.asc")
	ring := func(name string) *Keyring {
		r, err := NewKeyring(exports(t, "client*.pub.asc", name+".sec.asc"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	ids := make(map[string]string)
	for _, name := range []string{"server", "serverecc", "client", "clientsub"} {
		all, err := readKeys(exports(t, name+".pub.asc")[0])
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = fingerprint(all[0].PrimaryKey.Fingerprint)
	}
	m := &Message{User: "alice", Time: now.Unix(), Version: "3.0.0", Type: Access, Text: "192.0.2.7,tcp/22"}
	for _, tt := range []struct{ to, signer, hmac string }{
		{"server", "client", ""}, {"server", "client", "md5"}, {"server", "clientsub", "sha3_512"}, {"serverecc", "client", "sha256"}, {"serverecc", "", ""}, {"server", "", "sha1"},
	} {
		s, err := NewGPGSender(keys, ids[tt.to], ids[tt.signer], nil)
		if err != nil {
			t.Fatal(err)
		}
		k := GPGKey{Keyring: ring(tt.to), Prefix: DefaultGPGPrefix, RemoteIDs: []string{ids[tt.signer]}, DisableSig: tt.signer == ""}
		if tt.signer == "" {
			k.RemoteIDs = nil
		}
		if tt.hmac != "" {
			k.HMACKey, k.HMACType = []byte("hmactest1"), tt.hmac
		}
		text, err := s.Encode(m, k.HMACKey, k.HMACType, now, EncodeOptions{Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		got := new(Message)
		if err := gpgOpener(t, k).Open(text, now, got); err != nil || got.Text != m.Text || (got.Signer != "") != (tt.signer != "") {
			t.Errorf("%+v: %v, got %+v", tt, err, got)
		}
		if strings.HasPrefix(string(text), DefaultGPGPrefix) {
			t.Errorf("%+v: the prefix is sent", tt)
		}
	}
}

func TestNewGPGSenderRefuses(t *testing.T) {
	keys := exports(t, "server.pub.asc", "client.sec.asc", "clientpw.sec.asc", "stranger.pub.asc")
	locked, err := readKeys(exports(t, "clientpw.pub.asc")[0])
	if err != nil {
		t.Fatal(err)
	}
	lockedID := fingerprint(locked[0].PrimaryKey.Fingerprint)
	for _, tt := range []struct{ to, signer, want string }{
		{"", "", "no recipient is named"},
		{"nobody there", "", `no key fits the recipient "nobody there"`},
		{"@", "", "fits several keys"},
		{lockedID, "stranger", "no key fits the signer"},
	} {
		if _, err := NewGPGSender(keys, tt.to, tt.signer, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if _, err := NewGPGSender(keys, lockedID, lockedID, []byte("wrong")); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if _, err := FrameGPG([]byte("not OpenPGP"), nil, "", EncodeOptions{}); err == nil {
		t.Error("a text is framed")
	}
}
