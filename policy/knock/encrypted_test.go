package knock

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/policy/conf"
)

func TestEncrypted(t *testing.T) {
	const both = "knock.granted 192.0.2.99 tcp/22,tcp/443 5m0s"
	type change = func(*conf.Stanza, *conf.Server)
	none := func(*conf.Stanza, *conf.Server) {}
	for _, c := range []struct {
		name             string
		addr, port, user string
		change           change
		want             string
	}{
		{"an address inside", "192.0.2.99", "tcp/443", "root", none, both + " root"},
		{"the packet's source", "0.0.0.0", "udp/53", "root", none, "knock.granted 192.0.2.7 tcp/22,udp/53 5m0s root"},
		{"0.0.0.0 forbidden", "0.0.0.0", "udp/53", "root",
			func(_ *conf.Stanza, v *conf.Server) { v.RequireSourceAddress = true }, "knock.source"},
		{"0.0.0.0 forbidden here", "0.0.0.0", "udp/53", "root",
			func(s *conf.Stanza, _ *conf.Server) { s.SourceAddress = conf.Nets{} }, "knock.source"},
		{"address inside blacklisted", "192.0.2.99", "tcp/443", "root",
			func(_ *conf.Stanza, v *conf.Server) {
				v.Blacklist.Include = []netip.Prefix{netip.MustParsePrefix("192.0.2.99/32")}
			}, "knock.source"},
		{"address taken as is", "255.1.2.3", "tcp/443", "root", none, "knock.granted 255.1.2.3 tcp/22,tcp/443 5m0s root"},
		{"icmp", "192.0.2.99", "icmp", "", none, "knock.granted 192.0.2.99 icmp,tcp/22 5m0s"},
		{"a port of OPEN_PORTS", "192.0.2.99", "tcp/22", "", none, "knock.granted 192.0.2.99 tcp/22 5m0s"},
		{"no OPEN_PORTS", "192.0.2.99", "tcp/443", "",
			func(s *conf.Stanza, _ *conf.Server) { s.OpenPorts = nil }, "knock.granted 192.0.2.99 tcp/443 5m0s"},
		{"restricted port", "192.0.2.99", "tcp/443", "",
			func(s *conf.Stanza, _ *conf.Server) { s.RestrictPorts = []conf.Port{{Proto: 6, Number: 443}} }, "knock.port"},
		{"port 0", "192.0.2.99", "tcp/0", "", none, "knock.port"},
		{"unknown protocol", "192.0.2.99", "sctp/1", "", none, "knock.decrypt_failed"},
		{"wrong key", "192.0.2.99", "tcp/443", "root",
			func(s *conf.Stanza, _ *conf.Server) { s.Key = conf.NewSecret([]byte("other")) }, "knock.decrypt_failed"},
		{"user", "192.0.2.99", "tcp/443", "mbr",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"root", "mbr"} }, both + " mbr"},
		{"other user", "192.0.2.99", "tcp/443", "mbrx",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"mbr"} }, "knock.user"},
		{"case of the user", "192.0.2.99", "tcp/443", "MBR",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"mbr"} }, "knock.user"},
		{"no user", "192.0.2.99", "tcp/443", "",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"mbr"} }, "knock.user"},
		{"user up to NUL", "192.0.2.99", "tcp/443", "mbr\x00x",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"mbr"} }, both + " mbr"},
		{"seven letters, 32 ports", "192.0.2.99", "tcp/443", "sevench", none, both + " sevench"},
		{"eight letters, 48 ports", "192.0.2.99", "tcp/443", "eightchr", none, both + " eightchr"},
		{"long user in full", "192.0.2.99", "tcp/443", "averyverylongusername",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"averyverylongusername"} },
			both + " averyverylongusername"},
		{"long user cut short", "192.0.2.99", "tcp/443", "averyverylongusername",
			func(s *conf.Stanza, _ *conf.Server) { s.Usernames = []string{"averyver"} }, "knock.user"},
		{"32 letters, 64 ports", "192.0.2.99", "tcp/443", strings.Repeat("u", 32), none, both + " " + strings.Repeat("u", 32)},
		{"limit", "192.0.2.99", "tcp/443", "root",
			func(s *conf.Stanza, _ *conf.Server) { s.KnockLimit = 0 }, "knock.limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := encrypted("key"), encrypted("key")
			v := &conf.Server{}
			c.change(&server, v)
			text := encrypt(passphrase(&client), salt(0), clearText(c.addr, c.port, c.user))
			tr := New(Options{Stanzas: []conf.Stanza{server}, Server: v})
			expect(t, play(tr, knocksFor(&client, text, "")...), fmt.Sprintf("%d %s", len(text), c.want))
		})
	}
}

