package spa

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fwknopd/fixtures/jsonl"
	"fwknopd/parse"
	"fwknopd/policy/openssl"
)

// vector is one line of fixtures/spa/vectors.jsonl.
type vector struct {
	Name       string   `json:"name"`
	Client     string   `json:"client"`
	Transport  string   `json:"transport"`
	Wire       []byte   `json:"wire_base64"`
	Packets    [][]byte `json:"packets_base64"` // all of them, where there are several
	Salt       string   `json:"salt_hex"`
	Encryption string   `json:"encryption"`
	Key        struct {
		Base64 []byte `json:"base64"`
	} `json:"encryption_key"`
	HMAC *struct {
		Key struct {
			Base64 []byte `json:"base64"`
		} `json:"key"`
		Type string `json:"type"`
	} `json:"hmac"`
	Plain *struct {
		Raw        string  `json:"raw"`
		Rand       string  `json:"rand"`
		User       string  `json:"user"`
		Time       int64   `json:"time"`
		Version    string  `json:"version"`
		Type       Type    `json:"msg_type"`
		Message    string  `json:"message"`
		NAT        *string `json:"nat_access"`
		Timeout    *uint32 `json:"timeout"`
		ServerAuth *string `json:"server_auth"`
		DigestType string  `json:"digest_type"`
	} `json:"plaintext"`
	GPG *struct {
		Recipient string `json:"recipient"`
		Signer    string `json:"signer"`
		PW        string `json:"pw"`
	} `json:"gpg"`
	Clock  int64 `json:"clock"`
	Server struct {
		CAccess string            `json:"c_access"`
		CConf   map[string]string `json:"c_conf"`
		PAccess string            `json:"perl_access"`
		PConf   map[string]string `json:"perl_conf"`
	} `json:"server"`
	Profile string `json:"profile"`
	Expect  string `json:"expect"`
}

const vectorFile = "../../fixtures/spa/vectors.jsonl"

func (v *vector) perl() bool { return v.Profile == "perl" }

// key is the key of the stanza that the vector's server has.
func (v *vector) key() Key {
	k := Key{Passphrase: v.Key.Base64, LegacyPad: v.perl()}
	if _, mode, ok := strings.Cut(v.Server.CAccess, "ENCRYPTION_MODE "); ok && !v.perl() {
		k.Mode = strings.ToLower(strings.Fields(mode)[0])
	}
	k.Perl19 = v.perl()
	if v.HMAC != nil {
		k.HMACKey, k.HMACType = v.HMAC.Key.Base64, v.HMAC.Type
	}
	if list := v.Server.PConf["DIGEST_TYPE"]; v.perl() && list != "" {
		k.Digests = strings.Split(strings.ToLower(list), ",")
	}
	return k
}

func (v *vector) carrier() CarrierOptions {
	conf := v.Server.CConf
	if v.perl() {
		conf = v.Server.PConf
	}
	o := CarrierOptions{OverHTTP: conf["ENABLE_SPA_OVER_HTTP"] == "Y", Perl19: v.perl()}
	if !v.perl() {
		o.MinLen = 140
	}
	return o
}

func (v *vector) proto() parse.Proto {
	return map[string]parse.Proto{"udp": 17, "tcp": 6, "http": 6, "icmp": 1}[v.Transport]
}

// refusals are the vectors whose packet itself is refused, with the kind of error;
// nil: Carrier refuses it. All others open; the rest of their expectation is tested
// with the engine.
var refusals = map[string]error{
	"c-hmac-wrong-key":                 ErrHMAC,
	"c-hmac-wrong-type":                ErrHMAC,
	"c-hmac-wrong-type-same-len":       ErrHMAC,
	"c-hmac-missing":                   ErrHMAC,
	"x-hmac-flip-body":                 ErrHMAC,
	"x-hmac-flip-mac":                  ErrHMAC,
	"x-hmac-cut":                       ErrHMAC,
	"x-hmac-appended-equals":           ErrHMAC,
	"c-hmac-unexpected":                ErrDecrypt,
	"c-hmac-right-wrong-enckey":        ErrDecrypt,
	"c-udp-legacy-vs-cbc-server":       ErrDecrypt,
	"c-udp-cbc-vs-legacy-server":       ErrDecrypt,
	"c-udp-mode-mismatch-ctr":          ErrDecrypt,
	"c-wrong-key":                      ErrDecrypt,
	"p-wrong-key":                      ErrDecrypt,
	"x-flip-salt":                      ErrDecrypt,
	"x-flip-middle":                    ErrDecrypt,
	"x-flip-last-block":                ErrDecrypt,
	"x-truncated-4":                    ErrDecrypt,
	"c-digest-md5-server-wants-sha256": ErrDigest,
	"p-digest-md5-refused":             ErrDigest,
	"p-no-access-string":               ErrMalformed,
	"x-salted-prefix-first":            ErrNotSPA,
	"x-replay-salted-prefix":           ErrNotSPA,
	"c-http-not-enabled":               nil,
	"c-http-user-agent":                nil,
	"c-http-proxy":                     nil,
	"x-truncated-block":                nil,
	"x-nonbase64-char":                 nil,
	"x-url-base64-over-udp":            nil,
	"x-too-short-139":                  nil,
	"x-too-long-1501":                  nil,
}

