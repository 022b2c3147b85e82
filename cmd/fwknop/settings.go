package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"fwknopd/cmd/fwknop/rc"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// A keyword is one keyword of the rc file and what it sets.
type keyword struct {
	name string
	// options are those that win over the keyword. Keywords with one in common exclude
	// each other: the named stanza wins over the default one.
	options []string
	flag    bool // its value is Y or N
	set     func(o *cli.Options, value string) error
	// get returns the value to save, "" for none.
	get func(o *cli.Options) string
}

// keywords are those of the 2.6 client and those of port-knock sequences, in the order in which
// they are saved.
var keywords = []keyword{
	text("ACCESS", []string{"access", "server-cmd"}, func(o *cli.Options) *string { return &o.Client.Access }),
	text("SPA_SERVER", []string{"destination"}, func(o *cli.Options) *string { return &o.Client.Destination }),
	{"ALLOW_IP", allowOptions, false, setAllowIP, getAllowIP},
	yes("RESOLVE_IP_HTTPS", allowOptions, func(o *cli.Options) *bool { return &o.Client.Resolve }),
	{"RESOLVE_IP_HTTP", allowOptions, true, setResolveHTTP, notSaved},
	text("RESOLVE_URL", []string{"resolve-url"}, func(o *cli.Options) *string { return &o.Client.ResolveURL }),
	yes("RESOLVE_HTTP_ONLY", []string{"resolve-http-only"}, func(o *cli.Options) *bool { return &o.Client.ResolveHTTPOnly }),
	text("SPA_SERVER_PROTO", []string{"server-proto", "http-proxy"}, func(o *cli.Options) *string { return &o.Client.Proto }),
	number("SPA_SERVER_PORT", []string{"server-port"}, func(o *cli.Options) *int { return &o.Client.Port }),
	number("SPA_SOURCE_PORT", []string{"source-port"}, func(o *cli.Options) *int { return &o.Client.SourcePort }),
	yes("RAND_PORT", []string{"rand-port", "server-port"}, func(o *cli.Options) *bool { return &o.Client.RandPort }),
	text("SPOOF_SOURCE_IP", []string{"spoof-source"}, func(o *cli.Options) *string { return &o.Client.Source }),
	text("HTTP_PROXY", []string{"http-proxy", "server-proto"}, func(o *cli.Options) *string { return &o.Client.Proxy }),
	text("HTTP_USER_AGENT", []string{"user-agent"}, func(o *cli.Options) *string { return &o.Client.UserAgent }),
	yes("SERVER_RESOLVE_IPV4", []string{"server-resolve-ipv4", "ipv6"}, func(o *cli.Options) *bool { return &o.Client.IPv4 }),
	number("FW_TIMEOUT", []string{"fw-timeout"}, func(o *cli.Options) *int { return &o.Client.FWTimeout }),
	text("SERVER_MODE", []string{"Server-mode", "shared-sequence"}, func(o *cli.Options) *string { return &o.Client.ServerMode }),
	{"SHARED_SEQUENCE", []string{"shared-sequence"}, false, setSequence, getSequence},
	port("PORT_OFFSET", []string{"offset"}, func(o *cli.Options) *int { return &o.Client.Offset }),
	yes("ROTATE_PROTO", []string{"rotate-proto"}, func(o *cli.Options) *bool { return &o.Client.Rotate }),
	text("TIME_DELAY", []string{"time-delay"}, func(o *cli.Options) *string { return &o.Client.TimeDelay }),
	text("NAT_ACCESS", []string{"nat-access"}, func(o *cli.Options) *string { return &o.Client.NATAccess }),
	yes("NAT_LOCAL", []string{"nat-local"}, func(o *cli.Options) *bool { return &o.Client.NATLocal }),
	number("NAT_PORT", []string{"nat-port", "nat-rand-port"}, func(o *cli.Options) *int { return &o.Client.NATPort }),
	yes("NAT_RAND_PORT", []string{"nat-rand-port", "nat-port"}, func(o *cli.Options) *bool { return &o.Client.NATRandPort }),
	text("SPOOF_USER", []string{"spoof-user"}, func(o *cli.Options) *string { return &o.Client.User }),
	yes("TOTP_PROMPT", totpOptions, func(o *cli.Options) *bool { return &o.Client.TOTPPrompt }),
	text("TOTP_COMMAND", totpOptions, func(o *cli.Options) *string { return &o.Client.TOTPCommand }),
	{"TIME_OFFSET", []string{"time-offset-plus", "time-offset-minus"}, false, setTimeOffset, getTimeOffset},
	text("DIGEST_TYPE", []string{"digest-type"}, func(o *cli.Options) *string { return &o.Client.DigestType }),
	text("ENCRYPTION_MODE", []string{"encryption-mode"}, func(o *cli.Options) *string { return &o.Client.Mode }),
	yes("NO_TAG", []string{"no-tag"}, func(o *cli.Options) *bool { return &o.Client.NoTag }),
	text("KEY", keyOptions, func(o *cli.Options) *string { return &o.Client.Key }),
	text("KEY_BASE64", keyOptions, func(o *cli.Options) *string { return &o.Client.KeyBase64 }),
	text("KEY_FILE", keyOptions, func(o *cli.Options) *string { return &o.Client.KeyFile }),
	yes("USE_HMAC", []string{"use-hmac"}, func(o *cli.Options) *bool { return &o.Client.UseHMAC }),
	text("HMAC_DIGEST_TYPE", []string{"hmac-digest-type"}, func(o *cli.Options) *string { return &o.HMACDigestType }),
	text("HMAC_KEY", hmacKeyOptions, func(o *cli.Options) *string { return &o.Client.HMACKey }),
	text("HMAC_KEY_BASE64", hmacKeyOptions, func(o *cli.Options) *string { return &o.Client.HMACKeyBase64 }),
	text("HMAC_KEY_FILE", hmacKeyOptions, func(o *cli.Options) *string { return &o.Client.HMACKeyFile }),
	yes("USE_GPG", []string{"gpg-encryption"}, func(o *cli.Options) *bool { return &o.Client.GPG }),
	text("GPG_RECIPIENT", []string{"gpg-recipient-key"}, func(o *cli.Options) *string { return &o.Client.GPGRecipient }),
	text("GPG_SIGNER", []string{"gpg-signer-key"}, func(o *cli.Options) *string { return &o.Client.GPGSigner }),
	{"GPG_KEY_FILE", []string{"gpg-key-file", "gpg-home-dir"}, false, addKeyFiles, getKeyFiles},
	text("GPG_HOMEDIR", []string{"gpg-home-dir", "gpg-key-file"}, func(o *cli.Options) *string { return &o.GPGHomeDir }),
	text("GPG_EXE", []string{"gpg-exe"}, func(o *cli.Options) *string { return &o.GPGExe }),
	yes("USE_GPG_AGENT", []string{"gpg-agent", "gpg-no-signing-pw"}, func(o *cli.Options) *bool { return &o.Client.GPGAgent }),
	yes("GPG_NO_SIGNING_PW", []string{"gpg-no-signing-pw", "gpg-agent"}, func(o *cli.Options) *bool { return &o.Client.GPGNoPassphrase }),
	text("GPG_SIGNING_PW", keyOptions, func(o *cli.Options) *string { return &o.Client.SigningPassphrase }),
	text("GPG_SIGNING_PW_BASE64", keyOptions, func(o *cli.Options) *string { return &o.Client.SigningPassphraseBase64 }),
	yes("NO_SAVE_ARGS", []string{"no-save-args"}, func(o *cli.Options) *bool { return &o.Client.NoSaveArgs }),
	{"VERBOSE", []string{"verbose"}, false, setVerbose, getVerbose},
	{"WGET_CMD", nil, false, ignore, notSaved},
	{"USE_WGET_USER_AGENT", nil, false, ignore, notSaved},
}

