package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"

	"fwknopd/enforce/schedule"
)

// Mode is the evaluation a stanza takes part in.
type Mode uint8

const (
	ModeSPA       Mode = iota // PCAP, FILE_PCAP, ULOG_PCAP: one packet
	ModeEncrypted             // ENCRYPT_SEQUENCE
	ModeShared                // SHARED_SEQUENCE
)

// The values of GRANT_ADDRESS.
const (
	AddressInside = "inside" // the address in the message; for 0.0.0.0 that of the packet
	AddressPacket = "packet" // the source of the packet, or what a proxy says it is
	AddressBoth   = "both"   // each of them
)

// A Stanza is one block of access.conf, from SOURCE to the next, as the engine
// uses it.
type Stanza struct {
	Pos    Pos    // of the SOURCE keyword; Pos.Line names the stanza in decisions
	Number int    // 1 for the first stanza, in reading order
	Name   string // NAME, see [CheckName]; "" if it has none (our keyword)
	// Dialect is that of the file. In a 1.9 file keys shorter than 16 bytes are filled up
	// with '0', and requests for NAT need ForwardAccess.
	Dialect Dialect

	Source      Nets
	Destination Nets // zero: any
	Mode        Mode
	Collect     string // DATA_COLLECT_MODE: PCAP, FILE_PCAP, ULOG_PCAP, ENCRYPT_SEQUENCE, SHARED_SEQUENCE
	Shadow      bool   // SHADOW: decide and report, never grant (our keyword)
	Enabled     bool   // ENABLED; those without it are in Access.Off (our keyword)

	// Keys.
	Key            Secret
	EncryptionMode string // "cbc" (default), "ctr", "ofb", "cfb", "ecb", "legacy"
	HMACKey        Secret
	HMACType       string // "" without key; md5 sha1 sha256 sha384 sha512 sha3_256 sha3_512

	GPG *GPG // nil unless the stanza has a complete GnuPG configuration

	// What may be opened.
	OpenPorts           []Port
	OpenPortsAny        bool // any port may be asked for: PERMIT_CLIENT_PORTS, or no OPEN_PORTS in a 2.6 file or beside an external command
	RestrictPorts       []Port
	PermitClientPorts   bool
	PermitClientTimeout bool           // in 2.6 files unless they set N
	AccessTimeout       time.Duration  // FW_ACCESS_TIMEOUT; 0: no end
	MaxAccessTimeout    time.Duration  // MAX_FW_TIMEOUT: cap of what a client may ask for, never 0
	DisableAccess       bool           // DISABLE_FW_ACCESS
	ForwardAccess       bool           // ENABLE_FORWARD_ACCESS: NAT requests only
	OutputAccess        bool           // ENABLE_OUTPUT_ACCESS
	InternalNets        Nets           // INTERNAL_NET_ACCESS; zero: any
	ForceNAT            netip.AddrPort // zero: none
	MaxGrants           int            // MAX_GRANTS: open at a time (our keyword)
	GrantAddress        string         // GRANT_ADDRESS: [AddressInside] and so on (our keyword)
	GrantPrefix         PrefixLengths  // GRANT_PREFIX (our keyword)
	CloseConnections    bool           // CLOSE_CONNECTIONS: connections end with the grant (our keyword)
	ForwardAll          bool
	ForceSNAT           netip.Addr
	ForceMasquerade     bool
	DisableDNAT         bool
	Interface           string // RESTRICT_INTF

	// Who may ask.
	Usernames []string // REQUIRE_USERNAME; empty: anyone
	// SourceAddress lists the packet sources whose messages may hold 0.0.0.0 or ::, which
	// means the source itself. REQUIRE_SOURCE_ADDRESS Y is the empty list.
	SourceAddress Nets
	AuthMethod    string           // REQUIRE_AUTH_METHOD: "crypt", "totp", "" for none
	ShadowFile    string           // "" but for "crypt"
	TOTPSecret    Secret           // zero but for "totp"
	Expires       time.Time        // ACCESS_EXPIRE(_EPOCH); zero: never
	Windows       schedule.Windows // ACCESS_WINDOW; none: at any time (our keyword)
	Uses          schedule.Uses    // ACCESS_USES; zero: any number (our keyword). With it the stanza has a Name.

	// Commands.
	CmdExec                     bool
	CmdRegex                    *regexp.Regexp // nil: any
	CmdUser, CmdGroup           string
	CmdSudo                     bool
	CmdSudoUser, CmdSudoGroup   string
	CmdShell                    bool   // CMD_SHELL: give the text to a shell (our keyword)
	ExternalEnabled             bool   // ENABLE_EXTERNAL_CMDS: the pair of fwknop.conf
	ExternalOpen, ExternalClose string // EXTERNAL_CMD_*, with variables unexpanded
	ExternalTimeout             time.Duration
	ExternalShell               bool   // EXTERNAL_CMD_SHELL: a shell runs them, and CMD_CYCLE_* (our keyword)
	CycleOpen, CycleClose       string // CMD_CYCLE_*; CycleClose "" for NONE
	CycleTimer                  time.Duration

	// Knock sequences.
	Sequence       []Port // SHARED_SEQUENCE
	PortOffset     uint16
	KnockInterval  time.Duration // 0: no limit
	KnockLimit     int           // -1: none
	MinTimeDiff    time.Duration // -1: none
	MaxTimeDiff    time.Duration // -1: none
	RequireOS      string
	RequireOSRegex *regexp.Regexp

	// Vars are the stanza's keywords by name, without secrets, for $KEYWORD in
	// external commands.
	Vars map[string]string

	Expectations []Expectation // EXPECT lines, for check; the engine ignores them
	Values       *Values       // every keyword with its origin, for the dump
}

