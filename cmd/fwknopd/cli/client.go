package cli

import (
	"slices"
	"strconv"
	"strings"
)

// Client is the client, fwknop. Its options are in a table of their own, as short
// options mean other things there.
const Client Command = 1 << 31

// ClientOptions are the options of the client that the daemon does not have.
type ClientOptions struct {
	// What is asked for.
	Access      string // --access
	Destination string // --destination
	AllowIP     string // --allow-ip
	SourceIP    bool   // --source-ip
	Resolve     bool   // --resolve-ip-https
	ResolveURL  string // --resolve-url
	// ResolveHTTPOnly is --resolve-http-only.
	ResolveHTTPOnly bool

	Command     string // --server-cmd
	NATAccess   string // --nat-access
	NATLocal    bool   // --nat-local
	NATPort     int    // --nat-port
	NATRandPort bool   // --nat-rand-port
	FWTimeout   int    // --fw-timeout
	User        string // --spoof-user
	ServerAuth  string // --server-auth
	TOTP        string // --totp
	TOTPPrompt  bool   // --totp-prompt
	TOTPCommand string // --totp-command
	TimePlus    string // --time-offset-plus
	TimeMinus   string // --time-offset-minus

	// How it is encrypted.
	DigestType    string // --digest-type
	Mode          string // --encryption-mode
	NoTag         bool   // --no-tag
	UseHMAC       bool   // --use-hmac
	Key           string // --key-rijndael
	KeyBase64     string // --key-base64-rijndael
	KeyFile       string // --get-key
	HMACKey       string // --key-hmac
	HMACKeyBase64 string // --key-base64-hmac
	HMACKeyFile   string // --get-hmac-key
	Stdin         bool   // --stdin
	FD            int    // --fd

	// OpenPGP. The fields of the signing passphrase are set by the rc file only.
	GPG                     bool     // --gpg-encryption
	GPGRecipient            string   // --gpg-recipient-key
	GPGSigner               string   // --gpg-signer-key
	GPGKeyFiles             []string // --gpg-key-file
	GPGAgent                bool     // --gpg-agent
	GPGNoPassphrase         bool     // --gpg-no-signing-pw
	SigningPassphrase       string
	SigningPassphraseBase64 string

	// How it is sent.
	Proto      string // --server-proto
	Port       int    // --server-port
	RandPort   bool   // --rand-port
	tcp, http  bool   // --TCP-sock, --HTTP: the same as --server-proto
	SourcePort int    // --source-port
	Source     string // --spoof-source
	ICMPType   int    // --icmp-type
	ICMPCode   int    // --icmp-code
	Proxy      string // --http-proxy
	UserAgent  string // --user-agent
	IPv4       bool   // --server-resolve-ipv4
	IPv6       bool   // --ipv6

	// What follows once it is sent.
	Wait      string // --wait
	ProxyHost string // --proxy, which also sets ProxyPort, and Wait if that is not given
	ProxyPort int

	// Port-knock sequences.
	ServerMode string // --Server-mode
	Sequence   string // --shared-sequence
	Offset     int    // --offset
	Rotate     bool   // --rotate-proto
	TimeDelay  string // --time-delay

	// Files.
	Name         string // --named-config
	RCFile       string // --rc-file
	NoRCFile     bool   // --no-rc-file
	NoHome       bool   // --no-home-dir
	SaveStanza   bool   // --save-rc-stanza
	ForceStanza  bool   // --force-stanza
	StanzaList   bool   // --stanza-list
	ArgsFile     string // --save-args-file
	NoSaveArgs   bool   // --no-save-args
	Last         bool   // --last-cmd
	ShowLast     bool   // --show-last
	SavePacket   string // --save-packet
	AppendPacket bool   // --save-packet-append
	Completion   string // --completion
}

// defaultWait is how long --wait and --proxy wait if no time is given.
const defaultWait = "5s"