var (
	totpOptions    = []string{"totp-prompt", "totp-command", "totp", "server-auth"}
	allowOptions   = []string{"allow-ip", "source-ip", "resolve-ip-https"}
	keyOptions     = []string{"key-rijndael", "key-base64-rijndael", "get-key", "stdin", "fd"}
	hmacKeyOptions = []string{"key-hmac", "key-base64-hmac", "get-hmac-key"}
)

func text(name string, options []string, field func(*cli.Options) *string) keyword {
	return keyword{name, options, false,
		func(o *cli.Options, value string) error { *field(o) = value; return nil },
		func(o *cli.Options) string { return *field(o) }}
}

func number(name string, options []string, field func(*cli.Options) *int) keyword {
	return keyword{name, options, false,
		func(o *cli.Options, value string) error {
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return fmt.Errorf("%s: %q is not a whole number", name, value)
			}
			*field(o) = int(n)
			return nil
		},
		func(o *cli.Options) string {
			if n := *field(o); n != 0 {
				return strconv.Itoa(n)
			}
			return ""
		}}
}

// port is a number of which 0 does not mean that it is not given.
func port(name string, options []string, field func(*cli.Options) *int) keyword {
	k := number(name, options, field)
	set := k.set
	k.set = func(o *cli.Options, value string) error {
		if err := set(o, value); err != nil {
			return err
		}
		if n := *field(o); n == 0 || n > maxPort {
			return fmt.Errorf("%s: %d is no port", name, n)
		}
		return nil
	}
	return k
}

