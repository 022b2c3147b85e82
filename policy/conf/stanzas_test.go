package conf

import (
	"strings"
	"testing"
)

func TestStanzaTitle(t *testing.T) {
	for _, c := range []struct {
		name   string
		number int
		pos    Pos
		want   string
	}{
		{"alice", 2, Pos{"/etc/fwknop/access.conf", 8}, "stanza alice (access.conf:8)"},
		{"", 2, Pos{"/etc/fwknop/access.conf", 8}, "stanza 2 (access.conf:8)"},
		{"", 2, Pos{"a\x1b[2J", 8}, "stanza 2 (a?[2J:8)"},
		{"alice", 0, Pos{"", 8}, "stanza alice (line 8)"},
		{"", 0, Pos{"", 8}, "stanza at line 8"},
		{"", 0, Pos{}, ""},
	} {
		if got := StanzaTitle(c.name, c.number, c.pos); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A number tells stanzas of one line apart; without one, or with one that does not fit, such
// a line names none of them.
func TestTitleOf(t *testing.T) {
	a := &Access{Stanzas: []Stanza{
		{Number: 1, Name: "alice", Pos: Pos{"d/alice.conf", 1}},
		{Number: 3, Name: "bob", Pos: Pos{"d/bob.conf", 1}}, // the second one was refused
		{Number: 4, Pos: Pos{"d/bob.conf", 9}},
	}}
	for _, c := range []struct {
		number, line int
		title, name  string
	}{
		{1, 1, "stanza alice (alice.conf:1)", "alice"},
		{3, 1, "stanza bob (bob.conf:1)", "bob"},
		{4, 9, "stanza 4 (bob.conf:9)", ""},
		{0, 9, "stanza 4 (bob.conf:9)", ""},
		{7, 9, "stanza 4 (bob.conf:9)", ""},
		{0, 1, "stanza at line 1", ""},
		{4, 1, "stanza at line 1", ""},
		{2, 5, "stanza at line 5", ""},
		{0, 0, "", ""},
	} {
		if title, name := a.TitleOf(c.number, c.line); title != c.title || name != c.name {
			t.Errorf("number %d, line %d: %q, %q", c.number, c.line, title, name)
		}
	}
	if title, _ := (*Access)(nil).TitleOf(1, 2); title != "stanza at line 2" {
		t.Errorf("without stanzas: %q", title)
	}
}

// TestLinesOfTwoFiles: stanzas that begin in lines of the same number are an error where the monitor
// could not tell which of them a request is for.
func TestLinesOfTwoFiles(t *testing.T) {
	const twin = "SOURCE ANY\nKEY other\nOPEN_PORTS tcp/22\n"
	for _, c := range []struct {
		name, first, second string
		want                string
	}{
		{"neither", "", "", ""},
		{"one runs commands", "ENABLE_CMD_EXEC Y\n", "", ""},
		{"both run commands", "ENABLE_CMD_EXEC Y\n", "ENABLE_CMD_EXEC Y\n", "SOURCE: the stanza runs commands, as the one at "},
		{"the first has uses", "NAME a\nACCESS_USES 3\n", "", "SOURCE: is in a line of the same number as that of the stanza at "},
		{"the second has uses", "", "NAME a\nACCESS_USES 3\n", "SOURCE: is in a line of the same number as that of the stanza at "},
		{"a shadow stanza has uses", "NAME a\nACCESS_USES 3\nSHADOW Y\n", "", ""},
		{"one that is off has uses", "NAME a\nACCESS_USES 3\nENABLED N\n", "", ""},
	} {
		fs := memFS{"access.conf": "%include_folder /stanzas\n", "/stanzas/a.conf": twin + c.first, "/stanzas/b.conf": twin + c.second}
		_, _, _, problems := Load(Options{Access: "access.conf", FS: fs})
		var errors []string
		for _, p := range problems {
			if p.Severity == Error {
				errors = append(errors, p.String())
			}
		}
		if got := strings.Join(errors, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) || len(errors) > 1 {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
