package parse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A reading is what fwknop's Perl daemon, version 1.9.12, made of one line.
type reading struct {
	Line          int
	Verdict       string // tcp, udp, icmp, bad-flags, no-match, skipped
	Src, Dst      string
	Spt, Dpt      string
	Flags         string
	Len, TTL, Win string
	DF            string
	Opts          *string // present if it tried to fingerprint
}

// differences are the lines that we read otherwise on purpose: those whose case
// begins so and that hold the text.
var differences = []struct{ inCase, inText, why string }{
	{"truncated", "", "a record must hold all its fields, and a whole option list"},
	{"first ", "", "a record must begin with IN= and OUT="},
	{"field ", "", "each field stands in its place, once, with a value of its width"},
	{"SRC value", "", "a source is one address"},
	{"OPT ", "", "options are whole bytes in hexadecimal, at most 40, behind URGP"},
	{"opt-odd", "", "likewise"},
	{"IP options", "", "IP options hide neither DF nor the packet, but belong behind ID"},
	{"fragment", "", "a later fragment has no ports, and no record of one has"},
	{"window+1", "WINDOW=65536", "a window has 16 bits"},
	{"", "RES=0x00 URGP=", "a packet may have no flags"},
	{"MF flag", "", "MF behind DF does not hide it"},
	{"CE after DF", "", "nor does CE"},
	{"log-tcp-sequence", "", "SEQ and ACK are fields like others"},
	{"SEQ ACK", "", "likewise"},
	{"flags ", "", "flags are the eight words, each at most once; a packet may have none, or ECE alone"},
	{"not a kernel line", "", "a record need not come from the kernel; its origin says whether it did"},
	{"KERNEL upper case", "", "likewise"},
	{"no kernel word", "", "likewise"},
	{"journalctl cat", "", "likewise"},
	{"dmesg", "", "likewise"},
	{"ulogd2 LOGEMU", "", "likewise"},
	{"vmunix", "", "likewise"},
	{"two records", "", "the first record is read, and read to its own end"},
	{"record-like prefix", "", "a prefix is no field"},
	{"NUL before the source", "", "a source is one address"},
	{"PROTO=UDP with TCP fields", "", "each protocol has its own fields"},
	{"UDPLITE", "", "known by number, an event without ports"},
	{"", "PROTO=ESP", "likewise"},
	{"", "PROTO=AH", "likewise"},
	{"", "PROTO=2 ", "likewise"},
	{"", "PROTO=47", "likewise"},
	{"", "PROTO=SCTP", "likewise"},
	{"", "PROTO=132", "likewise"},
	{"", "PROTO=ICMP TYPE=", "every ICMP type is an event; the packet in its brackets is not the packet"},
	{"", "SEQ=", "SEQ and ACK are fields like others"},
	{"", "HOPLIMIT=", "IPv6 is read"},
}