func yes(name string, options []string, field func(*cli.Options) *bool) keyword {
	return keyword{name, options, true,
		func(o *cli.Options, value string) (err error) { *field(o), err = isYes(name, value); return err },
		func(o *cli.Options) string {
			if *field(o) {
				return "Y"
			}
			return ""
		}}
}

func isYes(name, value string) (bool, error) {
	switch strings.ToUpper(value) {
	case "Y", "YES":
		return true, nil
	case "N", "NO":
		return false, nil
	}
	return false, fmt.Errorf("%s: %q is neither Y nor N", name, value)
}

func setAllowIP(o *cli.Options, value string) error {
	switch strings.ToLower(value) {
	case "source":
		o.Client.SourceIP = true
	case "resolve":
		o.Client.Resolve = true
	default:
		o.Client.AllowIP = value
	}
	return nil
}

func getAllowIP(o *cli.Options) string {
	if o.Client.SourceIP {
		return "source"
	}
	return o.Client.AllowIP // --resolve-ip-https has a keyword of its own
}

// setResolveHTTP is for files of old clients, which knew no https.
func setResolveHTTP(o *cli.Options, value string) error {
	on, err := isYes("RESOLVE_IP_HTTP", value)
	o.Client.Resolve, o.Client.ResolveHTTPOnly = on, on
	return err
}

// notSaved is for keywords that are not written: others are, or none is needed.
func notSaved(*cli.Options) string { return "" }

// ignore is for keywords without effect, as [client.applyStanza] says.
func ignore(*cli.Options, string) error { return nil }

// addKeyFiles reads GPG_KEY_FILE, which the 2.6 client does not know: names with commas
// between them.
func addKeyFiles(o *cli.Options, value string) error {
	o.Client.GPGKeyFiles = append(o.Client.GPGKeyFiles, strings.Split(value, ",")...)
	return nil
}

func getKeyFiles(o *cli.Options) string { return strings.Join(o.Client.GPGKeyFiles, ",") }

func setSequence(o *cli.Options, value string) error {
	_, err := parseSequence(value)
	o.Client.Sequence = value
	return err
}

func getSequence(o *cli.Options) string { return strings.ReplaceAll(o.Client.Sequence, " ", "") }

func setTimeOffset(o *cli.Options, value string) error {
	if minus, ok := strings.CutPrefix(value, "-"); ok {
		o.Client.TimeMinus = minus
		return nil
	}
	o.Client.TimePlus = strings.TrimPrefix(value, "+")
	return nil
}

func getTimeOffset(o *cli.Options) string {
	if o.Client.TimeMinus != "" {
		return "-" + o.Client.TimeMinus
	}
	return o.Client.TimePlus
}

// setVerbose accepts Y, N and the number that 2.6 knows too.
func setVerbose(o *cli.Options, value string) error {
	if n, err := strconv.ParseUint(value, 10, 8); err == nil {
		o.Verbose = int(n)
		return nil
	}
	on, err := isYes("VERBOSE", value)
	if on {
		o.Verbose = 1
	}
	return err
}

func getVerbose(o *cli.Options) string {
	if o.Verbose > 0 {
		return "Y"
	}
	return ""
}

// home returns the path of a file in the home directory, "" without one.
func (c *client) home(name string) string {
	variable := "HOME"
	if runtime.GOOS == "windows" {
		variable = "USERPROFILE"
	}
	if dir := c.getenv(variable); dir != "" && !c.Client.NoHome {
		return filepath.Join(dir, name)
	}
	return ""
}

