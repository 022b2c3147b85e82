package conf

import (
	"fmt"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
)

func TestProblemString(t *testing.T) {
	for _, tt := range []struct {
		p    Problem
		want string
	}{
		{Problem{Pos: Pos{"a.conf", 3}, Keyword: "OPEN_PORT", Text: "unknown keyword", Hint: "OPEN_PORTS"},
			"a.conf:3: OPEN_PORT: unknown keyword (did you mean OPEN_PORTS?)"},
		{Problem{Pos: Pos{"a.conf", 0}, Keyword: "SOURCE", Text: "no stanza"}, "a.conf: SOURCE: no stanza"},
		{Problem{Pos: Pos{"a.conf", 1}, Text: "line with a NUL byte", Severity: Warning}, "a.conf:1: warning: line with a NUL byte"},
		{Problem{Pos: Pos{"a.conf", 0}, Text: "no effect here: X", Severity: Notice}, "a.conf: notice: no effect here: X"},
		{Problem{Text: "not listed: 3 further problems"}, "not listed: 3 further problems"},
	} {
		if got := tt.p.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestAllProblemsAtOnce: one run names every fault of every file, in reading order.
func TestAllProblemsAtOnce(t *testing.T) {
	_, _, _, got := loadText(
		"FIREWALL_TYP iptables;\nAUTH_MODE SNIFF;\nKNOPWATCHD_CHECK_INTERVAL soon;\n",
		"SOURCE: ANY, 300.1.1.1;\nOPEN_PORTS: tcp-22;\nKEY: short;\nFW_ACCESS_TIMEOUT: -1;\n")
	wantProblems(t, got,
		"main.conf:1: FIREWALL_TYP: unknown keyword (did you mean FIREWALL_TYPE?)",
		`main.conf:2: AUTH_MODE: "SNIFF" is not one of PCAP, FILE_PCAP, ULOG_PCAP, KNOCK, SOCKET, NFLOG, JOURNAL, KMSG, UDP, TCP, KAFKA`,
		`main.conf:3: KNOPWATCHD_CHECK_INTERVAL: "soon" is not a whole number`,
		`access.conf:1: SOURCE: "300.1.1.1" is no address`,
		`access.conf:2: OPEN_PORTS: "tcp-22" is not proto/port`,
		"access.conf:3: KEY: shorter than 8 characters",
		"access.conf:4: FW_ACCESS_TIMEOUT: -1 is out of range, 0 to 2147483647 are allowed",
	)
}

// TestProblemsAreBounded: a file with a hundred thousand faults fills a bounded list.
func TestProblemsAreBounded(t *testing.T) {
	short.Skip(t)
	var b strings.Builder
	for i := range 100000 {
		fmt.Fprintf(&b, "X%d;\n", i)
	}
	_, _, _, got := loadText(b.String(), perl19())
	if len(got) != MaxProblems+1 {
		t.Fatalf("%d problems are listed, want %d", len(got), MaxProblems+1)
	}
	if want := "not listed: 99800 further problems"; got[MaxProblems].Text != want {
		t.Errorf("%q, want %q", got[MaxProblems].Text, want)
	}
}

// TestManyWarnings: warnings that are not listed refuse nothing, and do not keep an error
// behind them from being listed.
func TestManyWarnings(t *testing.T) {
	many := strings.Repeat(c26("MAX_FW_TIMEOUT 0"), 2*MaxProblems)
	_, _, a, got := loadText("", many)
	if got.Failed() || len(a.Stanzas) != 2*MaxProblems || len(got) != MaxProblems+1 {
		t.Errorf("%d stanzas, %d problems, failed: %v", len(a.Stanzas), len(got), got.Failed())
	}
	if want := "warning: not listed: 200 further problems"; got[MaxProblems].String() != want {
		t.Errorf("%q, want %q", got[MaxProblems], want)
	}
	_, _, _, got = loadText("", many+c26("OPEN_PORTS 22"))
	if want := `access.conf:1203: OPEN_PORTS: "22" is not proto/port`; got[MaxProblems-1].String() != want || got[MaxProblems].Severity == Error {
		t.Errorf("the last ones are %v, want %s before them", got[MaxProblems-1:], want)
	}
}

func TestNoControlCharactersInProblems(t *testing.T) {
	_, _, _, got := loadText("\x1b[31mRED x;\nPCAP_INTF\x07 y;\nFIREWALL_TYPE \x1b[2J;\n", perl19("REQUIRE_AUTH_METHOD: \x1b]0;title\x07;", "CMD_REGEX: [\x1b[2J;", "%include \x1b[1m"))
	if !got.Failed() {
		t.Error("accepted")
	}
	if s := got.Error(); strings.ContainsAny(s, "\x1b\x07") {
		t.Errorf("control characters reach the terminal: %q", s)
	}
}

// What controls a terminal, or turns its text around, is not printed; other scripts are.
func TestPrintable(t *testing.T) {
	if got := Printable("a\x1b\t\u009b\u202e\u2069\u200b\ufeff\u2028\xffb é\u00a0漢 \U0001f511"); got != "a?????????b é\u00a0漢 \U0001f511" {
		t.Errorf("%q", got)
	}
}
