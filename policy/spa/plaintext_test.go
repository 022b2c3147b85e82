package spa

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func b64(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }

// withDigest ends a plaintext as an honest client does, so that the rules under
// test are the only thing that can refuse it.
func withDigest(body, name string) []byte {
	return algorithmOf(name).appendText([]byte(body+":"), []byte(body))
}

const (
	rnd  = "1234567890123456"
	head = rnd + ":YWxpY2U:1700000000:3.0.0:" // up to the type
)

var (
	access = b64("10.77.0.2,tcp/22")
	nat    = b64("192.168.10.5,22")
)

// openPlain seals the plaintext with a key and opens it again.
func openPlain(t testing.TB, plain []byte, rules Rules) (*Message, error) {
	t.Helper()
	k := Key{Passphrase: []byte("public-set-key-24-chars!"), HMACKey: []byte("public hmac key"), Rules: rules}
	w, err := Seal(plain, k, EncodeOptions{Rand: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	m := new(Message)
	return m, opener(t, k).Open(w, m)
}

// TestPlaintext reads like section "Plaintext" of the format: what an authenticated
// user may and may not say. want nil means that it opens.
func TestPlaintext(t *testing.T) {
	perl := Rules{Perl19: true}
	hosts := Rules{AllowHosts: true}
	for _, c := range []struct {
		name  string
		body  string
		rules Rules
		want  error
	}{
		{"access", head + "1:" + access, Rules{}, nil},
		{"padded inner base64", rnd + ":YWxpY2U=:1700000000:1.9.12:1:" + access + "==", Rules{}, nil},
		{"padding that does not fit", rnd + ":YWxpY2U==:1700000000:1.9.12:1:" + access, Rules{}, errUser},
		{"padding of its own", head + "1:" + access + "====", Rules{}, errText},

		{"rand of 15", rnd[:15] + ":YWxpY2U:1700000000:3.0.0:1:" + access, Rules{}, errRand},
		{"rand of 17", "1" + head + "1:" + access, Rules{}, errRand},
		{"rand with a letter", "x" + head[1:] + "1:" + access, Rules{}, errRand},
		{"rand with a sign", "-" + head[1:] + "1:" + access, Rules{}, errRand},

		{"user of 48", rnd + ":" + b64(strings.Repeat("u", 48)) + ":1700000000:3.0.0:1:" + access, Rules{}, nil},
		{"user of 49", rnd + ":" + b64(strings.Repeat("u", 49)) + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user of 64", rnd + ":" + b64(strings.Repeat("u", 64)) + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user of 200", rnd + ":" + b64(strings.Repeat("u", 200)) + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user empty", rnd + "::1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user punctuation", rnd + ":" + b64("a.-_@!#$%&'()^{}~ z") + ":1700000000:3.0.0:1:" + access, Rules{}, nil},
		{"user slash", rnd + ":" + b64("../../etc") + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user newline", rnd + ":" + b64("alice\n") + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user nul", rnd + ":" + b64("alice\x00") + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user 0x7f", rnd + ":" + b64("alice\x7f") + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user utf-8", rnd + ":" + b64("ünal") + ":1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user not base64", rnd + ":YWxp*2U:1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user of one character", rnd + ":Y:1700000000:3.0.0:1:" + access, Rules{}, errUser},
		{"user with unused bits", rnd + ":YWxpY2V:1700000000:3.0.0:1:" + access, Rules{}, errUser},

		{"time 0", rnd + ":YWxpY2U:0:3.0.0:1:" + access, Rules{}, nil},
		{"time of 12", rnd + ":YWxpY2U:001700000000:3.0.0:1:" + access, Rules{}, nil},
		{"time of 13", rnd + ":YWxpY2U:0001700000000:3.0.0:1:" + access, Rules{}, errTime},
		{"time empty", rnd + ":YWxpY2U::3.0.0:1:" + access, Rules{}, errTime},
		{"time negative", rnd + ":YWxpY2U:-1:3.0.0:1:" + access, Rules{}, errTime},
		{"time with a fraction", rnd + ":YWxpY2U:1700.5:3.0.0:1:" + access, Rules{}, errTime},
		{"time with a blank", rnd + ":YWxpY2U: 170000000:3.0.0:1:" + access, Rules{}, errTime},

		{"version of 8", rnd + ":YWxpY2U:1700000000:3.0.0-rc:1:" + access, Rules{}, nil},
		{"version of 9", rnd + ":YWxpY2U:1700000000:3.0.0-rc1:1:" + access, Rules{}, errVersion},
		{"version empty", rnd + ":YWxpY2U:1700000000::1:" + access, Rules{}, errVersion},
		{"version of letters", rnd + ":YWxpY2U:1700000000:x:1:" + access, Rules{}, nil},
		{"1.9: version of letters", rnd + ":YWxpY2U:1700000000:x:1:" + access, perl, errVersion},
		{"1.9: version before 0.9.3", rnd + ":YWxpY2U:1700000000:0.9.2:1:" + access, perl, errOldVersion},
		{"1.9: version 0.9.3", rnd + ":YWxpY2U:1700000000:0.9.3:1:" + access, perl, nil},
		{"1.9: version before a release", rnd + ":YWxpY2U:1700000000:1.9.12-pre3:1:" + access, perl, nil},
		{"1.9: version of 17", rnd + ":YWxpY2U:1700000000:1.9.12-pre12345678:1:" + access, perl, errVersion},
		{"1.9: NAT from 1.8.3", rnd + ":YWxpY2U:1700000000:1.8.3:2:" + access + ":" + nat, perl, errOldVersion},
		{"1.9: timeout from 1.9.1", rnd + ":YWxpY2U:1700000000:1.9.1:3:" + access + ":30", perl, errOldVersion},
		{"1.9: pre-release", rnd + ":YWxpY2U:1700000000:1.9-pre1:1:" + access, perl, nil},
		{"1.9: two components", rnd + ":YWxpY2U:1700000000:2.5:1:" + access, perl, nil},
		{"1.9: four components", rnd + ":YWxpY2U:1700000000:1.9.1.2:1:" + access, perl, errVersion},

		{"type 01", head + "01:" + access, Rules{}, nil},
		{"type 001", head + "001:" + access, Rules{}, errType},
		{"type 7", head + "7:" + access, Rules{}, errType},
		{"type 99", head + "99:" + access, Rules{}, errType},
		{"type -1", head + "-1:" + access, Rules{}, errType},
		{"type empty", head + ":" + access, Rules{}, errType},
		{"type x", head + "x:" + access, Rules{}, errType},

		{"several ports", head + "1:" + b64("10.77.0.2,tcp/22,udp/53,tcp/65535"), Rules{}, nil},
		{"any address", head + "1:" + b64("0.0.0.0,tcp/22"), Rules{}, nil},
		{"IPv6", head + "1:" + b64("2001:db8::7,tcp/22"), Rules{}, nil},
		{"IPv6 any", head + "1:" + b64("::,tcp/22"), Rules{}, nil},
		{"IPv6 zone", head + "1:" + b64("fe80::1%eth0,tcp/22"), Rules{}, errAddr},
		{"IPv4 in IPv6", head + "1:" + b64("::ffff:10.0.0.1,tcp/22"), Rules{}, errAddr},
		{"octal address", head + "1:" + b64("010.77.0.2,tcp/22"), Rules{}, errAddr},
		{"short address", head + "1:" + b64("10.77.2,tcp/22"), Rules{}, errAddr},
		{"large address", head + "1:" + b64("10.77.0.256,tcp/22"), Rules{}, errAddr},
		{"address with a mask", head + "1:" + b64("10.77.0.0/16,tcp/22"), Rules{}, errAddr},
		{"address with a blank", head + "1:" + b64(" 10.77.0.2,tcp/22"), Rules{}, errAddr},
		{"host name as address", head + "1:" + b64("example.org,tcp/22"), Rules{}, errAddr},
		{"no address", head + "1:" + b64(",tcp/22"), Rules{}, errAddr},
		{"address alone", head + "1:" + b64("10.77.0.2"), Rules{}, errText},
		{"message empty", head + "1:", Rules{}, errText},
		{"message of 256", head + "1:" + b64("10.77.0.2"+strings.Repeat(",tcp/1", 30)+",ud"), Rules{}, errPorts},
		{"message of 262", head + "1:" + b64("10.77.0.2"+strings.Repeat(",tcp/1", 30)+",udp/53"), Rules{}, errText},
		{"1.9: message of 262", rnd + ":YWxpY2U:1700000000:1.9.12:1:" + b64("10.77.0.2"+strings.Repeat(",tcp/1", 30)+",udp/53"), perl, nil},

		{"port 0", head + "1:" + b64("10.77.0.2,tcp/0"), Rules{}, errPorts},
		{"port 65536", head + "1:" + b64("10.77.0.2,tcp/65536"), Rules{}, errPorts},
		{"port of 5 digits", head + "1:" + b64("10.77.0.2,tcp/00022"), Rules{}, nil},
		{"port of 6 digits", head + "1:" + b64("10.77.0.2,tcp/000022"), Rules{}, errPorts},
		{"port with a sign", head + "1:" + b64("10.77.0.2,tcp/+22"), Rules{}, errPorts},
		{"port with an underscore", head + "1:" + b64("10.77.0.2,tcp/2_2"), Rules{}, errPorts},
		{"port in hex", head + "1:" + b64("10.77.0.2,tcp/0x16"), Rules{}, errPorts},
		{"port range", head + "1:" + b64("10.77.0.2,tcp/22-23"), Rules{}, errPorts},
		{"no port", head + "1:" + b64("10.77.0.2,tcp/"), Rules{}, errPorts},
		{"tcpx", head + "1:" + b64("10.77.0.2,tcpx/22"), Rules{}, errPorts},
		{"upper case", head + "1:" + b64("10.77.0.2,TCP/22"), Rules{}, errPorts},
		{"1.9: upper case", head + "1:" + b64("10.77.0.2,TCP/22"), perl, nil},
		{"sctp", head + "1:" + b64("10.77.0.2,sctp/22"), Rules{}, errPorts},
		{"icmp", head + "1:" + b64("10.77.0.2,icmp/8"), Rules{}, errPorts},
		{"1.9: icmp", head + "1:" + b64("10.77.0.2,icmp/0"), perl, nil},
		{"none", head + "1:" + b64("10.77.0.2,none/0"), Rules{}, errNoPort},
		{"1.9: none", head + "1:" + b64("10.77.0.2,none/0"), perl, errNoPort},
		{"none with a port", head + "1:" + b64("10.77.0.2,none/22"), Rules{}, errPorts},
		{"trailing comma", head + "1:" + b64("10.77.0.2,tcp/22,"), Rules{}, errPorts},
		{"doubled comma", head + "1:" + b64("10.77.0.2,,tcp/22"), Rules{}, errPorts},
		{"single port form", head + "1:" + b64("10.77.0.2,tcp,22"), Rules{}, errPorts},
		{"1.9: single port form", head + "1:" + b64("10.77.0.2,tcp,22"), perl, errPorts},
		{"blank after the comma", head + "1:" + b64("10.77.0.2,tcp/22, tcp/23"), Rules{}, errPorts},
		{"shell text", head + "1:" + b64("10.77.0.2,tcp/22;id>f;"), Rules{}, errPorts},
		{"newline", head + "1:" + b64("10.77.0.2,tcp/22\n"), Rules{}, errPorts},
		{"nul", head + "1:" + b64("10.77.0.2,tcp/22\x00"), Rules{}, errPorts},

		{"command", head + "0:" + b64("10.77.0.2,echo a, b; c"), Rules{}, nil},
		{"command with a tab and utf-8", head + "0:" + b64("10.77.0.2,echo\tgrün"), Rules{}, nil},
		{"command empty", head + "0:" + b64("10.77.0.2,"), Rules{}, errCmd},
		{"command without address", head + "0:" + b64("id"), Rules{}, errText},
		{"1.9: command without address", rnd + ":YWxpY2U:1700000000:1.9.12:0:" + b64("w"), perl, errText},
		{"command of two lines", head + "0:" + b64("10.77.0.2,id\nid"), Rules{}, errCmd},
		{"command with nul", head + "0:" + b64("10.77.0.2,id\x00"), Rules{}, errCmd},
		{"command with an escape", head + "0:" + b64("10.77.0.2,id\x1b[2J"), Rules{}, errCmd},
		{"command not utf-8", head + "0:" + b64("10.77.0.2,id\xff"), Rules{}, errCmd},
		{"1.9: command with a timeout", rnd + ":YWxpY2U:1700000000:1.9.12:0:" + b64("10.77.0.2,id") + ":30", perl, nil},

		{"nat", head + "2:" + access + ":" + nat, Rules{}, nil},
		{"nat IPv6", head + "2:" + access + ":" + b64("fd00::5,22"), Rules{}, nil},
		{"nat missing", head + "2:" + access, Rules{}, errFields},
		{"nat empty", head + "2:" + access + ":", Rules{}, errNAT},
		{"nat without port", head + "2:" + access + ":" + b64("192.168.10.5"), Rules{}, errNAT},
		{"nat port 0", head + "2:" + access + ":" + b64("192.168.10.5,0"), Rules{}, errNAT},
		{"nat port 65536", head + "2:" + access + ":" + b64("192.168.10.5,65536"), Rules{}, errNAT},
		{"nat two commas", head + "2:" + access + ":" + b64("192.168.10.5,22,23"), Rules{}, errNAT},
		{"nat host name", head + "2:" + access + ":" + b64("inside.example.org,22"), Rules{}, errNAT},
		{"nat host name allowed", head + "2:" + access + ":" + b64("inside.example.org,22"), hosts, nil},
		{"nat host with a slash", head + "2:" + access + ":" + b64("a/b,22"), hosts, errNAT},
		{"nat host with a quote", head + "2:" + access + ":" + b64("a'b,22"), hosts, errNAT},
		{"nat host with a blank", head + "2:" + access + ":" + b64("a b,22"), hosts, errNAT},
		{"nat host that is an option", head + "2:" + access + ":" + b64("-j,22"), hosts, errNAT},
		{"nat half an address", head + "2:" + access + ":" + b64("192.168.10,22"), hosts, errNAT},
		{"nat empty host", head + "2:" + access + ":" + b64(",22"), hosts, errNAT},
		{"nat in an access message", head + "1:" + access + ":" + nat + ":" + nat, Rules{}, errFields},

		{"timeout", head + "3:" + access + ":30", Rules{}, nil},
		{"timeout 0", head + "3:" + access + ":0", Rules{}, nil},
		{"timeout 65536", head + "3:" + access + ":65536", Rules{}, nil},
		{"timeout 65537", head + "3:" + access + ":65537", Rules{}, errTimeout},
		{"1.9: timeout 86400", rnd + ":YWxpY2U:1700000000:1.9.12:3:" + access + ":86400", perl, nil},
		{"timeout 2^64", head + "3:" + access + ":18446744073709551617", perl, errTimeout},
		{"timeout negative", head + "3:" + access + ":-1", Rules{}, errTimeout},
		{"timeout empty", head + "3:" + access + ":", Rules{}, errTimeout},
		{"timeout missing", head + "3:" + access, Rules{}, errFields},
		{"timeout not a number", head + "3:" + access + ":3x", Rules{}, errTimeout},
		{"nat and timeout", head + "4:" + access + ":" + nat + ":30", Rules{}, nil},
		{"nat, no timeout", head + "4:" + access + ":" + nat, Rules{}, errFields},
		{"local nat", head + "5:" + access + ":" + nat, Rules{}, nil},
		{"local nat and timeout", head + "6:" + access + ":" + nat + ":30", Rules{}, nil},

		{"server_auth", head + "1:" + access + ":" + b64("crypt,pw"), Rules{}, nil},
		{"server_auth empty", head + "1:" + access + ":", Rules{}, nil},
		{"server_auth empty before a timeout", head + "3:" + access + "::30", Rules{}, nil},
		{"server_auth not canonical", head + "1:" + access + ":30", Rules{}, nil},
		{"server_auth of one character", head + "1:" + access + ":Y", Rules{}, nil},
		{"server_auth as long as can be", head + "1:" + access + ":" + strings.Repeat("A", 256), Rules{}, nil},
		{"server_auth longer", head + "1:" + access + ":" + strings.Repeat("A", 257), Rules{}, errAuth},
		{"server_auth not base64", head + "1:" + access + ":a*b", Rules{}, errAuth},
		{"server_auth and timeout", head + "3:" + access + ":" + b64("crypt,pw") + ":30", Rules{}, nil},
		{"1.9: server_auth and timeout", head + "3:" + access + ":" + b64("crypt,pw") + ":30", perl, errFields},
		{"1.9: server_auth and nat", head + "2:" + access + ":" + nat + ":" + b64("crypt,pw"), perl, errFields},
		{"server_auth and all", head + "6:" + access + ":" + nat + ":" + b64("crypt,pw") + ":30", Rules{}, nil},
		{"one field too many", head + "6:" + access + ":" + nat + ":" + b64("crypt,pw") + ":30:30", Rules{}, errFields},
		{"two server_auths", head + "1:" + access + ":" + b64("crypt,pw") + ":" + b64("crypt,pw"), Rules{}, errFields},
		{"field missing", rnd + ":YWxpY2U:1700000000:1:" + access, Rules{}, errFields},
		{"a hundred fields", head + "1:" + access + strings.Repeat(":", 100), Rules{}, errFields},
	} {
		m, err := openPlain(t, withDigest(c.body, "sha256"), c.rules)
		if err != c.want && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v is not malformed", c.name, err)
		}
		if err == nil {
			roundTrip(t, m, c.rules)
		}
	}
}

// roundTrip encodes what was opened. The plaintext comes back, but for the freedoms
// that the format leaves: leading zeros, "=", a server_auth that does not decode.
func roundTrip(t testing.TB, m *Message, rules Rules) {
	t.Helper()
	again, err := Plaintext(m, m.Rand)
	if err != nil {
		t.Fatal(err)
	}
	back, err := openPlain(t, again, rules)
	if err != nil {
		t.Fatalf("%s does not open: %v", again, err)
	}
	if canon := canonical(m.Plaintext); !bytes.Equal(canon, canonical(again)) {
		t.Errorf("opened    %s\nencoded   %s", m.Plaintext, again)
	}
	a, b := *m, *back
	a.Plaintext, b.Plaintext = nil, nil
	if d := cmp.Diff(a, b, cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); d != "" {
		t.Error(d)
	}
}

// canonical is the plaintext without its digest in canonical form.
func canonical(plain []byte) []byte {
	var part []string
	for i, p := range strings.Split(string(plain[:bytes.LastIndexByte(plain, ':')]), ":") {
		if _, err := decodeBase64(nil, []byte(p)); i >= 6 && err != nil {
			continue // a server_auth without meaning
		}
		p = strings.TrimRight(p, "=")
		if i >= 6 && digits([]byte(p)) {
			continue // a timeout, or a server_auth of digits: compared as fields
		}
		if i == 2 || i == 4 {
			p = strings.TrimLeft(p, "0")
		}
		if i < 6 || p != "" {
			part = append(part, p)
		}
	}
	return []byte(strings.Join(part, ":"))
}

// TestMessageFields pins what the texts mean, once for every type.
func TestMessageFields(t *testing.T) {
	a := netip.MustParseAddr
	ssh := []Port{{Proto: 6, Number: 22}}
	for body, want := range map[string]Message{
		"0:" + b64("10.77.0.2,echo a,b"):                        {Type: Command, Allow: a("10.77.0.2"), Cmd: "echo a,b"},
		"1:" + b64("2001:db8::7,tcp/22,udp/53"):                 {Type: Access, Allow: a("2001:db8::7"), Ports: []Port{{Proto: 6, Number: 22}, {Proto: 17, Number: 53}}},
		"2:" + access + ":" + b64("192.168.10.5,55000"):         {Type: NATAccess, Allow: a("10.77.0.2"), Ports: ssh, NATHost: "192.168.10.5", NATPort: 55000},
		"3:" + access + ":60":                                   {Type: AccessTimeout, Allow: a("10.77.0.2"), Ports: ssh, Timeout: 60, HasTimeout: true},
		"4:" + access + ":" + b64("FD00::5,1") + ":0":           {Type: NATAccessTimeout, Allow: a("10.77.0.2"), Ports: ssh, NATHost: "fd00::5", NATPort: 1, HasTimeout: true},
		"5:" + access + ":" + b64("10.77.0.1,55022"):            {Type: LocalNATAccess, Allow: a("10.77.0.2"), Ports: ssh, NATHost: "10.77.0.1", NATPort: 55022},
		"6:" + access + ":" + b64("10.77.0.1,55022") + ":65536": {Type: LocalNATAccessTimeout, Allow: a("10.77.0.2"), Ports: ssh, NATHost: "10.77.0.1", NATPort: 55022, Timeout: 65536, HasTimeout: true},
	} {
		for _, version := range []string{"3.0.0", "1.9.12"} {
			m, err := openPlain(t, withDigest(rnd+":YWxpY2U:1700000000:"+version+":"+body, "sha256"), Rules{})
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			want.Rand, want.User, want.Time, want.Version = rnd, "alice", 1700000000, version
			want.Perl19 = version == "1.9.12"
			want.DigestType, want.Plaintext, want.Text, want.NAT = "sha256", m.Plaintext, m.Text, m.NAT
			if d := cmp.Diff(&want, m, cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); d != "" {
				t.Errorf("%s: %s", body, d)
			}
		}
	}
}

// TestEveryByteEverywhere: what takes eight bytes at a time sees each of them.
func TestEveryByteEverywhere(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for n := 1; n < 20; n++ {
		for at := range n {
			for c := range 256 {
				p := bytes.Repeat([]byte("a"), n)
				p[at] = byte(c)
				if got, want := printable(p), c >= ' ' && c <= '~'; got != want {
					t.Fatalf("printable(%q) = %v", p, got)
				}
				padding := c == '=' && at == n-1 && n > 1
				if got, want := isBase64(p), strings.IndexByte(alphabet, byte(c)) >= 0 || padding; got != want {
					t.Fatalf("isBase64(%q) = %v", p, got)
				}
			}
		}
	}
}
