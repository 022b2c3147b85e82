package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"fwknopd/policy/conf"
)

var commandNames = map[Command]string{Replay: "replay", Explain: "explain", Check: "check", Grants: "grants", Digests: "digests", Help: "help", Demo: "demo", Init: "init", Doctor: "doctor", Why: "why", Version: "version", Completion: "completion", Migrate: "migrate", Reload: "reload", Status: "status", Stats: "stats", Report: "report", Top: "top", Fleet: "fleet", FleetSubmit: "fleet submit", FleetWork: "fleet work"}

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

Look into logs and captures:
       fwknopd --os [--fw-log FILE] [FILE…]      which systems knocked
       fwknopd replay [options] FILE…            what the daemon would have decided
       fwknopd explain [options] FILE --src IP   why a packet was refused, stage by stage
       fwknopd stats [options] FILE…             totals, a timeline, the most frequent of everything
       fwknopd report FILE… --report PAGE        an HTML page of event logs

Configure:
       fwknopd init --port PROTO/PORT            protect a port: a stanza, keys, the client's side
       fwknopd check [options]                   validate the configuration
       fwknopd doctor [--json]                   what on this host stands in the way
       fwknopd migrate [options] DIR             clean files of the 2.6 dialect out of old ones

Control what is open:
       fwknopd grants list|revoke|add|uses       what is open
       fwknopd status [--json]                   how the running daemon does
       fwknopd top                               watch it: what is open, decisions, rates
       fwknopd reload [--json]                   have it read its configuration again
       fwknopd why IP                            what became of a client lately, and what to do
       fwknopd digests export --format 2.6       seen messages for the 2.6 daemon

Several gateways that honour a message once:
       fwknopd fleet init|status|witness         keys of the members, who is there, a third vote
       fwknopd fleet events|grants|revoke        what happens and is open at all of them; close it everywhere

One archive that many machines read:
       fwknopd fleet submit --os FILE…           the report of --os, of files that many machines read
       fwknopd fleet work --join TOKEN@HOST:PORT be one of these machines

Learn:
       fwknopd demo                              all of this on data that it brings
       fwknopd help [TOPIC]                      about a command or a configuration keyword
       fwknopd version                           the version, and what it was built with
       fwknopd completion bash|zsh|fish          completions for a shell

FILE is a log or a capture, recognised by content, compressed or not; - is stdin.
Each sub-command has its own --help.
`,
	Replay: `usage: fwknopd replay [options] FILE...
`,
	Explain: `usage: fwknopd explain [options] FILE... --record [FILE:]N
       fwknopd explain [options] FILE... [--src IP|NET] [--reason REASON] [--last N | --all]
       fwknopd explain [options] --payload BASE64 --src ADDRESS --time T

Shows how every stage and stanza treats a packet: one by its number, the last ones that were
decided about a source or with a reason, or one that was never recorded. The exit code is 0 if
all that are shown are allowed, 3 if not, 1 if there is no such decision.
`,
	Check: `usage: fwknopd check [options]

Reads the configuration as the daemon would, says everything that is wrong with it,
what each stanza allows, and what is dangerous in it.
`,
	Grants: `usage: fwknopd grants list   [IP|NET|NAME] [--port PROTO/PORT] [--watch] [--json] [-c FILE] [-O FILE]
       fwknopd grants revoke (IP|NET | NAME | --port PROTO/PORT | --all) [--cut] [--json] [-c FILE] [-O FILE]
       fwknopd grants add    --src IP --port PROTO/PORT [--for TIME] [--stanza NAME|LINE] [--json] [-c FILE] [-O FILE]
       fwknopd grants uses   [--reset NAME] [--json] [-c FILE] [-O FILE]
`,
	Fleet: `usage: fwknopd fleet init    [--out DIR] NAME=ADDRESS:PORT...
       fwknopd fleet init    --add --peers LINE [--out DIR] NAME=ADDRESS:PORT...
       fwknopd fleet status  [--json] [-c FILE] [-O FILE]
       fwknopd fleet events  [--follow] [--since TIME] [--gateway NAME] [--json] [-c FILE] [-O FILE]
       fwknopd fleet grants  [--gateway NAME] [--json] [-c FILE] [-O FILE]
       fwknopd fleet revoke  (IP|NET | NAME | --port PROTO/PORT | --all) [--gateway NAME] [--json] [-c FILE] [-O FILE]
       fwknopd fleet witness [-c FILE] [-O FILE]

