package knock

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/openssl"
)

// TestKnocksOf19 compares with what the 1.9 client printed when it sent the sequences.
func TestKnocksOf19(t *testing.T) {
	for file, c := range map[string]struct {
		request Request
		offset  uint16
		rotate  bool
	}{
		"encrypted.txt": {Request{netip.MustParseAddr("10.66.77.2"), portOf("tcp/22"), "root"}, 61000, false},
		"rotated.txt":   {Request{netip.IPv4Unspecified(), portOf("udp/1194"), "root"}, 40000, true},
	} {
		out, err := os.ReadFile("../../fixtures/knock/client/" + file)
		if err != nil {
			t.Fatal(err)
		}
		clear, text := printedBytes(t, out, "Clear-text"), printedBytes(t, out, "Cipher-text")
		if got, err := c.request.clearText(); err != nil || !bytes.Equal(got, clear) {
			t.Errorf("%s: clear text %d, %v; want %d", file, got, err, clear)
		}
		var want []string
		for _, m := range regexp.MustCompile(`(?m)^    -> \S+ (\S+) \(packet: \d+\)$`).FindAllSubmatch(out, -1) {
			want = append(want, string(m[1]))
		}
		code := Coding{Key: []byte("publickey77x"), Salt: saltOf(text), Offset: c.offset, Rotate: c.rotate}
		ports, err := c.request.Knocks(&code)
		var got []string
		for _, p := range ports {
			got = append(got, p.String())
		}
		if err != nil || len(want) != minText || !slices.Equal(got, want) {
			t.Errorf("%s: got %v %v\nwant %v", file, got, err, want)
		}
	}
}

