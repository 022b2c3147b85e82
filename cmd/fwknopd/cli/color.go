package cli

import (
	"cmp"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Color reports whether verdicts are to have colors on w: it is a terminal that knows them,
// and the user has not set NO_COLOR.
func Color(w io.Writer) bool { return os.Getenv("NO_COLOR") == "" && Terminal(w) }

// Terminal reports whether w is a terminal that knows control sequences (ECMA-48).
func Terminal(w io.Writer) bool {
	f, ok := File(w).(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// A Paint is a color of terminals (ECMA-48).
type Paint string

// The colors of verdicts.
const (
	Green  Paint = "\x1b[32m"
	Red    Paint = "\x1b[31m"
	Yellow Paint = "\x1b[33m"
)

// Paint returns a text in that color; the zero Paint changes nothing.
func (p Paint) Paint(text string) string {
	if p == "" {
		return text
	}
	return string(p) + text + "\x1b[0m"
}

// UTF8 reports whether the locale of the user has UTF-8, by the variables that the C library
// looks at.
func UTF8() bool {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}
