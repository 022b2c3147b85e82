package cli

// An option's kind decides whether it takes a value.
type kind uint8

const (
	switchOn    kind = iota // nothing
	count                   // nothing, may be repeated
	text                    // a value
	number                  // a value, 0 to 1<<31-1
	list                    // a value, may be repeated or comma-separated
	ignored                 // nothing; accepted for old scripts, no effect
	ignoredText             // a value; accepted for old scripts, no effect
	absent                  // nothing; refused, as fwknopd has no such mode
	absentText              // a value; refused likewise
)

// An option is one option of the command line.
type option struct {
	name    string // canonical long name
	short   string
	aliases []string
	kind    kind
	action  bool // excludes all other actions
	arg     string
	help    string // empty: not shown in usage
	into    func(*Options) any
}

// options is the whole command line, in the order of the usage text.
var options = []option{
	{name: "config", short: "c", aliases: []string{"config-file"}, kind: text, arg: "FILE", help: "main configuration file (/etc/fwknop/fwknop.conf, else fwknopd.conf)", into: func(o *Options) any { return &o.Config }},
	{name: "access-file", short: "a", aliases: []string{"access-conf"}, kind: text, arg: "FILE", help: "access stanzas (overrides ACCESS_CONF)", into: func(o *Options) any { return &o.Access }},
	{name: "access-folder", kind: text, arg: "DIR", help: "read every *.conf in DIR as access stanzas", into: func(o *Options) any { return &o.AccessFolder }},
	{name: "Override-config", short: "O", kind: list, arg: "FILE,…", help: "override values of the main file; later files win", into: func(o *Options) any { return &o.Overrides }},
	{name: "intf", short: "i", aliases: []string{"interface"}, kind: text, arg: "NAME", help: "interface to sniff (overrides PCAP_INTF); it must be there", into: func(o *Options) any { return &o.Interface }},
	{name: "pcap-filter", short: "P", kind: text, arg: "EXPR", help: "capture filter (overrides PCAP_FILTER)", into: func(o *Options) any { return &o.PcapFilter }},
	{name: "pcap-file", kind: text, arg: "FILE", help: "read this capture once and end", into: func(o *Options) any { return &o.PcapFile }},
	{name: "pcap-any-direction", kind: switchOn, help: "also take frames this host sends", into: func(o *Options) any { return &o.AnyDirection }},
	{name: "Linux-cooked-intf", kind: switchOn, help: "accepted; link types are recognised", into: func(o *Options) any { return &o.CookedIntf }},
	{name: "udp-server", short: "U", kind: switchOn, help: "listen on a UDP socket instead of sniffing", into: func(o *Options) any { return &o.UDPServer }},
	{name: "packet-limit", short: "C", aliases: []string{"Count"}, kind: number, arg: "N", help: "stop after N candidate packets", into: func(o *Options) any { return &o.PacketLimit }},
	{name: "foreground", short: "f", kind: switchOn, help: "stay in the foreground", into: func(o *Options) any { return &o.Foreground }},
	{name: "debug", kind: switchOn, help: "foreground, everything on stderr", into: func(o *Options) any { return &o.Debug }},
	{name: "test", short: "t", kind: switchOn, help: "decide, but change no firewall and run no command", into: func(o *Options) any { return &o.Test }},
	{name: "digest-file", short: "d", kind: text, arg: "FILE", help: "replay cache (overrides DIGEST_FILE)", into: func(o *Options) any { return &o.DigestFile }},
	{name: "pid-file", short: "p", kind: text, arg: "FILE", help: "pid file (overrides FWKNOP_PID_FILE)", into: func(o *Options) any { return &o.PIDFile }},
	{name: "run-dir", short: "r", kind: text, arg: "DIR", help: "run directory (overrides FWKNOP_RUN_DIR)", into: func(o *Options) any { return &o.RunDir }},
	{name: "syslog-enable", kind: switchOn, help: "log to syslog in the foreground too", into: func(o *Options) any { return &o.SyslogEnable }},
	{name: "locale", short: "l", aliases: []string{"LC_ALL"}, kind: text, arg: "LOCALE", help: "LC_ALL for the programs we start (default C)", into: func(o *Options) any { return &o.Locale }},
	{name: "no-locale", aliases: []string{"no-LC_ALL"}, kind: switchOn, help: "leave the locale alone", into: func(o *Options) any { return &o.NoLocale }},
	{name: "verbose", short: "v", kind: count, help: "say more; twice: still more", into: func(o *Options) any { return &o.Verbose }},

	{name: "os", short: "o", kind: switchOn, action: true, help: "report the operating systems seen in logs and captures", into: func(o *Options) any { return &o.OS }},
	{name: "fw-log", kind: list, arg: "FILE", help: "log or capture that --os reads", into: func(o *Options) any { return &o.FWLog }},
	{name: "as-given", kind: switchOn, help: "with --os: read files in the given order, also if it runs back in time", into: func(o *Options) any { return &o.AsGiven }},
	{name: "signatures", kind: list, arg: "[+]FILE", help: "fingerprints instead of (+: besides) our own", into: func(o *Options) any { return &o.Signatures }},
	{name: "format", kind: text, arg: "text|json|jsonl", help: "output format", into: func(o *Options) any { return &o.Format }},

	{name: "Kill", short: "K", kind: switchOn, action: true, help: "end the running daemon", into: func(o *Options) any { return &o.Kill }},
	{name: "Restart", short: "R", kind: switchOn, action: true, help: "restart it with its own command line", into: func(o *Options) any { return &o.Restart }},
	{name: "Status", short: "S", kind: switchOn, action: true, help: "say what runs", into: func(o *Options) any { return &o.Status }},
	{name: "fw-list", kind: switchOn, action: true, help: "list what is open", into: func(o *Options) any { return &o.FWList }},
	{name: "fw-list-all", kind: switchOn, action: true, help: "list the whole policy of the tables we touch", into: func(o *Options) any { return &o.FWListAll }},
	{name: "fw-flush", kind: switchOn, action: true, help: "close everything", into: func(o *Options) any { return &o.FWFlush }},
	{name: "fw-del-chains", kind: switchOn, help: "with --fw-flush: remove chains and jumps too", into: func(o *Options) any { return &o.FWDelChains }},
	{name: "fw-del-ip", kind: text, action: true, arg: "IP", help: "close everything that is open for IP", into: func(o *Options) any { return &o.FWDelIP }},
	{name: "fw-type", kind: text, arg: "TYPE", help: "firewall (overrides FIREWALL_TYPE)", into: func(o *Options) any { return &o.FWType }},
	{name: "Dump-config", short: "D", kind: switchOn, action: true, help: "print the effective configuration on stderr", into: func(o *Options) any { return &o.Dump }},
	{name: "defaults", kind: switchOn, help: "with -D: print the sample files", into: func(o *Options) any { return &o.Defaults }},
	{name: "Include-all-config", short: "I", kind: switchOn, help: "with -D: show GnuPG ids and homes too", into: func(o *Options) any { return &o.IncludeAll }},
	{name: "exit-parse-config", kind: switchOn, action: true, help: "validate the configuration and leave", into: func(o *Options) any { return &o.ParseConfig }},
	{name: "exit-parse-digest-cache", kind: switchOn, action: true, help: "validate the replay cache and leave", into: func(o *Options) any { return &o.ParseDigests }},
	{name: "rotate-digest-cache", kind: switchOn, help: "rename the replay cache to NAME-old and begin a new one", into: func(o *Options) any { return &o.RotateCache }},
	{name: "lenient", kind: switchOn, help: "unknown keywords are warnings", into: func(o *Options) any { return &o.Lenient }},
	{name: "strict-perms", kind: switchOn, help: "refuse files with secrets that others can read", into: func(o *Options) any { return &o.StrictPerms }},
	{name: "spa-dump-packets", kind: text, action: true, arg: "FILE", help: "explain each SPA packet in FILE, one a line", into: func(o *Options) any { return &o.SPADump }},

	{name: "key-gen", short: "k", kind: switchOn, action: true, help: "print fresh keys", into: func(o *Options) any { return &o.KeyGen }},
	{name: "key-gen-file", kind: text, arg: "FILE", help: "write them to FILE; --key-gen is understood", into: func(o *Options) any { return &o.KeyGenFile }},
	{name: "key-len", kind: number, arg: "N", help: "bytes of the encryption key, 1 to 128", into: func(o *Options) any { return &o.KeyLen }},
	{name: "hmac-key-len", kind: number, arg: "N", help: "bytes of the HMAC key, 1 to 128", into: func(o *Options) any { return &o.HMACKeyLen }},
	{name: "hmac-digest-type", kind: text, arg: "TYPE", help: "its digest", into: func(o *Options) any { return &o.HMACDigestType }},

	{name: "dump-serv-err-codes", kind: switchOn, action: true, help: "list the error codes of the 2.6 daemon and our reasons for each", into: func(o *Options) any { return &o.ErrCodes }},

	{name: "no-gpg", kind: switchOn, help: "ignore every GPG keyword", into: func(o *Options) any { return &o.NoGPG }},
	{name: "gpg-home-dir", kind: text, arg: "DIR", help: "default GnuPG home", into: func(o *Options) any { return &o.GPGHomeDir }},
	{name: "gpg-exe", kind: text, arg: "PATH", help: "gpg program", into: func(o *Options) any { return &o.GPGExe }},
	{name: "sudo-exe", kind: text, arg: "PATH", help: "sudo program", into: func(o *Options) any { return &o.SudoExe }},
	{name: "gpg-use-options", kind: switchOn, help: "let gpg read its options file"},
	{name: "gpg-no-options", kind: switchOn, help: "do not"},

	{name: "help", short: "h", kind: switchOn, action: true, help: "this text", into: func(o *Options) any { return &o.Help }},
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
