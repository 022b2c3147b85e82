package conf

import (
	"fmt"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// Access is access.conf with everything it includes.
type Access struct {
	File    string
	Dialect Dialect // of the main file; included files have their own
	Stanzas []Stanza
	// Off are those with ENABLED N, which take no part.
	Off []Stanza
	// Refused are those that have an error, as far as they could be read: for check alone.
	Refused []Stanza

	index  sync.Once
	byLine map[int]int  // index into Stanzas, as titles
	shared map[int]bool // lines at which stanzas of several files begin
	titles []string
}

// All yields the stanzas that take part and those that are off, in reading order.
func (a *Access) All() iter.Seq[*Stanza] {
	return func(yield func(*Stanza) bool) {
		on, off := a.Stanzas, a.Off
		for len(on)+len(off) > 0 {
			from := &on
			if len(on) == 0 || len(off) > 0 && off[0].Number < on[0].Number {
				from = &off
			}
			if !yield(&(*from)[0]) {
				return
			}
			*from = (*from)[1:]
		}
	}
}

// StanzaAt returns the stanza that begins at a line, nil if there is none. If several
// files have one, it is the last. Stanzas must not change after the first call.
func (a *Access) StanzaAt(line int) *Stanza {
	a.index.Do(a.makeIndex)
	if i, ok := a.byLine[line]; ok {
		return &a.Stanzas[i]
	}
	return nil
}

// Line returns the line of the stanza that text names, by its NAME or by that line. A line
// may be one where no stanza begins (any longer).
func (a *Access) Line(text string) (int, error) {
	if digits.MatchString(text) {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 {
			return int(n), nil
		}
		return 0, fmt.Errorf("%s is not the line of a stanza", text)
	}
	var names []string
	for st := range a.All() { // what a stanza opened before it was turned off may be open
		switch st.Name {
		case "":
		case text:
			return st.Pos.Line, nil
		default:
			names = append(names, st.Name)
		}
	}
	if meant := NearestOf(text, names); meant != "" {
		return 0, fmt.Errorf("no stanza has the NAME %q (did you mean %s?)", text, meant)
	}
	return 0, fmt.Errorf("no stanza has the NAME %q", text)
}

// WantsSystem reports whether a stanza requires an operating system.
func (a *Access) WantsSystem() bool {
	return slices.ContainsFunc(a.Stanzas, func(s Stanza) bool { return s.WantsSystem() })
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

// Format writes all stanzas as one file, what was included in its place.
func (a *Access) Format(redact bool) string {
	var b strings.Builder
	for st := range a.All() {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(st.Values.Format(redact))
	}
	return b.String()
}