// clientOptions are the options of [Client] in the order of the usage text. Names are
// those of the 2.6 client; aliases are names of 1.9 that differ in more than case.
var clientOptions = []option{
	{name: "access", short: "A", kind: text, arg: "PROTO/PORT,…", help: "ports to open, such as tcp/22,udp/53", into: func(o *Options) any { return &o.Client.Access }},
	{name: "destination", short: "D", kind: text, arg: "HOST", help: "the server: a name or an address", into: func(o *Options) any { return &o.Client.Destination }},
	{name: "allow-ip", short: "a", kind: text, arg: "IP", help: "the address to let in", into: func(o *Options) any { return &o.Client.AllowIP }},
	{name: "source-ip", short: "s", kind: switchOn, help: "let in the address that the packet comes from; servers may refuse this", into: func(o *Options) any { return &o.Client.SourceIP }},
	{name: "resolve-ip-https", short: "R", aliases: []string{"resolve-ip-http", "Resolve-external-IP"}, kind: switchOn, help: "let in the address that the web server of --resolve-url sees", into: func(o *Options) any { return &o.Client.Resolve }},
	{name: "resolve-url", aliases: []string{"whatismyip-URL"}, kind: text, arg: "URL", help: "a web page that is the address of its client, and nothing else", into: func(o *Options) any { return &o.Client.ResolveURL }},
	{name: "resolve-http-only", kind: switchOn, help: "allow an http URL: others on the way can then name the address", into: func(o *Options) any { return &o.Client.ResolveHTTPOnly }},
	{name: "named-config", short: "n", kind: text, arg: "NAME", help: "read options from the stanza NAME of the rc file", into: func(o *Options) any { return &o.Client.Name }},
	{name: "server-cmd", short: "C", kind: text, arg: "COMMAND", help: "have the server run COMMAND instead of opening ports", into: func(o *Options) any { return &o.Client.Command }},
	{name: "fw-timeout", short: "f", kind: number, arg: "SECONDS", help: "how long the ports are to be open; the server may allow less", into: func(o *Options) any { return &o.Client.FWTimeout }},
	{name: "nat-access", short: "N", kind: text, arg: "HOST[:PORT]", help: "forward the port to HOST behind the server", into: func(o *Options) any { return &o.Client.NATAccess }},
	{name: "nat-local", kind: switchOn, help: "forward the port of --nat-port to the server itself", into: func(o *Options) any { return &o.Client.NATLocal }},
	{name: "nat-port", kind: number, arg: "PORT", help: "the port to connect to; that of -A is the one it is forwarded to", into: func(o *Options) any { return &o.Client.NATPort }},
	{name: "nat-rand-port", kind: switchOn, help: "draw that port at random and print it", into: func(o *Options) any { return &o.Client.NATRandPort }},
	{name: "spoof-user", short: "U", kind: text, arg: "NAME", help: "user name in the message ($SPOOF_USER, else yours)", into: func(o *Options) any { return &o.Client.User }},
	{name: "server-auth", kind: text, arg: "crypt", help: "ask for your password on the server and send it too, for REQUIRE_AUTH_METHOD", into: func(o *Options) any { return &o.Client.ServerAuth }},
	{name: "totp", kind: text, arg: "CODE", help: "the one-time code of your authenticator, for REQUIRE_AUTH_METHOD totp", into: func(o *Options) any { return &o.Client.TOTP }},
	{name: "totp-prompt", kind: switchOn, help: "ask for that code on the terminal", into: func(o *Options) any { return &o.Client.TOTPPrompt }},
	{name: "totp-command", kind: text, arg: "COMMAND", help: "take it from what COMMAND prints, which no shell runs", into: func(o *Options) any { return &o.Client.TOTPCommand }},
	{name: "time-offset-plus", kind: text, arg: "TIME", help: "add TIME to the clock: 60, 60sec, 10min, 2hours, 2days", into: func(o *Options) any { return &o.Client.TimePlus }},
	{name: "time-offset-minus", kind: text, arg: "TIME", help: "subtract TIME from the clock", into: func(o *Options) any { return &o.Client.TimeMinus }},

	{name: "server-proto", short: "P", kind: text, arg: "PROTO", help: "how the packet is sent: udp (default), tcp or http; as root udpraw, tcpraw or icmp", into: func(o *Options) any { return &o.Client.Proto }},
	{name: "TCP-sock", kind: switchOn, help: "the same as -P tcp", into: func(o *Options) any { return &o.Client.tcp }},
	{name: "HTTP", kind: switchOn, help: "the same as -P http", into: func(o *Options) any { return &o.Client.http }},
	{name: "server-port", short: "p", kind: number, arg: "PORT", help: "port that it is sent to (62201; http: 80)", into: func(o *Options) any { return &o.Client.Port }},
	{name: "rand-port", short: "r", kind: switchOn, help: "send it to a random port from 10000 on", into: func(o *Options) any { return &o.Client.RandPort }},
	{name: "source-port", short: "S", kind: number, arg: "PORT", help: "port that it is sent from", into: func(o *Options) any { return &o.Client.SourcePort }},
	{name: "spoof-source", short: "Q", aliases: []string{"spoof-src"}, kind: text, arg: "IP", help: "address that it seems to come from; with udpraw, tcpraw and icmp", into: func(o *Options) any { return &o.Client.Source }},
	{name: "icmp-type", kind: number, arg: "N", help: "type of the ICMP message (echo reply)", into: func(o *Options) any { return &o.Client.ICMPType }},
	{name: "icmp-code", kind: number, arg: "N", help: "code of the ICMP message (0)", into: func(o *Options) any { return &o.Client.ICMPCode }},
	{name: "http-proxy", short: "H", kind: text, arg: "HOST[:PORT]", help: "send it through this HTTP proxy; -P http is understood", into: func(o *Options) any { return &o.Client.Proxy }},
	{name: "user-agent", short: "u", kind: text, arg: "TEXT", help: "user agent of HTTP requests; servers may want it to begin with Fwknop", into: func(o *Options) any { return &o.Client.UserAgent }},
	{name: "server-resolve-ipv4", short: "4", kind: switchOn, help: "use an IPv4 address of the server", into: func(o *Options) any { return &o.Client.IPv4 }},
	{name: "ipv6", short: "6", kind: switchOn, help: "use an IPv6 address of the server", into: func(o *Options) any { return &o.Client.IPv6 }},
	{name: "wait", kind: optional, arg: defaultWait, help: "try the ports of -A (TCP) until they are open, that long at most; 3 is the exit code if one stays closed", into: func(o *Options) any { return &o.Client.Wait }},
	{name: "proxy", kind: text, arg: "HOST PORT", help: "wait, then connect standard input and output to that port, for ProxyCommand of ssh", into: func(o *Options) any { return &o.Client.ProxyHost }},
	{name: "test", short: "T", aliases: []string{"dry-run", "Test-mode"}, kind: switchOn, help: "print the packet and what is in it, and send nothing", into: func(o *Options) any { return &o.Test }},
	{name: "format", kind: text, arg: "text|json|jsonl", help: "form of what -T, --key-gen, --stanza-list and -V print", into: func(o *Options) any { return &o.Format }},
	{name: "json", kind: switchOn, help: "the same as --format json", into: func(o *Options) any { return &o.json }},
	{name: "save-packet", short: "B", aliases: []string{"Save-packet-file"}, kind: text, arg: "FILE", help: "write the packet to FILE as well", into: func(o *Options) any { return &o.Client.SavePacket }},
	{name: "save-packet-append", short: "b", kind: switchOn, help: "append it to that file", into: func(o *Options) any { return &o.Client.AppendPacket }},

	{name: "Server-mode", kind: text, arg: "MODE", help: "what is sent: pcap, an SPA packet (default); knock, an encrypted port-knock sequence; shared, a sequence of ports", into: func(o *Options) any { return &o.Client.ServerMode }},
	{name: "shared-sequence", kind: text, arg: "PROTO/PORT,…", help: "the knocks, in order, such as tcp/7000,udp/8000,icmp; --Server-mode shared is understood", into: func(o *Options) any { return &o.Client.Sequence }},
	{name: "offset", kind: number, arg: "PORT", help: "PORT_OFFSET of the server: first of the 256 ports of an encrypted sequence (61000)", into: func(o *Options) any { return &o.Client.Offset }},
	{name: "rotate-proto", kind: switchOn, help: "send an encrypted sequence by TCP and UDP in turn", into: func(o *Options) any { return &o.Client.Rotate }},
	{name: "time-delay", short: "t", kind: text, arg: "SECONDS", help: "time between two knocks, also 0 or 0.5 (1)", into: func(o *Options) any { return &o.Client.TimeDelay }},

	{name: "use-hmac", kind: switchOn, help: "authenticate with an HMAC; implied by an HMAC key", into: func(o *Options) any { return &o.Client.UseHMAC }},
	{name: "hmac-digest-type", kind: text, arg: "TYPE", help: "md5, sha1, sha256 (default), sha384, sha512, sha3_256 or sha3_512", into: func(o *Options) any { return &o.HMACDigestType }},
	{name: "digest-type", short: "m", aliases: []string{"digest-alg"}, kind: text, arg: "TYPE", help: "digest in the message, one of the same", into: func(o *Options) any { return &o.Client.DigestType }},
	{name: "encryption-mode", short: "M", kind: text, arg: "MODE", help: "cbc (default), ctr, ofb, cfb, ecb or legacy; asymmetric is OpenPGP", into: func(o *Options) any { return &o.Client.Mode }},
	{name: "no-tag", kind: switchOn, help: "draw the whole salt at random, without the tag by which a server of ours finds the stanza among thousands", into: func(o *Options) any { return &o.Client.NoTag }},
	{name: "get-key", short: "G", kind: text, arg: "FILE", help: "take the key from the line of the server in FILE", into: func(o *Options) any { return &o.Client.KeyFile }},
	{name: "get-hmac-key", kind: text, arg: "FILE", help: "likewise the HMAC key", into: func(o *Options) any { return &o.Client.HMACKeyFile }},
	{name: "stdin", kind: switchOn, help: "read the key from standard input", into: func(o *Options) any { return &o.Client.Stdin }},
	{name: "fd", kind: number, arg: "N", help: "read the key from file descriptor N", into: func(o *Options) any { return &o.Client.FD }},
	{name: "key-rijndael", kind: text, arg: "KEY", help: "the key itself; other users may see it in the list of processes", into: func(o *Options) any { return &o.Client.Key }},
	{name: "key-base64-rijndael", kind: text, arg: "KEY", help: "the key in base64; as visible", into: func(o *Options) any { return &o.Client.KeyBase64 }},
	{name: "key-hmac", kind: text, arg: "KEY", help: "the HMAC key; as visible", into: func(o *Options) any { return &o.Client.HMACKey }},
	{name: "key-base64-hmac", aliases: []string{"hmac-key-base64"}, kind: text, arg: "KEY", help: "the HMAC key in base64; as visible", into: func(o *Options) any { return &o.Client.HMACKeyBase64 }},

	{name: "gpg-encryption", short: "g", kind: switchOn, help: "send an OpenPGP message; the options below imply it", into: func(o *Options) any { return &o.Client.GPG }},
	{name: "gpg-recipient-key", aliases: []string{"gpg-recipient"}, kind: text, arg: "ID", help: "key of the server: its id, fingerprint or a part of its name", into: func(o *Options) any { return &o.Client.GPGRecipient }},
	{name: "gpg-signer-key", aliases: []string{"gpg-signing-key"}, kind: text, arg: "ID", help: "key to sign with", into: func(o *Options) any { return &o.Client.GPGSigner }},
	{name: "gpg-key-file", kind: repeated, arg: "FILE", help: "exported keys; gpg is not needed then", into: func(o *Options) any { return &o.Client.GPGKeyFiles }},
	{name: "gpg-home-dir", kind: text, arg: "DIR", help: "GnuPG home (that of gpg)", into: func(o *Options) any { return &o.GPGHomeDir }},
	{name: "gpg-exe", kind: text, arg: "PATH", help: "gpg program", into: func(o *Options) any { return &o.GPGExe }},
	{name: "gpg-agent", kind: switchOn, help: "let the agent of GnuPG ask for the passphrase of the signing key", into: func(o *Options) any { return &o.Client.GPGAgent }},
	{name: "gpg-no-signing-pw", kind: switchOn, help: "the signing key has no passphrase", into: func(o *Options) any { return &o.Client.GPGNoPassphrase }},

	{name: "key-gen", short: "k", kind: switchOn, help: "print fresh keys, or save them with --save-rc-stanza", into: func(o *Options) any { return &o.KeyGen }},
	{name: "key-gen-file", short: "K", kind: text, arg: "FILE", help: "write them to FILE; --key-gen is understood", into: func(o *Options) any { return &o.KeyGenFile }},
	{name: "key-len", kind: number, arg: "N", help: "bytes of the encryption key, 1 to 128", into: func(o *Options) any { return &o.KeyLen }},
	{name: "hmac-key-len", kind: number, arg: "N", help: "bytes of the HMAC key, 1 to 128", into: func(o *Options) any { return &o.HMACKeyLen }},

	{name: "rc-file", kind: text, arg: "FILE", help: "the rc file (~/.fwknoprc)", into: func(o *Options) any { return &o.Client.RCFile }},
	{name: "no-rc-file", kind: switchOn, help: "read none", into: func(o *Options) any { return &o.Client.NoRCFile }},
	{name: "no-home-dir", kind: switchOn, help: "read nothing from the home directory", into: func(o *Options) any { return &o.Client.NoHome }},
	{name: "save-rc-stanza", kind: switchOn, help: "also save these options in the stanza of -n, else in one named like the server", into: func(o *Options) any { return &o.Client.SaveStanza }},
	{name: "force-stanza", kind: switchOn, help: "replace a stanza that exists", into: func(o *Options) any { return &o.Client.ForceStanza }},
	{name: "stanza-list", kind: switchOn, action: true, help: "list the stanzas of the rc file", into: func(o *Options) any { return &o.Client.StanzaList }},

	{name: "last-cmd", short: "l", kind: switchOn, help: "the arguments of the last run, and those given now", into: func(o *Options) any { return &o.Client.Last }},
	{name: "show-last", aliases: []string{"Show-last-cmd"}, kind: switchOn, action: true, help: "print the arguments of the last run", into: func(o *Options) any { return &o.Client.ShowLast }},
	{name: "save-args-file", short: "E", kind: text, arg: "FILE", help: "where they are saved (~/.fwknop.run); never with a key", into: func(o *Options) any { return &o.Client.ArgsFile }},
	{name: "no-save-args", kind: switchOn, help: "do not save them", into: func(o *Options) any { return &o.Client.NoSaveArgs }},

	{name: "completion", kind: text, action: true, arg: "bash|zsh|fish", help: "write completions for a shell", into: func(o *Options) any { return &o.Client.Completion }},
	{name: "verbose", short: "v", aliases: []string{"debug"}, kind: count, help: "say what is sent", into: func(o *Options) any { return &o.Verbose }},
	{name: "help", short: "h", kind: switchOn, action: true, help: "this text", into: func(o *Options) any { return &o.Help }},
	{name: "version", short: "V", kind: switchOn, action: true, help: "the version", into: func(o *Options) any { return &o.Version }},

	{name: "wget-cmd", short: "w", kind: ignoredText},
	{name: "use-wget-user-agent", kind: ignored},
	{name: "quiet", short: "q", kind: ignored},
	{name: "fault-injection-tag", kind: absentText},
}

