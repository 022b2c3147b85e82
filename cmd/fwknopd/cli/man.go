package cli

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed man.head
var manHead string

//go:embed man.tail
var manTail string

// Man writes the manual page fwknopd(8). The options come from the table that the parser
// uses, so that the page matches the program.
func Man(w io.Writer) error {
	var b strings.Builder
	b.WriteString(manHead)
	b.WriteString(".Sh OPTIONS\n.Bl -tag -width Ds\n")
	for _, d := range options {
		if d.help == "" {
			continue
		}
		b.WriteString(".It")
		if d.short != "" {
			fmt.Fprintf(&b, " Fl %s ,", d.short)
		}
		fmt.Fprintf(&b, " Fl -%s", d.name)
		if d.arg != "" {
			fmt.Fprintf(&b, " Ar %s", d.arg)
		}
		fmt.Fprintf(&b, "\n%s.\n", roff(strings.ToUpper(d.help[:1])+d.help[1:]))
	}
	b.WriteString(".El\n.Pp\nAccepted for old scripts, without effect:\n")
	for i, d := range ignoredOptions() {
		if i > 0 {
			b.WriteString(" ,\n")
		}
		fmt.Fprintf(&b, ".Fl -%s", d.name)
	}
	b.WriteString(" .\n")
	b.WriteString(manTail)
	_, err := io.WriteString(w, b.String())
	return err
}

func ignoredOptions() []option {
	var out []option
	for _, d := range options {
		if d.kind == ignored || d.kind == ignoredText {
			out = append(out, d)
		}
	}
	return out
}

// roff escapes text so that it is not read as a roff request.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