// printedBytes returns the decimal bytes of a line of the 1.9 client.
func printedBytes(t *testing.T, out []byte, what string) (all []byte) {
	t.Helper()
	m := regexp.MustCompile(what + ` sequence \(\d+ bytes\): ([\d ]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no %s in\n%s", what, out)
	}
	for word := range strings.FieldsSeq(string(m[1])) {
		n, err := strconv.ParseUint(word, 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, byte(n))
	}
	return all
}

func saltOf(text []byte) [openssl.SaltSize]byte {
	return [openssl.SaltSize]byte(text[len(openssl.Magic):])
}

var loggedPort = regexp.MustCompile(`SRC=(\S+) .*PROTO=(TCP|UDP) .*DPT=(\d+)`)

// TestKnocksOfScenarios: each sequence in the scenarios whose message is authentic, decoded
// and encoded again, has the same ports.
func TestKnocksOfScenarios(t *testing.T) {
	files, _ := filepath.Glob("../../fixtures/knock/*.scenario.json")
	found := make(map[int]int) // by length
	for _, file := range files {
		var sc scenario
		load(t, file, &sc)
		tr, _, ok := start(t, &sc)
		if !ok {
			continue
		}
		bySource := make(map[string][]conf.Port)
		for _, step := range sc.Steps {
			for _, op := range step.Ops {
				for _, m := range loggedPort.FindAllStringSubmatch(strings.Join(op[1:], ""), -1) {
					bySource[m[1]] = append(bySource[m[1]], portOf(strings.ToLower(m[2])+"/"+m[3]))
				}
			}
		}
		for i := range tr.stanzas {
			for _, ports := range bySource {
				if s := &tr.stanzas[i]; s.Mode == conf.ModeEncrypted {
					recode(t, sc.Name, s, ports, found)
				}
			}
		}
	}
	if found[minText] < 20 || found[minText+blockSize] < 2 {
		t.Errorf("found %v", found)
	}
}

// recode decodes and encodes the sequences among the ports of one source.
func recode(t *testing.T, name string, s *stanza, ports []conf.Port, found map[int]int) {
	t.Helper()
	for at := range ports {
		text := textOf(s, ports[at:])
		for n := minText; n <= len(text); n += blockSize {
			m, whole := decrypt(s.pass, text[:n])
			if !whole || !m.valid() {
				continue
			}
			c := Coding{Key: s.Key.Bytes(), Salt: saltOf(text), Offset: s.PortOffset, Rotate: ports[at+1].Proto == parse.UDP}
			got, err := (&Request{m.addr, m.port, m.user}).Knocks(&c)
			if err != nil || !slices.Equal(got, ports[at:at+n]) {
				t.Errorf("%s: %+v is encoded as\n%v, %v; want\n%v", name, m, got, err, ports[at:at+n])
			}
			found[n]++
			break
		}
	}
}

// textOf returns the bytes that the ports encode up to the first outside the window.
func textOf(s *stanza, ports []conf.Port) (text []byte) {
	for _, p := range ports {
		if !s.inWindow(p) || len(text) == maxText {
			break
		}
		text = append(text, byte(int(p.Number)-int(s.PortOffset)))
	}
	return text
}

// FuzzKnocks: a request that can be encoded is granted as it is at the last knock, and
// nothing happens before.
func FuzzKnocks(f *testing.F) {
	f.Add([]byte("\xc0\x00\x02\x63"), uint16(443), byte(0), "root", []byte("key"), []byte("12345678"), uint16(61000), false)
	f.Add([]byte("\x00\x00\x00\x00"), uint16(53), byte(1), "eightchr", []byte("a key of many letters"), []byte("\x00\x01\x02"), uint16(1), true)
	f.Add([]byte("\x0a\x00\x00\x01"), uint16(0), byte(2), strings.Repeat("u", maxUser), []byte(""), []byte(""), uint16(65280), true)
	f.Add([]byte("\x0a\x00\x00\x01"), uint16(22), byte(0), "1234567\x01", []byte("key"), []byte(""), uint16(61000), false)
	f.Add([]byte("\x0a\x00\x00\x01"), uint16(22), byte(0), strings.Repeat("u", 23)+"\u00e9", []byte("key"), []byte(""), uint16(61000), false)
	f.Fuzz(func(t *testing.T, addr []byte, number uint16, proto byte, user string, key, salt []byte, offset uint16, rotate bool) {
		protos := []parse.Proto{parse.TCP, parse.UDP, parse.ICMP}
		var a [4]byte
		copy(a[:], addr)
		r := Request{netip.AddrFrom4(a), conf.Port{Proto: protos[int(proto)%len(protos)], Number: number}, user}
		c := Coding{Key: key, Offset: offset, Rotate: rotate}
		copy(c.Salt[:], salt)
		ports, err := r.Knocks(&c)
		if err != nil {
			return
		}
		s := encrypted(string(key))
		s.OpenPorts, s.PortOffset = nil, offset
		tr := New(Options{Stanzas: []conf.Stanza{s}})
		var w wire
		for i, p := range ports {
			ev := w.packet(p.String())
			got := tr.Step(ev.Time, ev, nil)
			if i < len(ports)-1 {
				if len(got) > 0 {
					t.Fatalf("knock %d of %d: %+v", i+1, len(ports), got)
				}
				continue
			}
			want := r.Addr
			if want.IsUnspecified() {
				want = alice
			}
			if len(got) != 1 || !got[0].Granted || got[0].Allow != want || got[0].User != r.User || !slices.Equal(got[0].Ports, []conf.Port{r.Port}) {
				t.Fatalf("%+v is decoded as %+v", r, got)
			}
		}
	})
}

func TestKnocksRefused(t *testing.T) {
	for name, c := range map[string]struct {
		addr, port, user string
		offset           uint16
		want             string
	}{
		"IPv6":              {"2001:db8::1", "tcp/22", "root", 61000, "IPv4"},
		"port 0":            {"192.0.2.7", "tcp/0", "root", 61000, "no port to open"},
		"unknown protocol":  {"192.0.2.7", "sctp/1", "root", 61000, "no port to open"},
		"user too long":     {"192.0.2.7", "tcp/22", strings.Repeat("u", maxUser+1), 61000, "has room for 39"},
		"control character": {"192.0.2.7", "tcp/22", "ro\x00t", 61000, "control characters"},
		"padding":           {"192.0.2.7", "tcp/22", "1234567\x01", 61000, "control characters"},
		"offset 0":          {"192.0.2.7", "tcp/22", "root", 0, "port offset"},
		"offset too high":   {"192.0.2.7", "tcp/22", "root", 65281, "port offset"},
	} {
		r := Request{netip.MustParseAddr(c.addr), portOf(c.port), c.user}
		if ports, err := r.Knocks(&Coding{Key: []byte("key"), Offset: c.offset}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v", name, ports, err)
		}
	}
}
