package cli

import (
	"fmt"
	"io"
)

var commandNames = map[Command]string{Replay: "replay", Explain: "explain", Check: "check", Grants: "grants", Digests: "digests", Help: "help", Demo: "demo", Init: "init", Version: "version"}

// String returns how the command is called.
func (c Command) String() string {
	if c == Client {
		return "fwknop"
	}
	if name := commandNames[c]; name != "" {
		return "fwknopd " + name
	}
	return "fwknopd"
}

var synopses = map[Command]string{
	Daemon: `Usage: fwknopd [options]                         run the daemon
       fwknopd --os [--fw-log FILE] [FILE…]      which systems knocked
       fwknopd replay [options] FILE…            what the daemon would have decided
       fwknopd explain [options] FILE --record N one packet, stage by stage
       fwknopd check [options]                   validate the configuration
       fwknopd grants list|revoke                what is open
       fwknopd digests export --format 2.6       seen messages for the 2.6 daemon
       fwknopd init --port PROTO/PORT            protect a port: a stanza, keys, the client's side
       fwknopd demo                              all of this on data that it brings
       fwknopd help [KEYWORD]                    about a configuration keyword
       fwknopd version                           the version, and what it was built with

FILE is a log or a capture, recognised by content, compressed or not; - is stdin.
Each sub-command has its own --help.
`,
	Replay: `usage: fwknopd replay [options] FILE...
`,
	Explain: `usage: fwknopd explain [options] FILE... --record [FILE:]N | --payload BASE64 --src ADDRESS --time T
`,
	Check: `usage: fwknopd check [options]

Reads the configuration as the daemon would, says everything that is wrong with it,
what each stanza allows, and what is dangerous in it.
`,
	Grants: `usage: fwknopd grants list   [--src IP|NET] [--port PROTO/PORT] [--stanza LINE] [--json] [-c FILE] [-O FILE]
       fwknopd grants revoke (--src IP|NET | --port PROTO/PORT | --stanza LINE | --all) [--json] [-c FILE] [-O FILE]
`,
	Digests: `usage: fwknopd digests export --format 2.6 [FILE] [-d FILE] [-c FILE] [-O FILE]

Writes the digests of the messages seen as a cache that the 2.6 daemon reads, to a new
file or to standard output: after a change back it refuses those messages too.
`,
	Client: `Usage: fwknop -A PROTO/PORT -D HOST (-a IP | -s | -R) [options]   ask a server to open a port
       fwknop -n NAME [options]                                    with the options of a stanza
       fwknop --key-gen                                            fresh keys for both sides
`,
	Help: `usage: fwknopd help [KEYWORD...]
`,
	Version: `usage: fwknopd version [--json]
`,
	Init: `usage: fwknopd init --port PROTO/PORT [--name NAME] [--for SOURCE] [--client FILE | --show-keys | --qr]
       fwknopd init --remove NAME

Adds a stanza with fresh keys to access.conf, and makes fwknopd.conf if there is none; what
would be refused by fwknopd check is not written, and nothing that stands there is changed.
Keys are written or shown only where an option asks for them. Again with the same NAME it
changes nothing and says what the client needs.
`,
	Demo: `usage: fwknopd demo

Shows the program at work on data that it brings: systems, decisions, an explanation, a
difference. As root on Linux it also opens a port and closes it again, in a network namespace
of its own; the firewall of this host is not touched.
`,
}

// Usage writes the help text of a command.
func Usage(w io.Writer, c Command) {
	fmt.Fprintf(w, "%s\nOptions:\n", synopses[c])
	for d := range c.rows() {
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
