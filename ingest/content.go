package ingest

import (
	"bytes"
	"fmt"
)

// sniffSize is how many bytes are looked at to identify an input: one block of a
// tar archive, whose mark lies at its end.
const sniffSize = 512

// A format is a kind of file that is neither a log nor a capture.
type format struct {
	name  string
	magic string
	at    int // where the magic is
}

// archives hold files that can be read once they are unpacked.
var archives = []format{
	{"zip archive", "PK\x03\x04", 0},
	{"zip archive", "PK\x05\x06", 0},
	{"zip archive", "PK\x07\x08", 0},
	{"tar archive", "ustar", 257},
	{"7z archive", "7z\xbc\xaf\x27\x1c", 0},
	{"rar archive", "Rar!\x1a\x07", 0},
	{"cpio archive", "\xc7\x71", 0},
	{"ar archive", "!<arch>\n", 0},
	{"cab archive", "MSCF\x00\x00\x00\x00", 0},
	{"xar archive", "xar!\x00\x1c", 0},
	{"lzma file", "\x5d\x00\x00", 0},
	{"lzip file", "LZIP\x01", 0},
	{"lzop file", "\x89LZO\x00\r\n\x1a\n", 0},
	{"lz4 file", "\x04\x22\x4d\x18", 0},
	{"lz4 file", "\x02\x21\x4c\x18", 0},
	{"compress (.Z) file", "\x1f\x9d", 0},
	{"pack (.z) file", "\x1f\x1e", 0},
	{"snappy file", "\xff\x06\x00\x00sNaPpY", 0},
	{"gzip file", gzipMagic, 0}, // from here on what was packed twice
	{"bzip2 file", "1AY&SY", 4},
	{"zstd file", zstdMagic, 0},
	{"xz file", xzMagic, 0},
}

// others are no use unpacked either. The words in parentheses say what helps.
var others = []format{
	{"snoop capture (convert it: editcap -F pcap)", "snoop\x00\x00\x00", 0},
	{"Network Monitor capture (convert it: editcap -F pcap)", "GMBU\x00\x02", 0},
	{"Network Monitor capture (convert it: editcap -F pcap)", "RTSS\x01\x01", 0},
	{"Sniffer capture (convert it: editcap -F pcap)", "TRSNIFF data    \x1a", 0},
	{"NetXRay capture (convert it: editcap -F pcap)", "XCP\x00", 0},
	{"iptrace capture (convert it: editcap -F pcap)", "iptrace 1.0", 0},
	{"iptrace capture (convert it: editcap -F pcap)", "iptrace 2.0", 0},
	{"systemd journal file (read it with journalctl -o export --file=FILE)", "LPKSHHRH", 0},
	{"Windows event log", "ElfFile\x00", 0},
	{"ELF program", "\x7fELF", 0},
	{"Windows program", "MZ\x90\x00", 0},
	{"PDF document", "%PDF-", 0},
	{"PNG image", "\x89PNG\r\n\x1a\n", 0},
	{"GIF image", "GIF8", 0},
	{"JPEG image", "\xff\xd8\xff", 0},
	{"SQLite database", "SQLite format 3\x00", 0},
	{"file encrypted by openssl", "Salted__", 0},
	{"file encrypted by age", "age-encryption.org/", 0},
}

// refused returns why an input that begins with b is neither a log nor a capture: a
// format that is known, or bytes that no text has. nil: it may well be a log.
func refused(b []byte) error {
	for i := range archives {
		if archives[i].begins(b) {
			return fmt.Errorf("a %s is not read: unpack it first", archives[i].name)
		}
	}
	for i := range others {
		if others[i].begins(b) {
			return fmt.Errorf("neither a log nor a capture that can be read: %s", others[i].name)
		}
	}
	if textCpio(b) {
		return fmt.Errorf("a cpio archive is not read: unpack it first")
	}
	if binaryData(b) {
		return fmt.Errorf("neither a log nor a capture that can be read: binary data")
	}
	return nil
}

func (f *format) begins(b []byte) bool {
	return len(b) >= f.at+len(f.magic) && string(b[f.at:f.at+len(f.magic)]) == f.magic
}

// Data is binary if more than one byte in binaryShare is a control character that has no
// place in a text. In compressed or encrypted data it is one in nine.
const binaryShare = 16

// textCpio reports a cpio archive with a header of digits: octal ones (-H odc) or
// hexadecimal ones (-H newc, crc). A MySQL log of 2007 begins alike, but for a blank.
func textCpio(b []byte) bool {
	const header = len("070701") + 8
	if len(b) < header || string(b[:5]) != "07070" {
		return false
	}
	for _, c := range b[5:header] {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return true
}

// binaryData reports bytes that are no text in any character set. A run of NUL bytes
// counts once, and as one byte: it is the hole in a log that was truncated while it was
// written.
func binaryData(b []byte) bool {
	b = bytes.TrimLeft(b, "\x00")
	if len(b) == 0 || wide(b) {
		return false
	}
	odd, n := 0, len(b)
	for i, c := range b {
		switch {
		case c == 0 && b[max(i-1, 0)] == 0:
			n--
		case c == '\t', c == '\n', c == '\v', c == '\f', c == '\r', c == '\a', c == '\b', c == 0x1b, c == 0x1e:
			// also terminal colours and RFC 7464's record separator
		case c < ' ', c == 0x7f:
			odd++
		}
	}
	return odd*binaryShare > n
}

// wide reports UTF-16: a byte order mark, or ASCII with every other byte NUL.
func wide(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	if mark := rune(b[0])<<8 | rune(b[1]); mark == 0xfeff || mark == 0xfffe {
		return true
	}
	var nul [2]int
	for i, c := range b {
		if c == 0 {
			nul[i&1]++
		}
	}
	half := len(b) / 2
	return nul[0] == 0 && nul[1]*10 >= half*9 || nul[1] == 0 && nul[0]*10 >= half*9
}
