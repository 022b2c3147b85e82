package cli

import (
	"cmp"
	"iter"
)

// A Command is a sub-command, or the daemon with its actions, which has no name. A row
// of the table holds a set of them.
type Command uint32

const (
	Daemon Command = 1 << iota
	Replay
	Explain
	Check
	Grants
	Digests
	Help
	Demo
	Init
	Doctor
	Why
	Version
	Completion
	Migrate
	Reload
	Status
	Stats
	Report
	Top
	Fleet
	FleetSubmit
	FleetWork

	live       = Reload | Status | Top
	fleetJobs  = FleetSubmit | FleetWork
	offline    = Replay | Explain
	deciding   = offline | Stats // if it is given a configuration
	configured = Daemon | offline | Check | Grants | Migrate | Stats
)

// withOS are the options that --os knows.
var withOS = []string{"os", "fw-log", "pcap-file", "as-given", "inner", "memory", "brief", "summary", "unknown", "top", "report", "signatures", "format", "json", "verbose", "config", "Override-config", "lenient"}

// An option's kind decides whether it takes a value.
type kind uint8

const (
	switchOn    kind = iota // nothing
	count                   // nothing, may be repeated
	text                    // a value
	optional                // a value behind =; without one it is that of arg
	number                  // a value, 0 to 1<<31-1
	size                    // a number of bytes, as 64MiB
	list                    // a value, may be repeated or comma-separated
	repeated                // a value, may be repeated
	ignored                 // nothing; accepted for old scripts, no effect
	ignoredText             // a value; accepted for old scripts, no effect
	absent                  // nothing; refused, as fwknopd has no such mode
	absentText              // a value; refused likewise
)

// An option is one option of the command line. Where its text differs between commands
// it has several rows, which agree in all spellings and in whether it takes a value.
type option struct {
	in      Command // the commands that take it; 0: the daemon, or the client in its table
	name    string  // canonical long name
	short   string
	aliases []string
	kind    kind
	action  bool // excludes all other actions
	noJSON  bool // an action of the daemon that has no JSON form
	arg     string
	help    string // empty: not shown in usage
	into    func(*Options) any
}

// rows returns the options that a command takes, in the order of the table.
func (c Command) rows() iter.Seq[*option] {
	table, others := options, Daemon
	if c == Client {
		table, others = clientOptions, Client
	}
	return func(yield func(*option) bool) {
		for i := range table {
			if d := &table[i]; cmp.Or(d.in, others)&c != 0 && !yield(d) {
				return
			}
		}
	}
}

