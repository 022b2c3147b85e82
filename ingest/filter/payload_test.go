package filter

import (
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

// udpFrame is an Ethernet frame with a UDP datagram over IPv4.
func udpFrame(payload string) string {
	return "020000000001 020000000002 0800 45000000 00010000 40110000 c0000207 c6336401 9c40 f2fb 0000 0000" + hex.EncodeToString([]byte(payload))
}

func TestPayload(t *testing.T) {
	p := Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"}
	text := func(start string, n int) string { return start + strings.Repeat("A", n-len(start)) }
	v6 := "020000000001 020000000002 86dd 60000000 0000 11 40 " + strings.Repeat("00", 32) + "9c40 f2fb 0000 0000"
	for _, c := range []struct {
		name, frame string
		want        bool
	}{
		{"Rijndael", udpFrame(text("8", 140)), true},
		{"with its prefix", udpFrame(text("U2FsdGVkX1", 140)), true},
		{"too short", udpFrame(text("8", 139)), false},
		{"another first character", udpFrame(text("A", 399)), false},
		{"as long as OpenPGP", udpFrame(text("A", 400)), true},
		{"long and binary", udpFrame(text("A\x00", 400)), false},
		{"no base64", udpFrame(text("8AA!", 140)), false},
		{"padding", udpFrame(text("8===", 140)), true},
		{"IPv6", v6 + hex.EncodeToString([]byte(text("+", 140))), true},
		{"IPv6, junk", v6 + strings.Repeat("00", 200), false},
		{"fragment", strings.Replace(udpFrame(text("x", 140)), "00010000", "00012000", 1), true},
		{"TCP", strings.Replace(udpFrame("x"), "4011", "4006", 1), true},
		{"ARP", strings.Replace(udpFrame("x"), "0800 45", "0806 45", 1), true},
	} {
		for _, expr := range []string{"", "not port 9"} {
			f, err := Parse(expr)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := f.LiveProgram(parse.LinkEthernet, p)
			if err != nil {
				t.Fatal(err)
			}
			if got := runs(machine(t, raw), unhex(t, c.frame)); got != c.want {
				t.Errorf("%q, %s: kept %v, want %v", expr, c.name, got, c.want)
			}
		}
	}
}

// TestPayloadDrops: of a payload alone the same is said as of its packet.
func TestPayloadDrops(t *testing.T) {
	drops, err := Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"}.Drops()
	if err != nil {
		t.Fatal(err)
	}
	none, err := Payload{}.Drops()
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]bool{
		"8" + strings.Repeat("A", 139): false, "8" + strings.Repeat("A", 138): true, strings.Repeat("A", 399): true, strings.Repeat("A", 400): false, "": true,
	} {
		if got := drops([]byte(payload)); got != want {
			t.Errorf("%d bytes from %.1q: %v, want %v", len(payload), payload, got, want)
		}
		if none([]byte(payload)) {
			t.Errorf("%d bytes: dropped without a form", len(payload))
		}
	}
}

// The headers that an expression looks behind are not taken for the payload.
func TestPayloadBehindHeaders(t *testing.T) {
	for expr, want := range map[string]bool{
		"udp": false, "udp or udp": false, "vlan or udp": true, "pppoes or udp": true, "geneve or udp": true, "udp and not (vlan and udp)": true,
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := f.LiveProgram(parse.LinkEthernet, Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := f.Program(parse.LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		if same := len(raw) == len(plain); same != want {
			t.Errorf("%s: the filter is the expression alone: %v, want %v", expr, same, want)
		}
	}
}

// machine runs a program as the kernel does.
func machine(t *testing.T, raw []bpf.RawInstruction) *bpf.VM {
	t.Helper()
	code := make([]bpf.Instruction, len(raw))
	for i := range raw {
		code[i] = raw[i].Disassemble()
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}
