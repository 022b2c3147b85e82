package conf

import "testing"

func TestLineOfAStanza(t *testing.T) {
	a := Access{Stanzas: []Stanza{{Pos: Pos{Line: 3}}, {Pos: Pos{Line: 9}, Name: "alice-laptop"}}}
	for _, tt := range []struct {
		text string
		want int
		err  string
	}{
		{"3", 3, ""}, {"9", 9, ""}, {"alice-laptop", 9, ""},
		{"7", 7, ""}, // a grant may outlive its stanza
		{"0", 0, "0 is not the line of a stanza"}, {"99999999999", 0, "99999999999 is not the line of a stanza"},
		{"alice-labtop", 0, `no stanza has the NAME "alice-labtop" (did you mean alice-laptop?)`},
		{"", 0, `no stanza has the NAME ""`}, {"-3", 0, `no stanza has the NAME "-3"`},
	} {
		got, err := a.Line(tt.text)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%q: %d, %v; want %d, %s", tt.text, got, err, tt.want, tt.err)
		}
	}
}
