package replay

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// TestDropsByForm: a packet is said to be dropped by the kernel only if the filter of the capture
// drops its frame.
func TestDropsByForm(t *testing.T) {
	form := filter.Payload{Least: 140, Free: 400, First: "89+/", Prefix: "U2FsdGVkX1"}
	program, err := (*filter.Filter)(nil).LiveProgram(parse.LinkEthernet, form)
	if err != nil {
		t.Fatal(err)
	}
	code, _ := bpf.Disassemble(program)
	kernel, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	d := new(decider)
	if d.drops, err = form.Drops(); err != nil {
		t.Fatal(err)
	}
	const macs, addresses = "020000000001 020000000002 ", "c0000207 c6336401 "
	udp := "9c40 f2fb 000d 0000" + hex.EncodeToString([]byte("hello"))
	plain := "0800 45000021 00010000 40110000 " + addresses + udp
	almost := strings.Repeat("41", 139)
	for _, c := range []struct {
		name, frame string
		want        bool
	}{
		{"junk", plain, true},
		{"an SPA packet", "0800 450000a8 00010000 40110000 " + addresses + "9c40 f2fb 0094 0000 38" + almost, false},
		{"too short", "0800 450000a7 00010000 40110000 " + addresses + "9c40 f2fb 0093 0000" + almost, true},
		{"behind a VLAN tag", "8100 0007 " + plain, false},
		{"behind two", "88a8 0007 8100 0008 " + plain, false},
		{"in PPPoE", "8864 1100 0001 0023 0021" + strings.TrimPrefix(plain, "0800"), false},
		{"too short, with IP options", "0800 460000ab 00010000 40110000 " + addresses + "01010101 9c40 f2fb 0093 0000 38" + almost[2:], false},
		{"behind an IPv6 header", "86dd 60000000 0015 00 40 " + strings.Repeat("20010db8000000000000000000000001", 2) + "1100 0104 0000 0000" + udp, false},
		{"in IP", "0800 45000035 00010000 40040000 " + addresses + "45000021 00010000 40110000 " + addresses + udp, false},
	} {
		frame, err := hex.DecodeString(strings.ReplaceAll(macs+c.frame, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		decoder, err := parse.NewDecoder(parse.LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		var ev parse.Event
		if err := decoder.Frame(frame, time.Unix(1_800_000_000, 0), &ev); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if decoder.Inner(&ev); ev.Proto != parse.UDP || ev.Whole != 0 {
			t.Errorf("%s: decoded as %+v", c.name, ev)
		}
		kept, err := kernel.Run(frame)
		if err != nil {
			t.Fatal(err)
		}
		got := d.dropsByForm(&ev)
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got && kept != 0 {
			t.Errorf("%s: the kernel keeps it", c.name)
		}
	}
}
