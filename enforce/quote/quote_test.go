package quote

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// open is what a row wants of a line that [ErrOpen] refuses.
const open = "\x00"

// TestSplit has each line in each syntax: words are joined by "|". A column that is
// empty is as the one before it.
func TestSplit(t *testing.T) {
	for _, c := range []struct{ line, shell, external, expect, iptables string }{
		{line: "  \t "},
		{"w", "w", "", "", ""},
		{" a  b\tc ", "a|b|c", "", "", ""},
		{`a "b c" d`, "a|b c|d", "", "", ""},
		{`a"b c"d""e`, "ab cde", "", "", ""},
		{`a "" b`, "a||b", "", "", ""},
		{`say "a \"b\" \\ c"`, `say|a "b" \ c`, "", "", ""},
		{`"a\d"`, `a\d`, `ad`, `a\d`, `ad`},
		{`"it\'s"`, `it\'s`, `it's`, `it\'s`, `it's`},
		{`a 'b c' d''e ''`, "a|b c|de|", "", `a|'b|c'|d''e|''`, ""},
		{`'e\f' '"'`, `e\f|"`, "", open, ""},
		{`a\ b \"c`, `a b|"c`, "", open, ""},
		{`a\b \\`, `ab|\`, "", `a\b|\\`, ""},
		{`a\`, open, `a\`, "", ""},
		{`"a\`, open, "", "", ""},
		{`a "b`, open, "", "", ""},
		{`a 'b`, open, "", `a|'b`, ""},
		{`"a'b`, open, "", "", ""},
		{`echo $HOME; id | cat > x &`, `echo|$HOME;|id|||cat|>|x|&`, "", "", ""},
		{`-m comment --comment "say \"hi\" \\ \'x\'" -j A`, `-m|comment|--comment|say "hi" \ \'x\'|-j|A`, `-m|comment|--comment|say "hi" \ 'x'|-j|A`,
			`-m|comment|--comment|say "hi" \ \'x\'|-j|A`, `-m|comment|--comment|say "hi" \ 'x'|-j|A`},
	} {
		want := c.shell
		for _, s := range []struct {
			name string
			Syntax
			want string
		}{{"Shell", Shell, c.shell}, {"External", External, c.external}, {"Expect", Expect, c.expect}, {"Iptables", Iptables, c.iptables}} {
			if s.want != "" {
				want = s.want
			}
			words, err := s.Split(c.line)
			got := strings.Join(words, "|")
			if errors.Is(err, ErrOpen) {
				got = open
			}
			if got != want || err != nil && words != nil {
				t.Errorf("%s.Split(%q) = %q, %v, want %q", s.name, c.line, got, err, want)
			}
		}
	}
	if got, err := Shell.Split(`''`); len(got) != 1 || err != nil {
		t.Errorf("an empty word: %q, %v", got, err)
	}
}

func TestWords(t *testing.T) {
	name := func(text string) int { return len(text) - len(strings.TrimLeft(text, "ABC")) }
	text := func(s string) Part { return Part{Text: s} }
	variable := func(s string) Part { return Part{s, true} }
	for line, want := range map[string][]Word{
		`x $A`:          {{text("x")}, {variable("A")}},
		`-s=$A/$BC.`:    {{text("-s="), variable("A"), text("/"), variable("BC"), text(".")}},
		`"a $A" '$A'`:   {{text("a "), variable("A")}, {text("$A")}},
		`\$A "\$A"`:     {{text("$A")}, {text("$A")}},
		`$ $X "" $`:     {{variable("")}, {variable(""), text("X")}, {}, {variable("")}},
		`  `:            nil,
		`a"$A"'$B'b\ c`: {{text("a"), variable("A"), text("$Bb c")}},
	} {
		got, err := External.Words(line, name)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", line, err, diff)
		}
	}
	if got, err := External.Words(`a "$A`, name); !errors.Is(err, ErrOpen) || got != nil {
		t.Errorf("open quote: %v, %v", got, err)
	}
}

// FuzzWords: variables change neither the number of words nor the text around them: with
// their dollar signs back, the words are those of the line without variables. A sign in
// single quotes or behind a backslash is none.
func FuzzWords(f *testing.F) {
	for _, line := range []string{`/bin/x -s $SRC "$SRC $PORT" '$SRC' \$SRC$SRC`, `a$`, `"$SRC`, `$SRC\ $`, `''$SRC""`} {
		f.Add(line)
	}
	name := func(text string) int {
		n := 0
		for n < len(text) && 'A' <= text[n] && text[n] <= 'Z' {
			n++
		}
		return n
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, s := range []Syntax{Shell, External, Expect, Iptables} {
			plain, plainErr := s.Split(line)
			words, err := s.Words(line, name)
			if (err == nil) != (plainErr == nil) || len(words) != len(plain) {
				t.Fatalf("%+v %q: %v, %v; without variables %q, %v", s, line, words, err, plain, plainErr)
			}
			for i, word := range words {
				text := ""
				for _, part := range word {
					if part.Variable {
						text += "$"
					}
					text += part.Text
				}
				if text != plain[i] {
					t.Fatalf("%+v %q: word %d is %v, without variables %q", s, line, i, word, plain[i])
				}
			}
		}
	})
}

// FuzzSplit: what is quoted comes back as it was, whatever it holds.
func FuzzSplit(f *testing.F) {
	f.Add("a b", `c"d\`)
	f.Fuzz(func(t *testing.T, a, b string) {
		single := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
		double := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
		for _, s := range []Syntax{Shell, External, Expect, Iptables} {
			s.Split(a)
			quotes := []func(string) string{double}
			if s.single {
				quotes = append(quotes, single)
			}
			for _, q := range quotes {
				got, err := s.Split(q(a) + " \t" + q(b))
				if diff := cmp.Diff([]string{a, b}, got); err != nil || diff != "" {
					t.Errorf("%+v: %v %s", s, err, diff)
				}
			}
		}
	})
}
