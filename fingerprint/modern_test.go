package fingerprint

import (
	"regexp"
	"strings"
	"testing"
)

// groups selects today's systems by the label their SYN was generated for, with the text
// that an answer must contain to name the right family. They overlap a little.
var groups = []struct {
	name             string
	intended, family string // regular expressions; no family: the name of the tool
}{
	{"Windows 7, 8, 2008-2012", `Windows.*(7|8|2012|Vista)`, `Windows`},
	{"Windows 10, 11, 2016+", `Windows.*\b(10|11|2016|2019|2022)\b`, `Windows`},
	{"Linux 3-6", `Linux:.*\b[3-6]\.`, `Linux`},
	{"Android", `Android`, `Linux|Android`},
	{"iOS, iPadOS, tvOS", `iOS|iPad|Apple TV|iPhone`, `iOS|Mac ?OS`},
	{"macOS", `Mac ?OS`, `iOS|Mac ?OS`},
	{"FreeBSD", `FreeBSD`, `FreeBSD`},
	{"OpenBSD", `OpenBSD`, `OpenBSD`},
	{"scanners", `^\*(NMap|hping|masscan|zmap)|^p0f:`, ""},
}

// score counts the SYNs that got an answer, and those whose answer names the right
// family: any of the labels, or the first.
type score struct{ answered, right, first int }

func (s *score) add(answers []string, family *regexp.Regexp) bool {
	if len(answers) == 0 {
		return true
	}
	s.answered++
	if family.MatchString(answers[0]) {
		s.first++
	}
	if family.MatchString(strings.Join(answers, "\n")) {
		s.right++
		return true
	}
	return false
}

func (s *score) wrong() int { return s.answered - s.right }

// p0f3 is what p0f 3.09b answered, nothing if it had no answer.
func p0f3(row map[string]string) []string {
	if a := row["p0f3"]; a != "???" && a != "(no answer)" {
		return []string{a}
	}
	return nil
}

// In each group of today's systems at least as many are given the right family
// as p0f 3.09b does, and no more a wrong one.
func TestModernFamilies(t *testing.T) {
	rows := readTable(t, "cross/modern-signatures.engines.tsv")
	events := readLog(t, "cross/modern-signatures.log")
	packets := readCapture(t, "cross/modern-signatures.pcap")
	if len(events) != len(rows) || len(packets) != len(rows) {
		t.Fatalf("%d lines and %d packets for %d rows", len(events), len(packets), len(rows))
	}
	m := NewMatcher(Default(), DefaultMaxHops)
	t.Logf("%-25s %4s  %-22s %-22s", "", "rows", "p0f 3.09b", "here")
	t.Logf("%-25s %4s  %-22s %-22s", "group", "", "answers right wrong", "answers right wrong first")
	for _, g := range groups {
		intended := regexp.MustCompile(g.intended)
		var n int
		var theirs, ours score
		for i, row := range rows {
			if !intended.MatchString(row["intended"]) {
				continue
			}
			n++
			family := g.family
			if family == "" {
				family = toolOf(row["intended"])
			}
			re := regexp.MustCompile("(?i)" + family)
			theirs.add(p0f3(row), re)
			answers := labels(matches(m, events[i]))
			if !ours.add(answers, re) {
				t.Logf("  wrong: %s %s: %q", row["signature"], row["intended"], answers)
			}
			if fromPacket := labels(matches(m, packets[i])); strings.Join(fromPacket, "\n") != strings.Join(answers, "\n") {
				t.Errorf("row %d: log %q, capture %q", i+1, answers, fromPacket)
			}
		}
		t.Logf("%-25s %4d  %7d %5d %5d    %7d %5d %5d %5d", g.name, n, theirs.answered, theirs.right, theirs.wrong(),
			ours.answered, ours.right, ours.wrong(), ours.first)
		if n == 0 || ours.right < theirs.right || ours.wrong() > theirs.wrong() {
			t.Errorf("%s: %d right and %d wrong, p0f 3.09b has %d and %d of %d", g.name,
				ours.right, ours.wrong(), theirs.right, theirs.wrong(), n)
		}
	}
}

func toolOf(intended string) string {
	genre, _, _ := strings.Cut(intended, ":")
	return strings.TrimLeft(genre, "*")
}

// SYNs that kernels and scanners really sent; the file name is that of the sender.
func TestScanners(t *testing.T) {
	for _, tc := range []struct{ file, family string }{
		{"hping3.pcap", "*hping:"},
		{"linux-default.pcap", "Linux:4.20"},
		{"linux-ecn.pcap", "Linux:4.20"},
		{"linux-rmem64M.pcap", "Linux:4.20"},
		{"linux-rmem64k.pcap", "Linux:4.20"},
		{"linux-rmem6M.pcap", "Linux:4.20"},
		{"linux-tcp_sack=0.pcap", "Linux:4.20"},
		{"linux-tcp_timestamps=0.pcap", "Linux:4.20"},
		{"linux-tcp_window_scaling=0.pcap", "Linux:4.20"},
		{"masscan.pcap", "*masscan:"},
		{"nmap-O.pcap", "*NMAP:"},
		{"nmap-sS.pcap", "*NMAP:"},
		{"nmap-sT.pcap", "Linux:4.20"}, // connect scan: the host's own SYN
	} {
		m := NewMatcher(Default(), DefaultMaxHops)
		for i, ev := range readCapture(t, "scanners/"+tc.file) {
			if !isSYN(ev) {
				continue
			}
			got := labels(matches(m, ev))
			if len(got) == 0 || !strings.HasPrefix(got[0], tc.family) {
				t.Errorf("%s: packet %d, %s: got %q, want %s first", tc.file, i+1, AppendSignature(nil, ev), got, tc.family)
			}
		}
	}
}