// GPG is the OpenPGP side of a stanza.
type GPG struct {
	HomeDir, Exe string
	KeyFiles     []string // GPG_KEY_FILE: exported keys, no gpg program needed (our keyword)
	UseOptions   bool     // GPG_USE_OPTIONS and not GPG_NO_OPTIONS
	DecryptIDs   []string // key ids or parts of user ids
	DecryptPW    Secret
	AllowNoPW    bool
	Prefix       string   // put back before decoding, "hQ"; "" with GPG_NO_REQUIRE_PREFIX
	RemoteIDs    []string // key ids or fingerprints, upper case hex without 0x; "ANY" alone: any key in the ring
	Fingerprints []string // upper case hex
	DisableSig   bool
	IgnoreSigErr bool
	// CheckTrust, in 2.6 files: where the key ring has ownertrust set, only keys
	// that are valid by it may sign.
	CheckTrust bool
	AllowWeak  bool // GPG_ALLOW_WEAK_SIG: accept SHA-1 and keys of 1024 bits (our keyword)
	AllowNoMDC bool // GPG_ALLOW_NO_MDC: accept messages without integrity protection (our keyword)
}

// Title is the [StanzaTitle] of s.
func (s *Stanza) Title() string { return StanzaTitle(s.Name, s.Number, s.Pos) }

// StanzaTitle words what a stanza is called, for every text that names one: by its NAME, else
// by its number, with the place of its SOURCE: "stanza alice (access.conf:8)", "stanza 2
// (access.conf:8)". Where only the line is known it is "stanza at line 8"; "" is no stanza.
func StanzaTitle(name string, number int, source Pos) string {
	if name == "" && number != 0 {
		name = strconv.Itoa(number)
	}
	line := strconv.Itoa(source.Line)
	switch {
	case source.Line == 0:
		return ""
	case name == "":
		return "stanza at line " + line
	case source.File == "":
		return "stanza " + name + " (line " + line + ")"
	}
	return "stanza " + name + " (" + Printable(path.Base(source.File)) + ":" + line + ")"
}

// maxName bounds NAME, in bytes.
const maxName = 64

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]*$`)
	digits   = regexp.MustCompile(`^[0-9]+$`)
)

// CheckName returns what is wrong with the name of a stanza: it consists of letters, digits
// and the characters . _ @ -, begins with a letter or digit, has at most 64 bytes, and is
// no number, which would read as a line.
func CheckName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("a name has at most %d bytes", maxName)
	case !nameForm.MatchString(name):
		return errors.New("a name consists of letters, digits and . _ @ - and begins with a letter or digit")
	case digits.MatchString(name):
		return errors.New("a name is not a number alone")
	}
	return nil
}

// WantsSystem reports whether the stanza has REQUIRE_OS or REQUIRE_OS_REGEX.
func (s *Stanza) WantsSystem() bool { return s.RequireOS != "" || s.RequireOSRegex != nil }

// Offers reports whether the stanza may open a port in the firewall.
func (s *Stanza) Offers(p Port) bool {
	if s.DisableAccess || s.ExternalOpen != "" || s.CycleOpen != "" || slices.Contains(s.RestrictPorts, p) {
		return false
	}
	return s.ForwardAll || s.OpenPortsAny || slices.Contains(s.OpenPorts, p)
}

// GrantsPacket reports whether the source of the packet is let in, whatever address the
// message has (GRANT_ADDRESS packet, both).
func (s *Stanza) GrantsPacket() bool {
	return s.GrantAddress == AddressPacket || s.GrantAddress == AddressBoth
}

// ForcesNAT reports that every message through the stanza is translated, whatever it
// asks for. FORWARD_ALL alone only widens requests for NAT; with a source address for
// forwarded packets it applies to every request.
func (s *Stanza) ForcesNAT() bool {
	return s.ForceNAT.IsValid() || s.ForwardAll && (s.ForceSNAT.IsValid() || s.ForceMasquerade)
}

// SourceNAT returns how the address of a client is translated, by the stanza or else by the
// server: to that address, if it is valid, or by masquerading.
func (s *Stanza) SourceNAT(server *Server) (to netip.Addr, masquerade bool) {
	switch {
	case s.ForceSNAT.IsValid():
		return s.ForceSNAT, false
	case s.ForceMasquerade:
		return netip.Addr{}, true
	case server.SNAT && server.SNATAddr.IsValid():
		return server.SNATAddr, false
	}
	return netip.Addr{}, server.SNAT
}