init makes a credentials file NAME.pem for each member of a fleet and prints the lines of
fwknopd.conf for each; it overwrites nothing. status shows the members as this one knows them
and whether there is a quorum; it ends with 0 if so, else with 1. events shows the
event logs of all gateways, in the order in which the fleet has stored them, grants what is open
at each. revoke closes grants at all gateways, or at one, and says what each has done; it ends
with 1 if one has not done it or has not answered within 5 seconds. witness runs a member that
votes and stores claims and makes none, the third one of two gateways; it reads the FLEET keywords
of the file and stays in the foreground.
`,
	Digests: `usage: fwknopd digests export --format 2.6 [FILE] [--json] [-d FILE] [-c FILE] [-O FILE]

Writes the digests of the messages seen as a cache that the 2.6 daemon reads, to a new
file or to standard output: after a change back it refuses those messages too.
`,
	Client: `Usage: fwknop -A PROTO/PORT -D HOST (-a IP | -s | -R) [options]   ask a server to open a port
       fwknop -n NAME [options]                                    with the options of a stanza
       fwknop -n NAME --proxy HOST PORT                            and connect, as ProxyCommand of ssh
       fwknop --key-gen                                            fresh keys for both sides
`,
	Help: `usage: fwknopd help [TOPIC...]

A topic is a command or a keyword of the configuration; without one they are listed.
`,
	Migrate: `usage: fwknopd migrate [options] DIR

Writes fwknopd.conf and access.conf of the 2.6 dialect to DIR, from files of either
dialect, and names every difference. It writes nothing if the new files would grant
anything else than the old ones, and never overwrites a file.
`,
	Completion: `usage: fwknopd completion bash|zsh|fish

Writes completions for a shell. Where the package does not bring them:
  fwknopd completion bash > /etc/bash_completion.d/fwknopd
  fwknopd completion zsh > /usr/local/share/zsh/site-functions/_fwknopd
  fwknopd completion fish > /etc/fish/completions/fwknopd.fish
`,
	Reload: `usage: fwknopd reload [options]

Has the running daemon read its configuration again, waits for it and says what became of
it: reloaded, or refused with what is wrong. Then the old configuration stays in force.
`,
	Status: `usage: fwknopd status [options]

Shows how the running daemon does: its configuration and the last reload, the firewall and
what is open, the worker with the counters of each source, the sandbox.
`,
	Stats: `usage: fwknopd stats [options] FILE...

Summarizes logs, captures and event logs, which are recognised by content: what was read, a
timeline, systems, sources, destination ports and signatures that are not known, and of event
logs decisions, knock sequences and grants. With -c or -a it also decides the packets, as replay
does, and summarizes that.
`,
	Report: `usage: fwknopd report FILE... --report PAGE [--since TIME] [--until TIME]

Writes an HTML page of event logs (EVENT_LOG, in either form, and what replay --format jsonl
writes): one file, which loads nothing from elsewhere. For logs and captures see --report of
--os and of replay.
`,
	Top: `usage: fwknopd top [options]

Shows live what is open with the time left, decisions with their reasons, and the rates of
each source. Keys: tab changes the list, up and down select, enter explains, r revokes, /
filters, p pauses, ? helps, q quits. Where standard output is no terminal, each event is a line;
with --json it is the object of the event log.
`,
	FleetSubmit: `usage: fwknopd fleet submit --os|--replay --listen ADDRESS:PORT [options] FILE...
       fwknopd fleet submit --os|--replay --nats URL [options] FILE...

Has the files read by fwknopd fleet work on many machines, which have them at the same place or
below their --root, and prints what fwknopd --os or fwknopd replay would. With --upload they need not
have them. s3://BUCKET/KEY and s3://BUCKET/PREFIX/ are objects of S3-like storage, at the server of
AWS_ENDPOINT_URL. With --listen it is the server of the job, and prints the token that workers join with.
After an interrupt the same command goes on with the results that are there. Workers of a replay get
no keys and decide nothing.
`,
	FleetWork: `usage: fwknopd fleet work --join TOKEN@ADDRESS:PORT [--jobs N] [--root DIR]
       fwknopd fleet work --nats URL [--jobs N] [--root DIR]