// exclusive lists options of which one at most can be given.
var exclusive = [][]string{
	{"allow-ip", "source-ip", "resolve-ip-https"},
	{"access", "server-cmd"},
	{"server-port", "rand-port"},
	{"server-auth", "totp", "totp-prompt", "totp-command"},
	{"server-proto", "TCP-sock", "HTTP"},
	{"nat-port", "nat-rand-port"},
	{"time-offset-plus", "time-offset-minus"},
	{"key-rijndael", "key-base64-rijndael", "get-key", "stdin", "fd"},
	{"server-cmd", "wait"},
	{"server-cmd", "proxy"},
	{"stdin", "proxy"},
	{"key-gen", "proxy"},
	{"key-hmac", "key-base64-hmac", "get-hmac-key"},
	{"server-resolve-ipv4", "ipv6"},
	{"gpg-agent", "gpg-no-signing-pw"},
	{"gpg-key-file", "gpg-home-dir"},
	{"gpg-key-file", "gpg-agent"},
	{"gpg-key-file", "gpg-exe"},
	{"rc-file", "no-rc-file"},
}

// needs lists options that say something only about one of those behind them.
var needs = [][]string{
	{"key-len", "key-gen"},
	{"hmac-key-len", "key-gen"},
	{"force-stanza", "save-rc-stanza"},
	{"save-packet-append", "save-packet"},
	{"format", "test", "key-gen", "stanza-list"},
	{"json", "test", "key-gen", "stanza-list"},
	{"resolve-http-only", "resolve-ip-https"},
}