// What is sent decides where the text ends; the rest of a longer one belongs to
// the next attempt.
func TestEncryptedText(t *testing.T) {
	s := encrypted("key")
	pass := passphrase(&s)
	text := encrypt(pass, salt(0), clearText("192.0.2.99", "tcp/443", "root"))
	next := encrypt(pass, salt(1), clearText("192.0.2.99", "tcp/443", "root"))
	knocks, again := knocksFor(&s, text, ""), knocksFor(&s, next, "")
	const granted = "knock.granted 192.0.2.99 tcp/22,tcp/443 5m0s root"
	checksum := clearText("192.0.2.99", "tcp/443", "root")
	checksum[7]++
	noise := strings.Fields("tcp/60999 tcp/61256 icmp udp/22 tcp/22")
	alternate := slices.Clone(knocks)
	for i := 1; i < len(alternate); i += 2 {
		alternate[i] = strings.Replace(alternate[i], "tcp", "udp", 1)
	}
	flipped := bytes.Clone(text)
	flipped[20] ^= 1
	for _, c := range []struct {
		name    string
		packets []string
		want    string
	}{
		{"one short", knocks[:31], ""},
		{"tcp and udp in turn", alternate, "32 " + granted},
		{"ports outside the window", slices.Concat(knocks[:9], noise, knocks[9:]), "37 " + granted},
		{"a port inside the window", slices.Concat(knocks[:9], []string{"tcp/61007"}, knocks[9:]), "32 knock.decrypt_failed"},
		{"a new connection to the same port", slices.Concat(knocks[:9], knocks[8:]), "32 knock.decrypt_failed"},
		{"the last packet of a failure spoils the next", slices.Concat(knocks[:9], knocks[8:], again),
			"32 knock.decrypt_failed\n64 knock.decrypt_failed"},
		{"another after it", slices.Concat(knocks, again), "32 " + granted + "\n64 " + granted},
		{"no salt in front", knocksFor(&s, bytes.Repeat([]byte{7}, 32), ""), "32 knock.decrypt_failed"},
		{"checksum", knocksFor(&s, encrypt(pass, salt(0), checksum), ""), "32 knock.checksum"},
		{"one bit", knocksFor(&s, flipped, ""), "32 knock.decrypt_failed"},
		{"a clear text too short", knocksFor(&s, encrypt(pass, salt(0), []byte("seven__")), ""), "32 knock.decrypt_failed"},
		{"a user name too long", knocksFor(&s, encrypt(pass, salt(0), clearText("192.0.2.99", "tcp/443", strings.Repeat("u", 40))), ""),
			"64 knock.decrypt_failed"},
		{"interval", append(knocksFor(&s, text[:16], "0"), knocksFor(&s, text[16:], "61")...), "17 knock.timeout"},
		{"interval just reached", append(knocksFor(&s, text[:16], "0"), knocksFor(&s, text[16:], "60")...), "32 " + granted},
		{"a new try after the interval", append(knocksFor(&s, text[:16], "0"), knocksFor(&s, next, "61")...), "17 knock.timeout\n48 " + granted},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := New(Options{Stanzas: []conf.Stanza{s}})
			expect(t, play(tr, c.packets...), c.want)
		})
	}
}

func TestReplay(t *testing.T) {
	s := encrypted("key")
	text := encrypt(passphrase(&s), salt(0), clearText("0.0.0.0", "tcp/443", "eightchr"))
	tr := New(Options{Stanzas: []conf.Stanza{s}})
	const granted = "48 knock.granted 192.0.2.7 tcp/22,tcp/443 5m0s eightchr"
	expect(t, play(tr, knocksFor(&s, text, "0")...), granted)
	expect(t, play(tr, knocksFor(&s, text, "100")...), "48 knock.replay")
	expect(t, play(tr, knocksFor(&s, text, "100 192.0.2.8")...), "48 knock.replay")

	// Whoever has no key may change the last block, and once in 256 times its
	// padding is right all the same.
	found := false
	for i := range 1 << 12 {
		forged := bytes.Clone(text)
		forged[40], forged[41] = byte(i), byte(i>>8)
		if m, whole := decrypt(passphrase(&s), forged); whole && m.valid() && !bytes.Equal(forged, text) {
			expect(t, play(tr, knocksFor(&s, forged, "200 192.0.2.8")...), "48 knock.replay")
			found = true
			break
		}
	}
	if !found {
		t.Error("no other spelling of the last block is whole")
	}
}