// TestVectors opens the packets of real clients and their damaged copies with the
// key and the rules of the server they were shown to.
func TestVectors(t *testing.T) {
	seen := 0
	for _, v := range jsonl.Read[vector](t, vectorFile) {
		if v.Encryption != "rijndael" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) { v.test(t) })
		if _, ok := refusals[v.Name]; ok {
			seen++
		}
	}
	if seen != len(refusals) {
		t.Errorf("%d of the %d refusals are among the vectors", seen, len(refusals))
	}
}

func (v *vector) test(t *testing.T) {
	want, refused := refusals[v.Name]
	text, _, ok := Carrier(v.proto(), v.Wire, v.carrier(), make([]byte, len(v.Wire)))
	if carried := !refused || want != nil; ok != carried {
		t.Fatalf("Carrier: %v, want %v", ok, carried)
	} else if !ok {
		return
	}
	o := opener(t, v.key())
	var m Message
	err := o.Open(text, &m)
	if !errors.Is(err, want) {
		t.Fatalf("Open: %v, want %v", err, want)
	}
	if refused && v.Expect == "accept" {
		t.Error("refused what the server accepted")
	}
	if err == nil && v.Plain != nil && v.Packets == nil {
		v.compare(t, &m)
	}
}

// compare holds the message against the fields the vector lists.
func (v *vector) compare(t *testing.T, m *Message) {
	t.Helper()
	p := v.Plain
	want := Message{Rand: p.Rand, User: p.User, Time: p.Time, Version: p.Version, Type: p.Type, Text: p.Message,
		DigestType: p.DigestType, Plaintext: []byte(p.Raw)}
	if p.NAT != nil {
		want.NAT = *p.NAT
	}
	if p.Timeout != nil {
		want.Timeout, want.HasTimeout = *p.Timeout, true
	}
	if p.ServerAuth != nil {
		want.ServerAuth = *p.ServerAuth
	}
	derived := cmpopts.IgnoreFields(Message{}, "Allow", "Ports", "Cmd", "NATHost", "NATPort", "Perl19", "Signer")
	if d := cmp.Diff(&want, m, derived); d != "" {
		t.Error(d)
	}
	if m.Perl19 != strings.HasPrefix(p.Version, "1.") {
		t.Errorf("Perl19 is %v for version %s", m.Perl19, p.Version)
	}
}

// TestEncodeIsWhatClientsSend makes the packets of real clients again, byte for
// byte, from their fields, their key and their salt.
func TestEncodeIsWhatClientsSend(t *testing.T) {
	made := 0
	for _, v := range jsonl.Read[vector](t, vectorFile) {
		salt, err := hex.DecodeString(v.Salt)
		if err != nil || len(salt) != openssl.SaltSize || v.Plain == nil || v.Expect != "accept" || v.Transport == "http" || v.Packets != nil {
			continue
		}
		made++
		m := new(Message)
		if err := opener(t, v.key()).Open(v.Wire, m); err != nil {
			t.Fatal(v.Name, err)
		}
		opt := EncodeOptions{Rand: bytes.NewReader(salt), KeepPrefix: strings.Contains(v.Name, "salted"), KeepEquals: strings.Contains(v.Name, "equals")}
		wire, err := Encode(m, v.key(), opt)
		if err != nil || !bytes.Equal(wire, v.Wire) {
			t.Errorf("%s: %v\n%s\n%s", v.Name, err, wire, v.Wire)
		}
	}
	if made < 50 {
		t.Errorf("only %d packets", made)
	}
}