// TestLogLineAgainstPerl reads every line that was given to the Perl daemon.
func TestLogLineAgainstPerl(t *testing.T) {
	used := make([]int, len(differences))
	for _, dir := range []string{"os", "kernel"} {
		files, err := filepath.Glob(filepath.Join("../fixtures/netfilter", dir, "*.lines.jsonl"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no fixtures (%v)", dir, err)
		}
		for _, f := range files {
			base := strings.TrimSuffix(f, ".lines.jsonl")
			t.Run(filepath.Base(base), func(t *testing.T) { compareWithPerl(t, base, used) })
		}
	}
	for n, d := range differences {
		if used[n] == 0 {
			t.Errorf("no line differs for %q%q", d.inCase, d.inText)
		}
	}
}

func compareWithPerl(t *testing.T, base string, used []int) {
	lines := fileLines(t, base+".log")
	var cases []string
	if _, err := os.Stat(base + ".cases.tsv"); err == nil {
		for _, row := range fileLines(t, base+".cases.tsv")[1:] {
			_, name, _ := strings.Cut(string(row), "\t")
			cases = append(cases, name)
		}
	}
	readings := fileLines(t, base+".lines.jsonl")
	if len(lines) != len(readings) || cases != nil && len(cases) != len(lines) {
		t.Fatalf("%d lines, %d readings, %d cases", len(lines), len(readings), len(cases))
	}
	same := 0
	for n, line := range lines {
		var want reading
		if err := json.Unmarshal(readings[n], &want); err != nil {
			t.Fatal(err)
		}
		var ev Event
		err := LogLine(line, logRef, &ev)
		if err != nil && !errors.Is(err, ErrNotOurs) && !errors.Is(err, ErrMalformed) {
			t.Errorf("line %d: %v is of no kind", n+1, err)
		}
		diff := want.differs(&ev, err)
		if diff == "" {
			same++
			continue
		}
		name := ""
		if cases != nil {
			name = cases[n]
		}
		if !excused(name, line, &ev, err, used) {
			t.Errorf("line %d (%s): %s\n%s", n+1, name, diff, line)
		}
	}
	t.Logf("%d of %d lines read alike", same, len(lines))
}

// differs returns where the event differs from the Perl daemon's reading, "" if in
// nothing.
func (r *reading) differs(ev *Event, err error) string {
	protos := map[string]Proto{"tcp": TCP, "udp": UDP, "icmp": ICMP}
	p, isEvent := protos[r.Verdict]
	switch {
	case isEvent != (err == nil):
		return fmt.Sprintf("%s, and we say %v", r.Verdict, err)
	case !isEvent:
		return ""
	case ev.Proto != p || ev.Src.Addr().String() != r.Src || ev.Dst.Addr().String() != r.Dst:
		return fmt.Sprintf("%s %s > %s, and we say %d %v > %v", r.Verdict, r.Src, r.Dst, ev.Proto, ev.Src, ev.Dst)
	}
	var off []string
	for _, f := range []struct {
		name, want string
		got        int
	}{
		{"spt", r.Spt, int(ev.Src.Port())}, {"dpt", r.Dpt, int(ev.Dst.Port())}, {"len", r.Len, int(ev.Len)},
		{"ttl", r.TTL, int(ev.TTL)}, {"win", r.Win, int(ev.Window)}, {"df", r.DF, map[bool]int{true: 1}[ev.DF]},
		{"flags", r.flags(), int(ev.Flags)},
	} {
		if f.want != "" && strings.TrimLeft(f.want, "0") != strings.TrimLeft(strconv.Itoa(f.got), "0") {
			off = append(off, fmt.Sprintf("%s %s, and we say %d", f.name, f.want, f.got))
		}
	}
	if r.Opts != nil && !ev.HasOptions {
		off = append(off, "options, and we have none")
	}
	return strings.Join(off, "; ")
}

// flags is the value of the flags that were read, "" if none were.
func (r *reading) flags() string {
	if r.Flags == "" {
		return ""
	}
	v := 0
	for _, word := range strings.Fields(r.Flags) {
		v |= map[string]int{"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128}[word]
	}
	return strconv.Itoa(v)
}

// excused reports whether a line may be read otherwise. Whatever it is read as, its
// source is the one the fixtures give each line, never one of those planted in
// prefixes and inner packets.
func excused(name string, line []byte, ev *Event, err error, used []int) bool {
	if err == nil && bytes.Count(line, []byte(ev.Src.Addr().String())) == 0 && ev.Src.Addr().Is4() {
		return false
	}
	for _, planted := range []string{"6.6.6.6", "7.7.7.7", "198.51.100.10"} {
		if err == nil && ev.Src.Addr() == netip.MustParseAddr(planted) {
			return false
		}
	}
	for n, d := range differences {
		if strings.HasPrefix(name, d.inCase) && bytes.Contains(line, []byte(d.inText)) {
			used[n]++
			return true
		}
	}
	return false
}

// TestLogLineKernelTwins: the same kernel records as dmesg and as rsyslog wrote
// them give the same packets.
func TestLogLineKernelTwins(t *testing.T) {
	files, err := filepath.Glob("../fixtures/netfilter/kernel/*.dmesg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures (%v)", err)
	}
	for _, f := range files {
		raw, logged := fileLines(t, f), fileLines(t, strings.TrimSuffix(f, ".dmesg")+".log")
		if len(raw) != len(logged) {
			t.Fatalf("%s: %d and %d lines", f, len(raw), len(logged))
		}
		for n := range raw {
			var a, b Event
			errA, errB := LogLine(raw[n], logRef, &a), LogLine(logged[n], logRef, &b)
			if errA != nil || errB != nil {
				t.Errorf("%s:%d: %v, %v: %s", f, n+1, errA, errB, raw[n])
				continue
			}
			if show(&a) != show(&b) || string(a.In) != string(b.In) || string(a.Prefix) != string(b.Prefix) {
				t.Errorf("%s:%d: %s\nand %s", f, n+1, show(&a), show(&b))
			}
			if a.Origin != OriginKernel || b.Origin != OriginKernel {
				t.Errorf("%s:%d: origins %d and %d", f, n+1, a.Origin, b.Origin)
			}
		}
	}
}

// fileLines returns the lines of a file without their newlines.
func fileLines(t testing.TB, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
}