// rcPath returns the path of the rc file, "" if there is to be none.
func (c *client) rcPath() string {
	switch {
	case c.Client.NoRCFile:
		return ""
	case c.Client.RCFile != "":
		return c.Client.RCFile
	}
	return c.home(".fwknoprc")
}

// readRC reads the rc file. Without --rc-file it need not exist.
func (c *client) readRC() (*rc.File, error) {
	path := c.rcPath()
	if path == "" {
		return rc.Parse("", nil)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && (c.Client.RCFile == "" || c.Client.SaveStanza) {
		return rc.Parse(path, nil)
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(c.stderr, "fwknop: warning: other users can read or change %s, which may hold keys: chmod 600 %[1]s\n", path)
	}
	return rc.Parse(path, data)
}

func (c *client) listStanzas(file *rc.File) error {
	if c.JSON() {
		return json.NewEncoder(c.stdout).Encode(struct {
			V       int      `json:"v"`
			Stanzas []string `json:"stanzas"`
		}{1, append([]string{}, file.Names()...)})
	}
	for _, name := range file.Names() {
		fmt.Fprintln(c.stdout, name)
	}
	return nil
}

// applyRC sets what the command line does not: from the named stanza, then from the
// default one.
func (c *client) applyRC(file *rc.File) error {
	name := c.Client.Name
	taken := make(map[string]bool) // options that are set
	for _, k := range keywords {
		for _, o := range k.options {
			taken[o] = taken[o] || c.Set(o)
		}
	}
	if c.Client.SaveStanza { // of what is on the command line
		return nil
	}
	if name != "" {
		if !file.Has(name) {
			return c.noStanza(file)
		}
		if err := c.applyStanza(file, name, taken); err != nil {
			return err
		}
	}
	if err := c.applyStanza(file, rc.Default, taken); err != nil {
		return err
	}
	return c.sequenceOf19(file)
}

func (c *client) noStanza(file *rc.File) error {
	path := c.rcPath()
	if path == "" {
		return fmt.Errorf("-n %s: there is no rc file to read it from", c.Client.Name)
	}
	if names := file.Names(); len(names) > 0 {
		return fmt.Errorf("%s has no stanza [%s], only [%s]", path, c.Client.Name, strings.Join(names, "], ["))
	}
	return fmt.Errorf("%s has no stanza [%s], nor any other", path, c.Client.Name)
}

// applyStanza applies the settings of one stanza that no option or keyword in taken wins
// over, and adds theirs to it. Of equal keywords in one stanza the last holds.
func (c *client) applyStanza(file *rc.File, name string, taken map[string]bool) error {
	var mine []string
	for _, e := range file.Entries(name) {
		k := findKeyword(e.Key)
		if k == nil {
			return fmt.Errorf("%s: unknown keyword %s%s", file.Where(e), e.Key, meant(e.Key))
		}
		if e.Cut {
			fmt.Fprintf(c.stderr, "fwknop: warning: %s: the value of %s ends at the first blank, # or ;, as in 2.6; the rest of the line is not read\n", file.Where(e), e.Key)
		}
		if k.options == nil {
			fmt.Fprintf(c.stderr, "fwknop: %s: %s has no effect: wget is not used\n", file.Where(e), e.Key)
		}
		if taken[k.name] || anyTaken(k.options, taken) {
			continue
		}
		if err := k.set(c.Options, e.Value); err != nil {
			return fmt.Errorf("%s: %w", file.Where(e), err)
		}
		if on, _ := isYes(k.name, e.Value); k.flag && !on { // this wins over a Y, not over what a Y excludes
			mine = append(mine, k.name)
			continue
		}
		mine = append(mine, k.options...)
	}
	for _, o := range mine {
		taken[o] = true
	}
	return nil
}

func findKeyword(name string) *keyword {
	for i := range keywords {
		if keywords[i].name == name {
			return &keywords[i]
		}
	}
	return nil
}

// meant is a hint at the keyword most similar to name, "" if none is.
func meant(name string) string {
	var names []string
	for _, k := range keywords {
		names = append(names, k.name)
	}
	if near := conf.NearestOf(name, names); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}

func anyTaken(options []string, taken map[string]bool) bool {
	for _, o := range options {
		if taken[o] {
			return true
		}
	}
	return false
}
