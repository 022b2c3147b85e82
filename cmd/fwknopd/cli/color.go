package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Color reports whether verdicts are to have colors on w: it is a terminal that knows them,
// and the user has not set NO_COLOR.
func Color(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
