package cli

import (
	"fmt"
	"io"
)

// Usage writes the help text.
func Usage(w io.Writer) {
	fmt.Fprint(w, `Usage: fwknopd [options]                         run the daemon
       fwknopd --os [--fw-log FILE] [FILE…]      which systems knocked
       fwknopd replay [options] FILE…            what the daemon would have decided
       fwknopd explain [options] FILE --record N one packet, stage by stage
       fwknopd check [options]                   validate the configuration
       fwknopd grants list|revoke                what is open
       fwknopd help [KEYWORD]                    about a configuration keyword

FILE is a log or a capture, recognised by content, compressed or not; - is stdin.
Each sub-command has its own --help.

Options:
`)
	for _, d := range options {
		if d.help == "" {
			continue
		}
		short := "    "
		if d.short != "" {
			short = "-" + d.short + ", "
		}
		name := "--" + d.name
		if d.arg != "" {
			name += " " + d.arg
		}
		fmt.Fprintf(w, "  %s%-28s %s\n", short, name, d.help)
	}
}