// options are the options of all commands, in the order of the usage texts.
var options = []option{
	{in: configured | Digests | Doctor | Why | live | Fleet | FleetSubmit | FleetWork, name: "config", short: "c", aliases: []string{"config-file"}, kind: text, arg: "FILE", help: "main configuration file (/etc/fwknop/fwknop.conf, else fwknopd.conf)", into: func(o *Options) any { return &o.Config }},
	{in: configured | Doctor | live | FleetSubmit, name: "access-file", short: "a", aliases: []string{"access-conf"}, kind: text, arg: "FILE", help: "access stanzas (overrides ACCESS_CONF)", into: func(o *Options) any { return &o.Access }},
	{in: configured | Doctor | live | FleetSubmit, name: "access-folder", kind: text, arg: "DIR", help: "read every *.conf in DIR as access stanzas", into: func(o *Options) any { return &o.AccessFolder }},
	{in: configured | Digests | Doctor | Why | live | Fleet | FleetSubmit | FleetWork, name: "Override-config", short: "O", kind: list, arg: "FILE,…", help: "override values of the main file; later files win", into: func(o *Options) any { return &o.Overrides }},
	{name: "intf", short: "i", aliases: []string{"interface"}, kind: text, arg: "NAME", help: "interface to sniff (overrides PCAP_INTF); it must be there", into: func(o *Options) any { return &o.Interface }},
	{in: Daemon | deciding | FleetSubmit, name: "pcap-filter", short: "P", aliases: []string{"filter"}, kind: text, arg: "EXPR", help: "capture filter (overrides PCAP_FILTER)", into: func(o *Options) any { return &o.PcapFilter }},
	{in: Daemon | FleetSubmit, name: "pcap-file", kind: text, arg: "FILE", help: "read this capture once and end", into: func(o *Options) any { return &o.PcapFile }},
	{name: "pcap-any-direction", kind: switchOn, help: "also take frames this host sends", into: func(o *Options) any { return &o.AnyDirection }},
	{name: "Linux-cooked-intf", kind: switchOn, help: "accepted; link types are recognised", into: func(o *Options) any { return &o.CookedIntf }},
	{name: "udp-server", short: "U", kind: switchOn, help: "listen on a UDP socket instead of sniffing", into: func(o *Options) any { return &o.UDPServer }},
	{name: "packet-limit", short: "C", aliases: []string{"Count"}, kind: number, arg: "N", help: "stop after N candidate packets", into: func(o *Options) any { return &o.PacketLimit }},
	{name: "foreground", short: "f", kind: switchOn, help: "stay in the foreground", into: func(o *Options) any { return &o.Foreground }},
	{name: "debug", kind: switchOn, help: "foreground, everything on stderr", into: func(o *Options) any { return &o.Debug }},
	{name: "test", short: "t", kind: switchOn, help: "decide, but change no firewall and run no command", into: func(o *Options) any { return &o.Test }},
	{name: "digest-file", short: "d", kind: text, arg: "FILE", help: "replay cache (overrides DIGEST_FILE)", into: func(o *Options) any { return &o.DigestFile }},
	{in: deciding | FleetSubmit, name: "digest-file", short: "d", kind: text, arg: "FILE", help: "replay cache to start with; it is only read", into: func(o *Options) any { return &o.DigestFile }},
	{in: deciding | FleetSubmit, name: "state", kind: text, arg: "DIR", help: "state directory (FWKNOP_LIB_DIR) of a daemon to start with: uses of stanzas, and the replay cache if it is there; it is only read", into: func(o *Options) any { return &o.State }},
	{in: Digests, name: "digest-file", short: "d", kind: text, arg: "FILE", help: "replay cache to export (overrides DIGEST_FILE)", into: func(o *Options) any { return &o.DigestFile }},
	{in: Daemon | Grants | live | Fleet, name: "pid-file", short: "p", kind: text, arg: "FILE", help: "pid file (overrides FWKNOP_PID_FILE)", into: func(o *Options) any { return &o.PIDFile }},
	{in: Daemon | Grants | Digests | live | Fleet, name: "run-dir", short: "r", kind: text, arg: "DIR", help: "run directory (overrides FWKNOP_RUN_DIR)", into: func(o *Options) any { return &o.RunDir }},
	{name: "syslog-enable", kind: switchOn, help: "log to syslog in the foreground too", into: func(o *Options) any { return &o.SyslogEnable }},
	{name: "locale", short: "l", aliases: []string{"LC_ALL"}, kind: text, arg: "LOCALE", help: "LC_ALL for the programs we start (default C)", into: func(o *Options) any { return &o.Locale }},
	{name: "no-locale", aliases: []string{"no-LC_ALL"}, kind: switchOn, help: "leave the locale alone", into: func(o *Options) any { return &o.NoLocale }},
	{in: Daemon | FleetSubmit, name: "verbose", short: "v", kind: count, help: "say more; twice: still more", into: func(o *Options) any { return &o.Verbose }},

	{in: Daemon | FleetSubmit, name: "os", short: "o", kind: switchOn, action: true, help: "report the operating systems seen in logs and captures", into: func(o *Options) any { return &o.OS }},
	{in: Daemon | FleetSubmit, name: "fw-log", kind: list, arg: "FILE", help: "log or capture that --os reads", into: func(o *Options) any { return &o.FWLog }},
	{in: Daemon | FleetSubmit, name: "brief", kind: switchOn, help: "with --os: a line for each source, with what fits best", into: func(o *Options) any { return &o.Brief }},
	{in: Daemon | FleetSubmit, name: "summary", kind: switchOn, help: "with --os: totals, a timeline and the most frequent of everything in place of the sources", into: func(o *Options) any { return &o.Summary }},
	{in: Daemon | FleetSubmit, name: "unknown", kind: switchOn, help: "with --os: only SYNs that no signature fits, for a signature file", into: func(o *Options) any { return &o.Unknown }},
	{in: Stats, name: "unknown", kind: switchOn, help: "only SYNs that no signature fits, for a signature file", into: func(o *Options) any { return &o.Unknown }},
	{in: Daemon | Stats | FleetSubmit, name: "top", kind: number, arg: "N", help: "how many of each kind a summary lists (10), or --unknown (all)", into: func(o *Options) any { return &o.Top }},
	{in: Daemon | FleetSubmit, name: "report", kind: text, arg: "FILE", help: "with --os: write an HTML page in place of the sources; - is standard output", into: func(o *Options) any { return &o.Report }},
	{in: Stats | Report, name: "report", kind: text, arg: "FILE", help: "write an HTML page; - is standard output", into: func(o *Options) any { return &o.Report }},
	{in: Replay, name: "report", kind: text, arg: "FILE", help: "write an HTML page too", into: func(o *Options) any { return &o.Report }},
	{in: Report, name: "since", kind: text, arg: "TIME", help: "leave out events before TIME: RFC 3339, a date (2026-11-27), or seconds since 1970", into: func(o *Options) any { return &o.Since }},
	{in: Report, name: "until", kind: text, arg: "TIME", help: "leave out events at TIME and later", into: func(o *Options) any { return &o.Until }},
	{in: Demo, name: "inside", kind: switchOn, into: func(o *Options) any { return &o.Inside }},
	{in: Daemon | FleetSubmit, name: "as-given", kind: switchOn, help: "with --os: read files in the given order, also if it runs back in time", into: func(o *Options) any { return &o.AsGiven }},
	{in: Daemon | FleetSubmit, name: "inner", kind: switchOn, help: "with --os: look into tunnels (VXLAN, GENEVE, GRE, IP in IP)", into: func(o *Options) any { return &o.Inner }},
	{in: Stats, name: "inner", kind: switchOn, help: "look into tunnels (VXLAN, GENEVE, GRE, IP in IP); not with -c or -a", into: func(o *Options) any { return &o.Inner }},
	{in: Daemon | Stats | Report | Replay | FleetSubmit, name: "memory", kind: size, arg: "SIZE", help: "how much the sources of a report may take in memory (64MiB); more of them go to temporary files", into: func(o *Options) any { return &o.Memory }},
	{in: deciding | Report, name: "as-given", kind: switchOn, help: "read the files in the given order, also if it runs back in time", into: func(o *Options) any { return &o.AsGiven }},
	{in: Daemon | deciding | FleetSubmit, name: "signatures", kind: list, arg: "[+]FILE", help: "fingerprints instead of (+: besides) our own", into: func(o *Options) any { return &o.Signatures }},
	{in: configured&^Replay | Version | Doctor | Why | live | Fleet, name: "format", kind: text, arg: "text|json|jsonl", help: "output format", into: func(o *Options) any { return &o.Format }},
	{in: Replay | FleetSubmit, name: "format", kind: text, arg: "text|json|jsonl|ecs", help: "output format; ecs: objects of the Elastic Common Schema", into: func(o *Options) any { return &o.Format }},
	{in: Digests, name: "format", kind: text, arg: "2.6", help: "format of the daemon that is to read it", into: func(o *Options) any { return &o.Format }},
	{in: Digests, name: "json", kind: switchOn, help: "say on standard output as JSON what was written to FILE", into: func(o *Options) any { return &o.json }},
	{in: configured | Version | Doctor | Why | live | Fleet | FleetSubmit, name: "json", kind: switchOn, help: "the same as --format json", into: func(o *Options) any { return &o.json }},

	{name: "Kill", short: "K", kind: switchOn, action: true, noJSON: true, help: "end the running daemon", into: func(o *Options) any { return &o.Kill }},
	{name: "Restart", short: "R", kind: switchOn, action: true, noJSON: true, help: "restart it with its own command line; with a 2.6 file, or in the foreground, have it read its configuration again", into: func(o *Options) any { return &o.Restart }},
	{name: "Status", short: "S", kind: switchOn, action: true, help: "say what runs", into: func(o *Options) any { return &o.Status }},
	{name: "fw-list", kind: switchOn, action: true, help: "list what is open", into: func(o *Options) any { return &o.FWList }},
	{name: "fw-list-all", kind: switchOn, action: true, help: "list the whole policy of the tables we touch", into: func(o *Options) any { return &o.FWListAll }},
	{name: "fw-flush", kind: switchOn, action: true, noJSON: true, help: "close everything", into: func(o *Options) any { return &o.FWFlush }},
	{name: "fw-del-chains", kind: switchOn, help: "with --fw-flush: remove chains and jumps too", into: func(o *Options) any { return &o.FWDelChains }},
	{name: "fw-del-ip", kind: text, action: true, arg: "IP", help: "close everything that is open for IP", into: func(o *Options) any { return &o.FWDelIP }},
	{in: Daemon | Grants, name: "fw-type", kind: text, arg: "TYPE", help: "firewall (overrides FIREWALL_TYPE)", into: func(o *Options) any { return &o.FWType }},
	{name: "Dump-config", short: "D", kind: switchOn, action: true, help: "print the effective configuration on stderr", into: func(o *Options) any { return &o.Dump }},
	{name: "defaults", kind: switchOn, help: "with -D: print the sample files", into: func(o *Options) any { return &o.Defaults }},
	{name: "Include-all-config", short: "I", kind: switchOn, help: "with -D: show GnuPG ids and homes too", into: func(o *Options) any { return &o.IncludeAll }},
	{name: "exit-parse-config", kind: switchOn, action: true, help: "validate the configuration and leave", into: func(o *Options) any { return &o.ParseConfig }},
	{name: "exit-parse-digest-cache", kind: switchOn, action: true, help: "validate the replay cache and leave", into: func(o *Options) any { return &o.ParseDigests }},
	{name: "rotate-digest-cache", kind: switchOn, help: "rename the replay cache to NAME-old and begin a new one", into: func(o *Options) any { return &o.RotateCache }},
	{in: configured | Doctor | Why | FleetSubmit, name: "lenient", kind: switchOn, help: "unknown keywords are warnings", into: func(o *Options) any { return &o.Lenient }},
	{in: configured | FleetSubmit, name: "strict-perms", kind: switchOn, help: "refuse files with secrets that others can read", into: func(o *Options) any { return &o.StrictPerms }},
	{name: "spa-dump-packets", kind: text, action: true, arg: "FILE", help: "explain each SPA packet in FILE, one a line", into: func(o *Options) any { return &o.SPADump }},

	{name: "key-gen", short: "k", kind: switchOn, action: true, help: "print fresh keys", into: func(o *Options) any { return &o.KeyGen }},
	{name: "key-gen-file", kind: text, arg: "FILE", help: "write them to FILE; --key-gen is understood", into: func(o *Options) any { return &o.KeyGenFile }},
	{name: "key-len", kind: number, arg: "N", help: "bytes of the encryption key, 1 to 128", into: func(o *Options) any { return &o.KeyLen }},
	{name: "hmac-key-len", kind: number, arg: "N", help: "bytes of the HMAC key, 1 to 128", into: func(o *Options) any { return &o.HMACKeyLen }},
	{name: "hmac-digest-type", kind: text, arg: "TYPE", help: "its digest", into: func(o *Options) any { return &o.HMACDigestType }},

	{name: "dump-serv-err-codes", kind: switchOn, action: true, help: "list the error codes of the 2.6 daemon and our reasons for each", into: func(o *Options) any { return &o.ErrCodes }},

	{in: Daemon | deciding | Check | FleetSubmit, name: "no-gpg", kind: switchOn, help: "ignore every GPG keyword", into: func(o *Options) any { return &o.NoGPG }},
	{name: "gpg-home-dir", kind: text, arg: "DIR", help: "default GnuPG home", into: func(o *Options) any { return &o.GPGHomeDir }},
	{name: "gpg-exe", kind: text, arg: "PATH", help: "gpg program", into: func(o *Options) any { return &o.GPGExe }},
	{name: "sudo-exe", kind: text, arg: "PATH", help: "sudo program", into: func(o *Options) any { return &o.SudoExe }},
	{name: "gpg-use-options", kind: switchOn, help: "let gpg read its options file"},
	{name: "gpg-no-options", kind: switchOn, help: "do not"},

	{in: deciding | FleetSubmit, name: "resolve", kind: switchOn, help: "look up host names of NAT requests", into: func(o *Options) any { return &o.Resolve }},
	{in: deciding | FleetSubmit, name: "all-modes", kind: switchOn, help: "let every stanza take part, whatever AUTH_MODE says", into: func(o *Options) any { return &o.AllModes }},
	{in: Replay | FleetSubmit, name: "fail-on", kind: list, arg: "WHAT", help: "end with 4 if there was one: refused, granted, command, malformed", into: func(o *Options) any { return &o.FailOn }},
	{in: Replay | FleetSubmit, name: "what-if", kind: text, arg: "FILE", help: "print only what these stanzas would decide differently", into: func(o *Options) any { return &o.WhatIf }},
	{in: Explain, name: "record", kind: text, arg: "[FILE:]N", help: "number of the packet in FILE, from 1; of several files as replay names it", into: func(o *Options) any { return &o.Record }},
	{in: Explain, name: "payload", kind: text, arg: "BASE64", help: "an SPA packet as it was on the wire", into: func(o *Options) any { return &o.Payload }},
	{in: Explain, name: "src", kind: text, arg: "IP|NET", help: "explain decisions about this source; with --payload: where it came from, also as IP:PORT (127.0.0.1)", into: func(o *Options) any { return &o.Src }},
	{in: Explain, name: "reason", kind: text, arg: "REASON", help: "explain decisions with this reason (spa.stale) or of a kind (spa. with its dot)", into: func(o *Options) any { return &o.Reason }},
	{in: Explain, name: "last", kind: number, arg: "N", help: "the last N of these decisions, 1 to 1000 (1)", into: func(o *Options) any { return &o.Last }},
	{in: Explain, name: "all", kind: switchOn, help: "all of these decisions", into: func(o *Options) any { return &o.All }},
	{in: Explain, name: "dst", kind: text, arg: "ADDRESS[:PORT]", help: "with --payload: where it went to (127.0.0.1:62201)", into: func(o *Options) any { return &o.Dst }},
	{in: Explain, name: "proto", kind: text, arg: "PROTO", help: "with --payload: udp, tcp or icmp (udp)", into: func(o *Options) any { return &o.Proto }},
	{in: Explain, name: "time", kind: text, arg: "TIME", help: "with --payload: the clock, RFC 3339 or seconds since 1970; now if not given", into: func(o *Options) any { return &o.Time }},

	{in: Check, name: "offline", kind: switchOn, help: "the files are for another host: do not ask this one for users, programs and chains", into: func(o *Options) any { return &o.Offline }},
	{in: Check, name: "expect", kind: repeated, arg: "FILE", help: "run the EXPECT lines of FILE", into: func(o *Options) any { return &o.Expect }},
	{in: Check, name: "write", kind: text, arg: "DIR", help: "write clean files of the 2.6 dialect, as migrate does", into: func(o *Options) any { return &o.Write }},
	{in: Check, name: "explain", kind: switchOn, help: "say for each keyword whether it is honoured, and how", into: func(o *Options) any { return &o.Explain }},

	{in: Why, name: "last", kind: number, arg: "N", help: "how many events, 1 to 1000 (5)", into: func(o *Options) any { return &o.Last }},
	{in: Top, name: "last", kind: number, arg: "N", help: "how many of the events that the daemon remembers come first (all on a terminal, else 10)", into: func(o *Options) any { return &o.Last }},
	{in: Init, name: "port", kind: text, arg: "PROTO/PORT[,…]", help: "what the stanza opens, as tcp/22", into: func(o *Options) any { return &o.Port }},
	{in: Init, name: "name", kind: text, arg: "NAME", help: "NAME of the stanza (client)", into: func(o *Options) any { return &o.Name }},
	{in: Init, name: "for", kind: text, arg: "SOURCE", help: "networks that packets may come from (ANY)", into: func(o *Options) any { return &o.For }},
	{in: Init, name: "dir", kind: text, arg: "DIR", help: "folder of the configuration (/etc/fwknop)", into: func(o *Options) any { return &o.Dir }},
	{in: Init, name: "server", kind: text, arg: "HOST", help: "what the client sends to (the address with the default route)", into: func(o *Options) any { return &o.SendTo }},
	{in: Init, name: "interface", kind: text, arg: "NAME", help: "interface that a new fwknopd.conf watches (that with the default route)", into: func(o *Options) any { return &o.Interface }},
	{in: Init, name: "client", kind: text, arg: "FILE", help: "add the client's stanza, with its keys, to this rc file", into: func(o *Options) any { return &o.ClientFile }},
	{in: Init, name: "show-keys", kind: switchOn, help: "print the client's stanza with its keys", into: func(o *Options) any { return &o.ShowKeys }},
	{in: Init, name: "qr", kind: switchOn, help: "print the keys as a line for Fwknop2 and as a QR code", into: func(o *Options) any { return &o.QR }},
	{in: Init, name: "totp", kind: switchOn, help: "want a one-time code of an authenticator too: write its secret, and print it as an otpauth URL, with --qr as a QR code", into: func(o *Options) any { return &o.TOTP }},
	{in: Init, name: "prefix", kind: text, arg: "LENGTHS", help: "let in the prefix around the client's address, as 24/64 (GRANT_PREFIX); MAX_GRANT_PREFIX is set where there is none", into: func(o *Options) any { return &o.Prefix }},
	{in: Init, name: "guard-forward", kind: list, arg: "PROTO/PORT", help: "drop what is forwarded to this port, as one that a container publishes, but for clients with a grant (GUARD_FORWARD); the stanza opens it", into: func(o *Options) any { return &o.GuardForward }},
	{in: Fleet, name: "out", kind: text, arg: "DIR", help: "folder of the new files, which is made (.)", into: func(o *Options) any { return &o.Out }},
	{in: Fleet, name: "add", kind: switchOn, help: "the members are new ones of the fleet of --peers, or get new keys", into: func(o *Options) any { return &o.Add }},
	{in: Fleet, name: "follow", kind: switchOn, help: "of events: go on with those to come, until an interrupt", into: func(o *Options) any { return &o.Follow }},
	{in: Fleet, name: "since", kind: text, arg: "TIME", help: "of events: how far back, as 90s, 12h or 7d (1h, with --follow 0s)", into: func(o *Options) any { return &o.Since }},
	{in: Fleet, name: "gateway", kind: text, arg: "NAME", help: "of events, grants and revoke: of this gateway alone", into: func(o *Options) any { return &o.Gateway }},
	{in: Fleet, name: "peers", kind: text, arg: "LINE", help: "with --add: FLEET_PEERS as it is", into: func(o *Options) any { return &o.Peers }},
	{in: Init, name: "dry-run", kind: switchOn, help: "say what would be written, and write nothing", into: func(o *Options) any { return &o.DryRun }},
	{in: Init, name: "remove", kind: text, arg: "NAME", help: "remove the stanza of that NAME", into: func(o *Options) any { return &o.Remove }},

	{in: FleetSubmit, name: "replay", kind: switchOn, action: true, help: "decide, as fwknopd replay does, what workers have read; keys stay here", into: func(o *Options) any { return &o.Replay }},
	{in: FleetSubmit, name: "listen", kind: text, arg: "ADDRESS:PORT", help: "be the job server: workers join here with the token that is printed", into: func(o *Options) any { return &o.Listen }},
	{in: FleetSubmit, name: "dir", kind: text, arg: "DIR", help: "where the job server stores results until the job is done (fwknopd/jobs in the cache folder of the user)", into: func(o *Options) any { return &o.Dir }},
	{in: FleetSubmit, name: "upload", kind: switchOn, help: "workers get what they read from here: they need not have the files", into: func(o *Options) any { return &o.Upload }},
	{in: FleetWork, name: "join", kind: text, arg: "TOKEN@ADDRESS:PORT", help: "the job server, as fleet submit prints it; @FILE: what stands in FILE", into: func(o *Options) any { return &o.Join }},
	{in: FleetWork, name: "jobs", kind: number, arg: "N", help: "segments at a time (as many as there are processors)", into: func(o *Options) any { return &o.Jobs }},
	{in: fleetJobs, name: "nats", kind: text, arg: "URL,…", help: "the NATS cluster, as nats://host:4222 or tls://host:4222", into: func(o *Options) any { return &o.NATS }},
	{in: fleetJobs, name: "credentials", kind: text, arg: "FILE", help: "with --nats: NATS credentials of this user", into: func(o *Options) any { return &o.Credentials }},
	{in: fleetJobs, name: "ca", kind: text, arg: "FILE", help: "with --nats: certificates that sign those of the cluster", into: func(o *Options) any { return &o.CA }},
	{in: fleetJobs, name: "root", kind: text, arg: "DIR", help: "the files lie below DIR, which may be called otherwise at the other side; workers read nothing else. Of a worker also s3://BUCKET/PREFIX", into: func(o *Options) any { return &o.Root }},

	{in: Grants | Fleet, name: "src", kind: text, arg: "IP|NET", help: "grants of these clients; of add: the client", into: func(o *Options) any { return &o.Src }},
	{in: Grants | Fleet, name: "port", kind: list, arg: "PROTO/PORT", help: "grants that open this port; of add: what to open, may be repeated", into: func(o *Options) any { return &o.Ports }},
	{in: Grants, name: "stanza", kind: text, arg: "NAME|LINE", help: "grants of the stanza with this NAME, or with SOURCE in this line; of add: the stanza that offers it", into: func(o *Options) any { return &o.Stanza }},
	{in: Grants, name: "for", kind: text, arg: "TIME", help: "of add: for how long, as 10m (the time of the stanza)", into: func(o *Options) any { return &o.For }},
	{in: Grants, name: "dst", kind: text, arg: "IP", help: "of add: to this address of the host alone, with ENABLE_DESTINATION_RULE", into: func(o *Options) any { return &o.Dst }},
	{in: Grants | Fleet, name: "all", kind: switchOn, help: "revoke all grants", into: func(o *Options) any { return &o.All }},
	{in: Grants, name: "watch", kind: switchOn, help: "of list: go on, and show what changes, until an interrupt", into: func(o *Options) any { return &o.Watch }},
	{in: Grants, name: "reset", kind: text, arg: "NAME", help: "of uses: count those of this stanza from zero", into: func(o *Options) any { return &o.Reset }},
	{in: Grants, name: "cut", kind: switchOn, help: "of revoke: end the connections too", into: func(o *Options) any { return &o.Cut }},

	{in: configured | Digests | Help | Demo | Init | Version | Completion | Doctor | Why | Report | live | Fleet | FleetSubmit | FleetWork, name: "help", short: "h", kind: switchOn, action: true, help: "this text", into: func(o *Options) any { return &o.Help }},
	{name: "Version", short: "V", kind: switchOn, action: true, help: "the version", into: func(o *Options) any { return &o.Version }},

	{name: "Test-mode", short: "T", kind: ignored},
	{name: "nfq-capture", short: "n", kind: ignored},
	{name: "gpg-agent-info", kind: ignoredText},
	{name: "knoptmCmd", kind: ignoredText},
	{name: "fwknop_servCmd", kind: ignoredText},
	{name: "knoptm-debug-file", kind: ignoredText},
	{name: "knoptm-debug-pidname", kind: ignored},
	{name: "fwkserv-debug-file", kind: ignoredText},
	{name: "fwkserv-debug-pidname", kind: ignored},
	{name: "Lib-dir", kind: ignoredText},
	{name: "no-FKO-module", kind: ignored},
	{name: "test-FKO-exists", kind: ignored},
	{name: "no-ipt-check-support", kind: ignored},
	{name: "no-firewd-check-support", kind: ignored},
	{name: "fault-injection-tag", kind: absentText},
	{name: "afl-fuzzing", short: "A", kind: absent},
	{name: "afl-pkt-file", kind: absentText},
}
