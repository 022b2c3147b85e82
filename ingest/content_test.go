package ingest

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"fwknopd/ingest/filter"
)

// noise is data as encryption leaves it.
func noise(n int) []byte {
	var b []byte
	for i := byte(0); len(b) < n; i++ {
		sum := sha256.Sum256([]byte{i})
		b = append(b, sum[:]...)
	}
	return b[:n]
}

func deflated(text string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func TestRefused(t *testing.T) {
	line := logLine(1) + "\n"
	tarred := append(make([]byte, 0, 1024), "kern.log"...)
	tarred = append(append(tarred, make([]byte, 257-len(tarred))...), "ustar\x0000"...)
	tarred = append(append(tarred, make([]byte, 512-len(tarred))...), line...)
	etl := append([]byte{0, 0, 1, 0, 0x48, 0, 0, 0, 0x80, 0, 0, 0, 3, 0, 1, 0}, make([]byte, 64)...)
	tests := []struct {
		name, want string
		data       []byte
	}{
		{"zip", "a zip archive is not read: unpack it first", []byte("PK\x03\x04\x14\x00")},
		{"empty zip", "zip archive", append([]byte("PK\x05\x06"), make([]byte, 18)...)},
		{"tar", "a tar archive is not read: unpack it first", tarred},
		{"7z", "7z archive", []byte("7z\xbc\xaf\x27\x1c\x00\x04")},
		{"rar", "rar archive", []byte("Rar!\x1a\x07\x01\x00")},
		{"lzma", "lzma file", []byte("\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"lzip", "lzip file", []byte("LZIP\x01\x0c\x00")},
		{"lz4", "lz4 file", []byte("\x04\x22\x4d\x18\x64\x40\xa7")},
		{"compress", "compress (.Z) file", []byte("\x1f\x9d\x90\x4e\xca")},
		{"deb", "ar archive", []byte("!<arch>\ndebian-binary   1342943816  0     0     100644  4         `\n2.0\n")},
		{"snoop", "snoop capture (convert it: editcap -F pcap)", []byte("snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04")},
		{"journal", "systemd journal file (read it with journalctl", append([]byte("LPKSHHRH"), make([]byte, 200)...)},
		{"evtx", "Windows event log", append([]byte("ElfFile\x00"), make([]byte, 120)...)},
		{"ETL", "binary data", etl},
		{"ELF", "ELF program", []byte("\x7fELF\x02\x01\x01\x00\x00")},
		{"PDF", "PDF document", []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")},
		{"PNG", "PNG image", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")},
		{"encrypted", "binary data", noise(4096)},
		{"deflated", "binary data", deflated(strings.Repeat(line, 3) + string(noise(300)))},
		{"little-endian numbers", "binary data", bytes.Repeat([]byte{1, 0, 0, 0, 200, 3, 0, 0}, 100)},

		{"utmp", "binary data", append([]byte{7, 0, 0, 0, 0xd2, 4, 0, 0, 'p', 't', 's', '/', '0'}, make([]byte, 371)...)},
		{"class", "binary data", append([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x34"), make([]byte, 100)...)},
		{"cpio newc", "cpio archive", []byte("070701" + strings.Repeat("0", 104) + "kern.log")},
		{"cpio odc", "cpio archive", []byte("070707" + strings.Repeat("0", 70) + "kern.log")},

		{"a log", "", []byte(line + line)},
		{"nothing", "", nil},
		{"a byte", "", []byte("x")},
		{"NULs in front", "", append(make([]byte, 400), line...)},
		{"NULs in between", "", append(append([]byte(line), make([]byte, 200)...), line...)},
		{"only NULs", "", make([]byte, 600)},
		{"colours", "", []byte("\x1b[32m[   12.345]\x1b[0m \x1b[33mkernel\x1b[0m: " + line)},
		{"JSON sequence", "", []byte("\x1e{\"MESSAGE\":\"x\"}\n\x1e{\"MESSAGE\":\"y\"}\n")},
		{"UTF-8", "", []byte("März 3 04:05:06 тест ядро: " + line)},
		{"Windows-1251", "", []byte("\xcc\xe0\xf0\xf2 \xf2\xe5\xf1\xf2 \xff\xe4\xf0\xee: " + line)},
		{"UTF-16 with a mark", "", utf16Bytes(binary.LittleEndian, "\ufeff"+line)},
		{"UTF-16, big endian", "", utf16Bytes(binary.BigEndian, "\ufeff"+line)},
		{"UTF-16 without a mark", "", utf16Bytes(binary.LittleEndian, line)},
		{"journal export", "", []byte("__CURSOR=s=1\nPRIORITY=4\nMESSAGE\n\x0c\x00\x00\x00\x00\x00\x00\x00two\nlines...\n")},
		{"words that begin a format", "", []byte("PKI: certificate renewed\nMZ is a country code\n")},
		{"MySQL stamp", "", []byte("070701 10:22:33 mysqld started\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := refused(tt.data[:min(len(tt.data), sniffSize)])
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			r, err := Read([]string{writeFile(t, "input", tt.data)}, ReadOptions{Ref: testRef})
			if err != nil {
				t.Fatal(err)
			}
			err = readAll(t, r, &reading{})
			var unread Unread
			if errors.As(err, &unread) != (tt.want != "") || len(r.Outcomes()) != 1 {
				t.Errorf("read: %v, outcomes %+v", err, r.Outcomes())
			}
		})
	}
}

func utf16Bytes(order binary.AppendByteOrder, s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// TestReadPastBadInputs checks that inputs which cannot be read hide no others, in any
// place, and are named in the end.
func TestReadPastBadInputs(t *testing.T) {
	le := binary.AppendByteOrder(binary.LittleEndian)
	usb := append(ngSectionBlock(le), ngInterfaceBlock(le, 220)...)
	usb = append(usb, ngPacketBlock(le, 0, 1, []byte("a frame"))...)
	mixed := append(usb[:len(usb):len(usb)], ngInterfaceBlock(le, 1)...)
	mixed = append(mixed, ngPacketBlock(le, 1, 1, udpFrame("mixed"))...)
	good := func(payload string) string { return writeFile(t, "good.pcap", buildPcap(payload)) }
	names := []string{
		writeFile(t, "link.pcap", buildPcapHeader(binary.LittleEndian, 0xa1b2c3d4, 0, 195)), good("one"), t.TempDir(),
		writeFile(t, "usb.pcapng", usb), good("two"), writeFile(t, "mixed.pcapng", mixed), "/nowhere/kern.log*", writeFile(t, "x.zip", []byte("PK\x03\x04")),
	}
	r, err := Read(names, ReadOptions{Ref: testRef})
	if err != nil {
		t.Fatal(err)
	}
	var got reading
	err = readAll(t, r, &got)
	var unread Unread
	if !errors.As(err, &unread) || len(unread) != 5 {
		t.Fatalf("unread: %v", err)
	}
	for i, want := range []string{"link.pcap: cannot decode link type 195 (IEEE802_15_4_WITHFCS)", ": is a directory",
		"usb.pcapng: cannot decode link type 220 (USB_LINUX_MMAPPED)", "kern.log*: no file matches", "x.zip: a zip archive"} {
		if !strings.Contains(unread[i].Error(), want) {
			t.Errorf("got %v, want %s", unread[i], want)
		}
	}
	if strings.Join(got.payloads, " ") != "one two mixed" {
		t.Errorf("got %q", got.payloads)
	}
	if o := r.Outcomes()[5]; len(o.Foreign) != 1 || o.Err != nil || o.Records != 2 {
		t.Errorf("mixed: %+v", o)
	}
}

// TestReadInside is about packets that a filter does not look for where they are.
func TestReadInside(t *testing.T) {
	inner := udpPacket("knock")
	other := udpPacket("other")
	other[23]--
	macs := string(udpFrame("")[:12])
	pppoe := func(p []byte) string {
		return "\x88\x64\x11\x00\x00\x01\x00" + string(rune(len(p)+2)) + "\x00\x21" + string(p)
	}
	frames := map[string]Inside{
		macs + "\x08\x00" + string(inner):                                 {},
		macs + pppoe(inner):                                               {PPPoE: 1},
		macs + "\x81\x00\x00\x07\x08\x00" + string(inner):                 {Tagged: 1},
		macs + "\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00" + string(inner): {Tagged: 1},
		macs + "\x81\x00\x00\x07" + pppoe(inner):                          {Tagged: 1},
		macs + "\x81\x00\x00\x07\x08\x00" + string(other):                 {},
		macs + pppoe(other):                                               {},
		macs + "\x81\x00\x00\x07\x08\x06\x00\x01":                         {},
	}
	f, err := filter.Parse("udp port 62201")
	if err != nil {
		t.Fatal(err)
	}
	for frame, want := range frames {
		for _, matched := range []*bool{nil, new(bool)} {
			data := appendPcapRecord(binary.LittleEndian, false, buildPcap(), captureStart, []byte(frame))
			r, err := Read([]string{writeFile(t, "a.pcap", data)}, ReadOptions{Filter: f, Matched: matched})
			if err != nil {
				t.Fatal(err)
			}
			if err := readAll(t, r, &reading{}); err != nil {
				t.Fatal(err)
			}
			got := r.Inside()
			if got.Tagged != want.Tagged || got.PPPoE != want.PPPoE {
				t.Errorf("% x: %+v", frame[12:], got)
			}
			if want != (Inside{}) && got.Dst.Port() != 62201 {
				t.Errorf("% x: went to %v", frame[12:], got.Dst)
			}
		}
	}
}