// Beyond returns the first option of the client, in the order of the usage text, that was
// given and is not among those; "" if there is none.
func (o *Options) Beyond(those []string) string {
	for _, d := range clientOptions {
		if o.set[d.name] && !slices.Contains(those, d.name) {
			return d.name
		}
	}
	return ""
}

// validateClient checks the options of the client against each other.
func (o *Options) validateClient() error {
	if err := o.clientOperands(); err != nil {
		return err
	}
	if o.KeyGenFile != "" {
		o.KeyGen, o.set["key-gen"] = true, true
	}
	for _, group := range exclusive {
		first := ""
		for _, name := range group {
			switch {
			case !o.set[name]:
			case first != "":
				return usagef("--%s and --%s exclude each other", first, name)
			default:
				first = name
			}
		}
	}
	for _, n := range needs {
		if o.set[n[0]] && !slices.ContainsFunc(n[1:], func(name string) bool { return o.set[name] }) {
			return usagef("--%s goes with --%s", n[0], strings.Join(n[1:], " or --"))
		}
	}
	for proto, given := range map[string]bool{"tcp": o.Client.tcp, "http": o.Client.http} {
		if given {
			o.Client.Proto, o.set["server-proto"] = proto, true
		}
	}
	return o.checkFormat(Client)
}

// clientOperands reads the PORT of --proxy, the only operand of the client.
func (o *Options) clientOperands() error {
	if !o.set["proxy"] {
		if len(o.Operands) > 0 {
			return usagef("unexpected argument %q (see fwknop --help)", o.Operands[0])
		}
		return nil
	}
	port := strings.Join(o.Operands, " ")
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || n == 0 || o.Client.ProxyHost == "":
		return usagef("--proxy wants HOST PORT, not %q %q", o.Client.ProxyHost, port)
	case o.set["fd"] && o.Client.FD <= 2:
		return usagef("--fd %d: with --proxy that is what is connected, or where errors go", o.Client.FD)
	}
	o.Client.ProxyPort = int(n)
	if !o.set["wait"] {
		o.Client.Wait = defaultWait
	}
	return nil
}
