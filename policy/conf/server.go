package conf

import (
	"cmp"
	"iter"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

// Values of SANDBOX.
const (
	SandboxAuto = "auto"
	SandboxOn   = "on"
	SandboxOff  = "off"
)

// Values of EVENT_LOG_FORMAT.
const (
	EventsJSON = "json"
	EventsECS  = "ecs"
)

// Server is fwknop.conf with its overrides. Each row of [ServerKeywords] names the field
// that it fills.
type Server struct {
	Dialect Dialect
	// Evident reports that a file shows the dialect; otherwise it was assumed.
	Evident bool

	// What is read.
	AuthModes     []string // AUTH_MODE, or INGEST where it is set
	NFLogGroup    int
	Interface     string // PCAP_INTF
	Promiscuous   bool
	AnyDirection  bool   // ENABLE_PCAP_ANY_DIRECTION
	PcapFilter    string // "" for NONE
	PcapPktFile   string // PCAP_PKT_FILE: followed
	PcapFile      string // PCAP_FILE: read once; "" for none
	MaxSniffBytes int
	MinPacketLen  int  // MIN_SPA_PKT_LEN, bytes with headers
	MinGPGLen     int  // MIN_GNUPG_MSG_SIZE
	FollowLog     bool // ENABLE_SYSLOG_FILE: LogFile is read, else LogFIFO
	LogFile       string
	LogFollower   string // own or tail
	LogFIFO       string
	KernelLogOnly bool     // KERNEL_LOG: the log file holds kernel lines only
	FWMsgSearch   []string // empty: every record

	KafkaBrokers     []string // host:port
	KafkaTopics      []string
	KafkaGroup       string // "": not known
	KafkaTLS         string // Y, N or the absolute path of a file
	KafkaCredentials string // "": none
	KafkaStart       string

	FWSearchAll  bool
	TCPServer    bool
	TCPPort      int
	UDPServer    bool
	UDPPort      int
	ServerSocket string // FWKNOP_SERV_SOCK

	// What is believed.
	Aging                bool
	MaxAge               time.Duration
	DigestTypes          []string // nil: all; else of md5 sha1 sha256 sha384 sha512 sha3_256 sha3_512
	DigestFile           string
	DigestPersistence    bool
	Blacklist            Nets
	MaxGrantPrefix       PrefixLengths // MAX_GRANT_PREFIX; zero: no prefixes (our keyword)
	RequireSourceAddress bool          // 0.0.0.0 in a message is refused for every stanza
	OverHTTP             bool
	AnyUserAgent         bool
	XForwardedFor        bool
	MaxHops              int
	P0fFile              string // "": the embedded one
	KnockSources         int    // KNOCK_SOURCES_MAX
	GPGRate              int    // operations a second in total
	GPGRateSource        int    // and for one source
	TrialRate            int    // TRIAL_RATE: stanzas a second
	GPGHomeDir           string
	GPGExe               string

	// What is opened.
	FirewallType     string // auto iptables nftables ipfw external_cmd
	InputChain       ChainSpec
	OutputChain      ChainSpec
	ForwardChain     ChainSpec
	DNATChain        ChainSpec
	SNATChain        ChainSpec
	MasqueradeChain  ChainSpec
	NFTInput         NFTChain // zero: every chain on the hook
	NFTOutput        NFTChain
	NFTForward       NFTChain
	NFTDNAT          NFTChain
	NFTSNAT          NFTChain
	Forwarding       bool // ENABLE_IPT_FORWARDING
	LocalNAT         bool
	Output           bool // ENABLE_IPT_OUTPUT
	SNAT             bool
	SNATAddr         netip.Addr // invalid: masquerade
	ProcForward      bool       // ENABLE_PROC_IP_FORWARD; in 2.6 files only if they set it
	ProcForwardFile  string
	NATDNS           bool
	DestinationRule  bool
	PrependRules     bool
	GuardForward     []Port
	FlushAtInit      bool
	FlushAtExit      bool
	KeepAtExit       bool          // FLUSH_IPT_AT_EXIT N is in a file
	RulesCheck       int           // RULES_CHECK_THRESHOLD, see CheckInterval
	CheckInterval    time.Duration // between two searches for rules of another daemon; 0: never
	ConntrackPersist bool
	ConntrackPorts   []uint16
	IPTablesExe      string
	FirewallExe      string
	FirewallTries    int
	FirewallPause    time.Duration // between two tries
	FirewallTimeout  time.Duration // of one call
	IPFWExe          string
	IPFWRule         int
	IPFWSet          int
	IPFWInterval     time.Duration

	// Commands.
	ExternalEnabled  bool // ENABLE_EXTERNAL_CMDS
	ExternalOpen     string
	ExternalClose    string
	ExternalTimeout  time.Duration
	ExternalShell    bool
	ExternalPrefixed bool
	ExternalPrefix   string // "" unless ExternalPrefixed
	CmdTimeout       time.Duration
	Shell            string // shCmd
	SudoExe          string
	Locale           string // NONE: that of the daemon

	// Logs and mail.
	Verbose        int
	EventLog       string
	EventFormat    string // EVENT_LOG_FORMAT
	EventLogGroup  string
	Metrics        Endpoint // METRICS_LISTEN, zero: none
	MetricsAny     bool     // METRICS_ANY_ADDRESS
	Hostname       string
	MailTo         []string
	MailExe        string
	SendmailExe    string
	AlertMethods   []string
	SyslogIdentity string
	SyslogFacility string
	SyslogPriority string

	// The fleet.
	Fleet            Fleet  // FLEET, zero: this gateway is alone
	FleetGroup       string // FLEET_GROUP, "": none
	FleetName        string // "": the name of the host
	FleetListen      netip.AddrPort
	FleetPeers       []FleetPeer // with or without this member
	FleetDir         string
	FleetCredentials string // path; "": none
	FleetCA          string // path; "": none
	FleetOnPartition string // PartitionRefuse or PartitionLocal
	FleetEvents      bool

	// The processes.
	WorkerUser       string
	Sandbox          string // SandboxAuto, SandboxOn or SandboxOff
	IntfChecks       bool
	IntfExistsCheck  bool
	IntfRunningCheck bool
	ExitAtIntfDown   bool // only if a file sets it
	VoluntaryExits   bool
	ExitInterval     time.Duration
	RestartPause     time.Duration // KNOPWATCHD_CHECK_INTERVAL
	RestartRetries   int

	// Files and directories.
	LogDir       string // FWKNOP_DIR
	RunDir       string
	StateDir     string // FWKNOP_LIB_DIR; a RunDir of its own in a 2.6 file without it
	ConfDir      string
	ErrDir       string
	AccessFile   string // ACCESS_CONF, in ConfDir if it is a bare name
	AccessFolder string
	PIDFile      string
	CmdlineFile  string
}

// LoadServer reads fwknop.conf and its overrides: the command line wins over the
// last override file, that over the ones before it, these over the main file, that
// over the default. All problems of all files are found in one go; the results are
// usable only if none of them is an Error.
func LoadServer(o Options) (*Server, *Values, Problems) {
	ld := &loader{Options: o}
	v, evident := ld.readServer()
	v.expand(&ld.report)
	s := &Server{Dialect: v.Dialect, Evident: evident}
	ld.fill(s, v)
	ld.checkServer(v, s)
	s.derive(v)
	return s, v, ld.problems()
}

// readServer reads the files and the command line into values without parsing them. evident
// reports that a file shows the dialect.
func (ld *loader) readServer() (v *Values, evident bool) {
	files := ld.Overrides
	if ld.Server != "" {
		files = append([]string{ld.Server}, ld.Overrides...)
	}
	v = &Values{File: ServerFile}
	var own Dialect // syntax of the main file, which overrides follow
	for i, name := range files {
		text, ok := ld.open(name, Pos{File: name}, "", false)
		if !ok {
			continue
		}
		d, shown := serverDialect(name, collect(ServerFile, lex(name, text, new(report))))
		d = cmp.Or(own, d)
		if i == 0 {
			own = d
		}
		if shown && d != 0 && !evident {
			v.Dialect, evident = d, true
		}
		ld.readServerFile(v, d, lex(name, text, &ld.report))
		ld.noticeObsolete(name)
	}
	v.Dialect = cmp.Or(v.Dialect, ld.Dialect, own, Perl19)
	for name, text := range ld.Argv {
		k := Find(ServerFile, name)
		if k == nil {
			panic("conf: no keyword " + name)
		}
		v.set(Value{Keyword: k, Text: text, Origin: FromArgv, Name: name, Pos: Pos{File: "command line"}}, nil)
	}
	return v, evident
}

// readServerFile lays the values of one file over those of the files before it.
func (ld *loader) readServerFile(v *Values, d Dialect, lines iter.Seq[line]) {
	own := &Values{File: ServerFile, Dialect: d}
	for l := range lines {
		if strings.HasPrefix(l.keyword, "%") {
			ld.errorf(l.pos, shownKeyword(ServerFile, &l), "includes are for access.conf only")
		} else if val := ld.value(ServerFile, d, &l); val != nil {
			own.add(*val, &ld.report)
		}
	}
	for _, val := range own.given {
		v.set(val, own.more[val.Keyword])
	}
}

// fill parses the values and stores them in the fields that the rows of the table name. An
// empty value leaves its field alone: of two keywords for one field the later one in the
// table wins if it is set.
func (ld *loader) fill(s *Server, v *Values) {
	for i := range ServerKeywords {
		k := &ServerKeywords[i]
		for n, val := range v.each(k) {
			var meaning any
			ok := true
			switch {
			case val.IsSet():
				if k.Name == "SNAT_TRANSLATE_IP" && placeholder.MatchString(val.Text) && !v.flag("ENABLE_IPT_SNAT") {
					val.Text = ""
				}
				meaning, ok = ld.parse(v.Dialect, val)
			case !k.SetOnly:
				meaning, _ = k.parse(v.Dialect, val.Text)
			}
			if k.into == nil {
				continue
			}
			if field := k.into(s); ok && meaning != nil {
				k.assign(field, meaning, n > 0)
			} else if !ok {
				k.keep(field, val.Text)
			}
		}
	}
}

// checkServer finds what single values cannot show.
func (ld *loader) checkServer(v *Values, s *Server) {
	if s.FirewallType == "ipfw" || v.IsSet("IPFW_ACTIVE_SET_NUM") || v.IsSet("IPFW_EXPIRE_SET_NUM") {
		ld.checkIPFW(v, s)
	}
	ld.checkInterface(v, s)
	ld.checkGuard(v, s)
	ld.checkExternal(v, s)
	if !s.Fleet.IsZero() {
		ld.checkFleet(v, s)
	}
	if s.ReadsKafka() {
		ld.checkKafka(v, s)
	}
	for i := range v.given {
		val := &v.given[i]
		if idle := val.Keyword.idle; idle != nil {
			if why := idle(s); why != "" {
				ld.warnf(val.Pos, val.Name, "%s", why)
			}
		}
	}
	if a := s.SNATAddr; a.IsValid() && (a == netip.IPv4Unspecified() || a.IsMulticast()) {
		ld.at(v, "SNAT_TRANSLATE_IP", a.String()+" cannot be the source of a packet")
	}
	if a := s.Metrics.Addr; a.IsValid() && !a.Addr().IsLoopback() && !s.MetricsAny {
		ld.at(v, "METRICS_LISTEN", a.Addr().String()+" is not a loopback address; METRICS_ANY_ADDRESS Y allows it")
	}
	if ld.Host != nil {
		ld.checkChains(v, s)
	}
}

// checkGuard finds which firewalls have no guard, and what no guard can be for: it matches on
// a port.
func (ld *loader) checkGuard(v *Values, s *Server) {
	if len(s.GuardForward) > 0 && (s.FirewallType == "ipfw" || s.FirewallType == "external_cmd") {
		ld.at(v, "GUARD_FORWARD", "is for iptables and nftables, not for FIREWALL_TYPE "+s.FirewallType)
	}
	for i, p := range s.GuardForward {
		switch {
		case !p.HasNumber():
			ld.at(v, "GUARD_FORWARD", p.String()+" has no port")
		case slices.Contains(s.GuardForward[:i], p):
			ld.at(v, "GUARD_FORWARD", p.String()+" is there twice")
		}
	}
}

// checkExternal finds commands of which one is missing.
func (ld *loader) checkExternal(v *Values, s *Server) {
	switch open, end := v.lookup("EXTERNAL_CMD_OPEN"), v.lookup("EXTERNAL_CMD_CLOSE"); {
	case open.Text != "" && end.Text == "":
		ld.errorf(open.Pos, "EXTERNAL_CMD_CLOSE", "is missing, EXTERNAL_CMD_OPEN needs it")
	case end.Text != "" && open.Text == "":
		ld.errorf(end.Pos, "EXTERNAL_CMD_OPEN", "is missing, EXTERNAL_CMD_CLOSE needs it")
	}
	if s.ExternalEnabled && s.ExternalOpen == "" {
		ld.at(v, "ENABLE_EXTERNAL_CMDS", "is Y, but EXTERNAL_CMD_OPEN is not set")
	}
}

// checkInterface finds what is taken for the name of an interface and hardly is one: the daemon
// would wait for it.
func (ld *loader) checkInterface(v *Values, s *Server) {
	const longest = 15 // IFNAMSIZ less the NUL
	switch val := v.lookup("PCAP_INTF"); {
	case strings.Contains(s.Interface, "#"): // taken for a remark, and said
	case strings.ContainsAny(s.Interface, " \t/") || len(s.Interface) > longest:
		ld.warnf(val.Pos, val.Name, "%q can be no interface", clip(s.Interface))
	case strings.Contains(s.Interface, ","):
		ld.warnf(val.Pos, val.Name, "%q is read as the name of one interface; any stands for all", s.Interface)
	}
}

// checkIPFW finds what ipfw cannot do.
func (ld *loader) checkIPFW(v *Values, s *Server) {
	modes, _ := v.meaning("AUTH_MODE").([]string) // whatever INGEST says
	if s.FirewallType == "ipfw" && slices.Contains(modes, "KNOCK") {
		ld.at(v, "AUTH_MODE", "KNOCK is not offered with FIREWALL_TYPE ipfw")
	}
	if n := v.meaning("IPFW_EXPIRE_SET_NUM"); n == v.meaning("IPFW_ACTIVE_SET_NUM") && n != int64(0) && n != nil {
		ld.at(v, "IPFW_EXPIRE_SET_NUM", "is the same set as IPFW_ACTIVE_SET_NUM")
	}
}

// checkChains requires that each chain exists that a jump is to stand in. The built-in
// chains always do.
func (ld *loader) checkChains(v *Values, s *Server) {
	for _, k := range ServerKeywords {
		if k.Kind != Chain || !v.IsSet(k.Name) {
			continue
		}
		val, c := v.lookup(k.Name), k.into(s).(*ChainSpec)
		if c.From == "" || builtin[c.From] {
			continue
		}
		switch exists, known := ld.Host.Chain(c.Table, c.From); {
		case !known:
			ld.warnf(val.Pos, val.Name, "whether the chain %s exists cannot be seen from here", c.From)
		case !exists:
			ld.errorf(val.Pos, val.Name, "the table %s has no chain %s", c.Table, c.From)
		}
	}
}

// isCommonRunDir reports whether a directory is the FWKNOP_RUN_DIR of a file that sets none.
func isCommonRunDir(dir string) bool {
	dir = path.Clean(dir)
	return dir == "/var/run/fwknop" || dir == "/run/fwknop"
}

// derive completes the fields whose value depends on more than one keyword.
func (s *Server) derive(v *Values) {
	if s.Dialect == C26 {
		// The 2.6 daemon reads a capture once without ageing: its packets are old.
		if v.IsSet("PCAP_FILE") && !v.IsSet("ENABLE_SPA_PACKET_AGING") {
			s.Aging = false
		}
		if !v.IsSet("ENABLE_PROC_IP_FORWARD") {
			s.ProcForward = false
		}
		// Two daemons with different run directories do not meet. That of all daemons is emptied
		// when the machine starts, and holds no state.
		if !v.IsSet("FWKNOP_LIB_DIR") && !isCommonRunDir(s.RunDir) {
			s.StateDir = s.RunDir
		}
	}
	if slices.Contains(s.DigestTypes, "ALL") {
		s.DigestTypes = nil
	}
	for i, name := range s.DigestTypes {
		s.DigestTypes[i] = strings.ToLower(name)
	}
	if s.PcapFilter == "NONE" {
		s.PcapFilter = ""
	}
	if s.FWSearchAll {
		s.FWMsgSearch = nil
	}
	if !s.ExternalPrefixed {
		s.ExternalPrefix = ""
	}
	s.KeepAtExit = v.IsSet("FLUSH_IPT_AT_EXIT") && !s.FlushAtExit
	s.CheckInterval = checkInterval(s.RulesCheck, v.IsSet("RULES_CHECK_THRESHOLD"))
	if s.AccessFile != "" && !strings.HasPrefix(s.AccessFile, "/") {
		s.AccessFile = path.Join(s.ConfDir, s.AccessFile)
	}
}

// checkInterval converts RULES_CHECK_THRESHOLD, which counts turns of the loop of the
// 2.6 daemon.
func checkInterval(turns int, set bool) time.Duration {
	const (
		turn     = 100 * time.Millisecond
		unset    = 5 * time.Second // a search runs programs
		shortest = time.Second
	)
	switch {
	case turns == 0:
		return 0
	case !set:
		return unset
	}
	return max(time.Duration(turns)*turn, shortest)
}

// feeds are the values of AUTH_MODE and INGEST whose packets an evaluation reads.
var feeds = map[Mode][]string{
	ModeSPA:       {"PCAP", "FILE_PCAP", "ULOG_PCAP", "SOCKET", "UDP", "TCP", "NFLOG"},
	ModeShared:    {"KNOCK", "JOURNAL", "KMSG", "NFLOG", "KAFKA"},
	ModeEncrypted: {"KNOCK", "JOURNAL", "KMSG", "NFLOG", "KAFKA"},
}

// Unfed is the reason why no stanza of that mode ever grants anything, "" if it can.
func (s *Server) Unfed(m Mode) string {
	if s.Feeds(m) {
		return ""
	}
	what := "SPA packets"
	if m != ModeSPA {
		what = "knocks"
	}
	return "AUTH_MODE " + strings.Join(s.AuthModes, ", ") + " reads no " + what + ": the stanza never grants anything; " +
		strings.Join(feeds[m], ", ") + " would"
}

// ReadsKafka reports whether KAFKA is among the sources.
func (s *Server) ReadsKafka() bool { return slices.Contains(s.AuthModes, "KAFKA") }

// Feeds reports whether the daemon reads packets for stanzas of that mode. Other
// stanzas take no part in its decisions.
func (s *Server) Feeds(m Mode) bool {
	return slices.ContainsFunc(s.AuthModes, func(mode string) bool { return slices.Contains(feeds[m], mode) })
}
