// Package cli parses the command lines of fwknopd and its sub-commands: the options of
// the 1.9 manual, those that scripts for the 2.6 daemon use, and our own, in every
// spelling. One table says which command takes which option.
package cli

// Release is the release of both programs.
const Release = "0.1.0"

// Options is a parsed command line. Fields of options that were not given are zero;
// [Options.Set] distinguishes a zero value that was given.
type Options struct {
	// Actions: at most one is set, except that Dump may come with ParseConfig or
	// ParseDigests and includes both. Without an action the daemon is run.
	OS           bool   // --os
	Dump         bool   // --Dump-config
	Kill         bool   // --Kill
	Restart      bool   // --Restart
	Status       bool   // --Status
	FWList       bool   // --fw-list
	FWListAll    bool   // --fw-list-all
	FWFlush      bool   // --fw-flush, with FWDelChains: chains and jumps as well
	FWDelIP      string // --fw-del-ip
	KeyGen       bool   // --key-gen, or --key-gen-file alone
	SPADump      string // --spa-dump-packets
	ParseConfig  bool   // --exit-parse-config
	ParseDigests bool   // --exit-parse-digest-cache
	ErrCodes     bool   // --dump-serv-err-codes
	Help         bool   // --help
	Version      bool   // --Version

	// Files.
	Config       string   // --config
	Access       string   // --access-file
	AccessFolder string   // --access-folder
	Overrides    []string // --Override-config, in the order given
	DigestFile   string   // --digest-file
	State        string   // --state
	PIDFile      string   // --pid-file
	RunDir       string   // --run-dir
	FWLog        []string // --fw-log, and the operands of --os
	PcapFile     string   // --pcap-file
	Operands     []string // what is no option
	Signatures   []string // --signatures FILE or +FILE
	AsGiven      bool     // --os: keep the given order of files
	Inner        bool     // --os, stats: look into tunnels
	Brief        bool     // --brief: one line a source
	Summary      bool     // --summary: totals and the most frequent of everything
	Unknown      bool     // --unknown: SYNs that no signature fits
	Top          int      // --top
	Memory       int      // --memory, bytes; 0: not given
	Report       string   // --report: the HTML page, also of replay, stats and report
	Since        string   // --since
	Until        string   // --until
	Inside       bool     // --inside: demo runs its live round in this namespace

	// The daemon.
	Interface    string // --intf; --interface of init
	PcapFilter   string // --pcap-filter
	AnyDirection bool   // --pcap-any-direction
	CookedIntf   bool   // --Linux-cooked-intf
	UDPServer    bool   // --udp-server
	PacketLimit  int    // --packet-limit; 0: none
	Foreground   bool   // --foreground or --debug
	Debug        bool   // --debug
	Test         bool   // --test: no firewall changes, no commands
	RotateCache  bool   // --rotate-digest-cache: begin with an empty replay cache
	Verbose      int    // --verbose, counted
	SyslogEnable bool   // --syslog-enable
	Locale       string // --locale
	NoLocale     bool   // --no-locale
	FWType       string // --fw-type
	FWDelChains  bool   // --fw-del-chains
	NoGPG        bool   // --no-gpg
	GPGHomeDir   string // --gpg-home-dir
	GPGExe       string // --gpg-exe
	SudoExe      string // --sudo-exe
	GPGOptions   int    // --gpg-use-options 1, --gpg-no-options -1

	// Output and checks.
	Format      string // --format; json for --json
	json        bool   // --json
	Defaults    bool   // --defaults, with --Dump-config
	IncludeAll  bool   // --Include-all-config
	Lenient     bool   // --lenient
	StrictPerms bool   // --strict-perms

	// Key generation.
	KeyGenFile     string // --key-gen-file
	KeyLen         int    // --key-len, bytes
	HMACKeyLen     int    // --hmac-key-len, bytes
	HMACDigestType string // --hmac-digest-type

	// Replay and explain.
	Resolve  bool     // --resolve
	AllModes bool     // --all-modes
	FailOn   []string // --fail-on
	WhatIf   string   // --what-if
	Record   string   // --record
	Payload  string   // --payload
	Src      string   // --src, also of grants
	Reason   string   // --reason
	Dst      string   // --dst, also of grants
	Proto    string   // --proto
	Time     string   // --time

	// Check.
	Offline bool     // --offline
	Expect  []string // --expect, in the order given
	Explain bool     // --explain
	Write   string   // --write

	Last int // --last, of why, explain and top

	// Init; For also of grants.
	Port       string // --port
	Name       string // --name
	For        string // --for
	Dir        string // --dir
	SendTo     string // --server
	ClientFile string // --client
	ShowKeys   bool   // --show-keys
	QR         bool   // --qr
	TOTP       bool   // --totp of init
	Prefix     string // --prefix
	DryRun     bool   // --dry-run
	Remove     string // --remove

	GuardForward []string // --guard-forward

	// Fleet init.
	Out   string // --out
	Add   bool   // --add
	Peers string // --peers

	// Fleet events, grants and revoke; Since too.
	Follow  bool   // --follow
	Gateway string // --gateway

	// Grants; Src, Dst and For too.
	Ports  []string // --port
	Stanza string   // --stanza, NAME or line
	All    bool     // --all, also of explain
	Cut    bool     // --cut
	Watch  bool     // --watch
	Reset  string   // --reset, NAME

	// Archives over many machines: fleet submit and fleet work; Dir too.
	Replay      bool   // --replay of fleet submit
	Listen      string // --listen
	Join        string // --join, a secret
	Jobs        int    // --jobs; 0: not given
	NATS        string // --nats
	Credentials string // --credentials
	CA          string // --ca
	Root        string // --root
	Upload      bool   // --upload

	Client ClientOptions

	// Obsolete lists the options given that are accepted without effect.
	Obsolete []string
	set      map[string]bool
}

// Set reports whether the option of that canonical long name was given.
func (o *Options) Set(name string) bool { return o.set[name] }