// A refused message cannot be used later, when the rules have changed.
func TestReplayOfRefused(t *testing.T) {
	s := encrypted("key")
	s.SourceAddress = conf.Nets{}
	text := encrypt(passphrase(&s), salt(0), clearText("0.0.0.0", "tcp/443", ""))
	strict := New(Options{Stanzas: []conf.Stanza{s}})
	expect(t, play(strict, knocksFor(&s, text, "")...), "32 knock.source")
	s.SourceAddress = anyone
	lax := New(Options{Stanzas: []conf.Stanza{s}})
	lax.CarryOver(strict)
	expect(t, play(lax, knocksFor(&s, text, "192.0.2.8 100")...), "32 knock.replay")
}

// Several keys for one source: each stanza deciphers on its own, and that a key
// does not fit is said once, and only if none does.
func TestTwoKeys(t *testing.T) {
	a, b, c := encrypted("first"), encrypted("second"), encrypted("second")
	b.AccessTimeout, c.AccessTimeout = time.Second, 2*time.Second
	stanzas := []conf.Stanza{a, b, c}
	text := encrypt(passphrase(&b), salt(0), clearText("192.0.2.99", "tcp/443", ""))
	expect(t, play(New(Options{Stanzas: stanzas}), knocksFor(&a, text, "")...), `
32 knock.granted 192.0.2.99 tcp/22,tcp/443 1s
32 knock.granted 192.0.2.99 tcp/22,tcp/443 2s`)

	text[31] ^= 1
	expect(t, play(New(Options{Stanzas: stanzas}), knocksFor(&a, text, "")...), "32 knock.decrypt_failed")
}

// The window may hang over the last port.
func TestWindowAtTheEnd(t *testing.T) {
	s := encrypted("key")
	s.PortOffset = 65400
	tr := New(Options{Stanzas: []conf.Stanza{s}})
	expect(t, play(tr, "tcp/65400", "tcp/65535", "tcp/1", "tcp/119"), "")
	if src := tr.sources.find(alice); src == nil || src.attempts[0].done != 2 {
		t.Errorf("%+v", src)
	}
}

// A requested port is granted to the client that asked for it and to no other.
func TestOpenPortsCopied(t *testing.T) {
	s := encrypted("key")
	s.OpenPorts = append(make([]conf.Port, 0, 8), s.OpenPorts...)
	tr := New(Options{Stanzas: []conf.Stanza{s}})
	for i, port := range []string{"tcp/8081", "tcp/9091"} {
		text := encrypt(passphrase(&s), salt(byte(i)), clearText("192.0.2.99", port, ""))
		expect(t, play(tr, knocksFor(&s, text, "")...), "32 knock.granted 192.0.2.99 tcp/22,"+port+" 5m0s")
	}
}

func TestUnlistedPortIsSaid(t *testing.T) {
	for _, permit := range []bool{false, true} {
		s := encrypted("key")
		s.PermitClientPorts = permit
		text := encrypt(passphrase(&s), salt(0), clearText("192.0.2.99", "tcp/443", ""))
		tr := New(Options{Stanzas: []conf.Stanza{s}})
		var w wire
		var out []Result
		for _, p := range knocksFor(&s, text, "") {
			out = tr.Step(epoch, w.packet(p), out)
		}
		if len(out) != 1 || (out[0].Text == "") != permit || !bytes.Equal(out[0].Cipher, text[:32]) {
			t.Errorf("permit %v: %+v", permit, out)
		}
	}
}

// OpenSSL agrees on the cipher.
func TestDecryptOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	cmd := exec.Command(openssl, "enc", "-aes-256-cbc", "-md", "md5", "-pass", "pass:short12300000000")
	clear := clearText("192.0.2.99", "tcp/443", "sevench")
	cmd.Stdin = bytes.NewReader(clear)
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	s := encrypted("short123")
	s.Dialect = conf.Perl19
	if m, whole := decrypt(passphrase(&s), text); !whole || !m.valid() || m.user != "sevench" {
		t.Errorf("%+v %v", m, whole)
	}
}

// TestPassphrase: the key is filled up whatever the file, as clients do.
func TestPassphrase(t *testing.T) {
	for key, want := range map[string]string{
		"short123":                        "short12300000000",
		"exactly16letters":                "exactly16letters",
		"a key that is longer is not cut": "a key that is longer is not cut",
	} {
		for _, d := range []conf.Dialect{conf.Perl19, conf.C26} {
			s := conf.Stanza{Key: conf.NewSecret([]byte(key)), Dialect: d}
			if got := string(passphrase(&s)); got != want {
				t.Errorf("%q in a %s file: got %q", key, d, got)
			}
		}
	}
}