Reads what fwknopd fleet submit hands out, until SIGTERM, which gives back what is being read; one
that joined the server of a job ends with it. It needs no root: run it as a user who may read the
files and nothing else.
`,
	Version: `usage: fwknopd version [--json]
`,
	Why: `usage: fwknopd why IP [--last N] [--json] [-c FILE] [-O FILE]

Shows what the event log (EVENT_LOG) has last about a client: decisions and grants, oldest
first, each refusal with its remedy.
`,
	Doctor: `usage: fwknopd doctor [options]

Looks at what a grant takes on this host, from the rights of this process to the firewall, and
prints a line for each: ok, warning or fix, with what mends it. It changes nothing. The exit
code is 1 if there is something to fix.
`,
	Init: `usage: fwknopd init --port PROTO/PORT [--name NAME] [--for SOURCE] [--client FILE | --show-keys | --qr] [--totp]
                    [--prefix LENGTHS] [--guard-forward PROTO/PORT]
       fwknopd init --remove NAME

Adds a stanza with fresh keys to access.conf, and makes fwknopd.conf if there is none; what
would be refused by fwknopd check is not written. Nothing that stands there is changed, but for
ports that --guard-forward adds to GUARD_FORWARD.
Keys are written or shown only where an option asks for them. Again with the same NAME it
changes nothing and says what the client needs. With --totp the stanza wants a one-time code
too, and the secret for the authenticator is printed.
`,
	Demo: `usage: fwknopd demo

