package conf

import "testing"

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