Shows the program at work on data that it brings: systems, decisions, an explanation, a
difference. As root on Linux it also opens a port and closes it again, in a network namespace
of its own; the firewall of this host is not touched.
`,
}

// examples are command lines that work as they stand where there are such files.
var examples = map[Command][]string{
	Daemon: {
		"fwknopd --os /var/log/kern.log",
		"fwknopd -c /etc/fwknop/fwknopd.conf -a /etc/fwknop/access.conf -f -v",
		"fwknopd -i eth0 -t -f",
		"fwknopd --key-gen",
	},
	Replay: {
		"fwknopd replay knocks.pcap",
		"fwknopd replay -c fwknopd.conf -a access.conf --what-if new.conf knocks.pcap",
		"fwknopd replay --fail-on refused,malformed --format jsonl /var/log/kern.log",
	},
	Explain: {
		"fwknopd explain knocks.pcap --src 192.0.2.7",
		"fwknopd explain knocks.pcap --reason spa.stale --all",
		"fwknopd explain knocks.pcap --record 3",
		"fwknopd explain --payload 9ZbQ... --src 192.0.2.7 --time 2026-01-02T03:04:05Z",
	},
	Stats: {
		"fwknopd stats --top 20 /var/log/kern.log",
		"fwknopd stats --unknown knocks.pcap",
		"fwknopd stats -c fwknopd.conf -a access.conf --format json knocks.pcap",
	},
	Report: {
		"fwknopd report /var/log/fwknop/events.jsonl* --report week.html --since 2026-11-20",
	},
	Check: {
		"fwknopd check",
		"fwknopd check -c fwknopd.conf -a access.conf --offline --json",
	},
	Grants: {
		"fwknopd grants list --json",
		"fwknopd grants list --watch",
		"fwknopd grants revoke 192.0.2.7 --port tcp/22",
		"fwknopd grants revoke alice-laptop --cut",
		"fwknopd grants add --src 192.0.2.7 --port tcp/22 --for 10m --stanza alice-laptop",
		"fwknopd grants uses --reset visitor",
	},
	Fleet: {
		"fwknopd fleet init gw1=10.0.0.1:4223 gw2=10.0.0.2:4223 witness=10.0.0.3:4223",
		"fwknopd fleet init --add --peers 'gw1@10.0.0.1:4223/…' gw4=10.0.0.4:4223",
		"fwknopd fleet status --json",
		"fwknopd fleet events --follow --gateway gw2",
		"fwknopd fleet events --since 7d --json",
		"fwknopd fleet grants",
		"fwknopd fleet revoke 192.0.2.7",
		"fwknopd fleet revoke alice-laptop --gateway gw2",
		"fwknopd fleet witness -c /etc/fwknop/witness.conf",
	},
	FleetSubmit: {
		"fwknopd fleet submit --os --listen 192.0.2.5:4222 /archive/2025/*.log.gz",
		"fwknopd fleet submit --os --listen 192.0.2.5:4222 s3://archive/gw1/ s3://archive/gw2/",
		"fwknopd fleet submit --replay --listen 192.0.2.5:4222 -c /etc/fwknop/fwknopd.conf /archive/2025/*.pcap.zst",
		"fwknopd fleet submit --os --brief --nats tls://nats.example:4222 --credentials jobs.creds --root /archive /archive/*.log",
	},
	FleetWork: {"fwknopd fleet work --join @/run/job.token --root /archive"},
	Reload:    {"fwknopd reload", "fwknopd reload -c /etc/fwknop/fwknopd.conf --json"},
	Status:    {"fwknopd status", "fwknopd status --json"},
	Top:       {"fwknopd top", "fwknopd top --json --last 0"},
	Digests:   {"fwknopd digests export --format 2.6 /var/lib/fwknop/digest.cache"},
	Migrate:   {"fwknopd migrate -c /etc/fwknop/fwknop.conf -a /etc/fwknop/access.conf /root/fwknop-2.6"},
	Help:      {"fwknopd help check", "fwknopd help OPEN_PORTS"},
}

// headings are the titles before an option in the help text of the daemon.
var headings = map[string]string{
	"config": "Configuration files", "intf": "The daemon", "os": "Reports", "format": "Output", "Kill": "A running daemon and its grants",
	"Dump-config": "Checks", "key-gen": "Keys", "dump-serv-err-codes": "Others", "no-gpg": "OpenPGP", "help": "Help",
}

// Usage writes the help text of a command.
func Usage(w io.Writer, c Command) {
	fmt.Fprintln(w, strings.TrimSuffix(synopses[c], "\n"))
	if list := examples[c]; list != nil {
		fmt.Fprintf(w, "\nExamples:\n  %s\n", strings.Join(list, "\n  "))
	}
	if c != Daemon {
		fmt.Fprint(w, "\nOptions:\n")
	}
	for d := range c.rows() {
		if title := headings[d.name]; c == Daemon && title != "" {
			fmt.Fprintf(w, "\n%s:\n", title)
		}
		if d.help == "" {
			continue
		}
		short := "    "
		if d.short != "" {
			short = "-" + d.short + ", "
		}
		name := "--" + d.name
		switch {
		case d.kind == optional:
			name += "[=" + d.arg + "]"
		case d.arg != "":
			name += " " + d.arg
		}
		fmt.Fprintf(w, "  %s%-28s %s\n", short, name, d.help)
	}
}

// Named returns the sub-command of that name.
func Named(name string) (Command, bool) {
	for c, n := range commandNames {
		if n == name {
			return c, true
		}
	}
	return 0, false
}

// Topics writes the names of all commands and keywords, which help knows.
func Topics(w io.Writer) {
	fmt.Fprint(w, "Usage: fwknopd help TOPIC...\n\nCommands:\n")
	for _, name := range names() {
		fmt.Fprintf(w, "  %-12s %s\n", name, summary(name))
	}
	for _, table := range [][]conf.Keyword{conf.ServerKeywords, conf.AccessKeywords} {
		fmt.Fprintf(w, "\nKeywords of %s:\n", table[0].File)
		line := " "
		for i := range table {
			if len(line)+1+len(table[i].Name) > 78 {
				fmt.Fprintln(w, line)
				line = " "
			}
			line += " " + table[i].Name
		}
		fmt.Fprintln(w, line)
	}
}

// names are those of all sub-commands, sorted; those of fleet are its own.
func names() []string {
	list := slices.Sorted(maps.Values(commandNames))
	return slices.DeleteFunc(list, func(name string) bool { return strings.Contains(name, " ") })
}

// summaryColumn is where the summaries stand in the help text of the daemon, behind the
// indent.
const summaryColumn = 42

// summary is what the help text says of a command in a line.
func summary(name string) string {
	for line := range strings.Lines(synopses[Daemon]) {
		line = strings.TrimSpace(line)
		if letters := []rune(line); strings.HasPrefix(line, "fwknopd "+name+" ") && len(letters) > summaryColumn {
			return string(letters[summaryColumn:])
		}
	}
	return ""
}

// A UsageError is an error in the command line; the program exits with 2.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func usagef(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }
