// Package spa decodes and encodes Single Packet Authorization messages. A [Message] is
// returned only if authentication, decryption and the inner digest all succeeded. The
// package knows no stanzas, reads no clock and does no I/O.
//
// Entry points: [Carrier] finds the text of a packet in a payload; [NewOpener] with a
// [Key], then [Opener.Open], or [NewGPGOpener] with a [GPGKey], then [GPGOpener.Open],
// decode it; [Encode] makes a packet.
package spa

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fwknopd/parse"
)

// A Message is a decrypted, authentic SPA message. Its fields have valid syntax and
// bounded lengths, but are not trusted otherwise.
type Message struct {
	Rand       string
	User       string
	Time       int64 // Unix seconds, the client's clock
	Version    string
	Type       Type
	Text       string // the message field, decoded, as sent
	NAT        string // the NAT field, decoded, as sent; "" if absent
	ServerAuth string // decoded; "" if absent
	Timeout    uint32 // seconds; valid iff HasTimeout
	HasTimeout bool
	DigestType string // md5 sha1 sha256 sha384 sha512 sha3_256 sha3_512

	// Taken from Text and NAT.
	Allow   netip.Addr // the address to let in; 0.0.0.0 or :: means the packet's source
	Ports   []Port     // types 1 to 6
	Cmd     string     // type 0: what follows the address
	NATHost string     // an address or, for servers that allow it, a host name
	NATPort uint16
	// Perl19: made by a 1.x client. Its NATPort is the outside port and the message
	// port the inside one. In 2.x and 3.x it is the other way round.
	Perl19 bool

	Plaintext []byte // as decrypted, digest field included; the replay key is its hash
	Signer    string // OpenPGP: fingerprint of the key that signed, upper case hex; "" otherwise
}

// Type is the message type, the fifth field of the plaintext.
type Type uint8

// Message types, numbered as in the protocol.
const (
	Command               Type = iota // run a command
	Access                            // open ports
	NATAccess                         // open ports and forward them
	AccessTimeout                     // as Access, with a timeout chosen by the client
	NATAccessTimeout                  // as NATAccess, with a timeout
	LocalNATAccess                    // forward to a port of the server itself
	LocalNATAccessTimeout             // as LocalNATAccess, with a timeout
)

// HasNAT reports whether messages of the type have a nat field.
func (t Type) HasNAT() bool {
	return t == NATAccess || t == NATAccessTimeout || t == LocalNATAccess || t == LocalNATAccessTimeout
}

// hasTimeout reports whether messages of the type have a timeout field.
func (t Type) hasTimeout() bool {
	return t == AccessTimeout || t == NATAccessTimeout || t == LocalNATAccessTimeout
}

// A Port is one proto/port of an access request.
type Port = parse.Port

// readText parses the message text: ADDRESS,COMMAND or ADDRESS,PROTO/PORT…
func (m *Message) readText(rules *Rules) error {
	addr, rest, ok := strings.Cut(m.Text, ",")
	if !ok {
		return errText
	}
	if m.Allow, ok = parseAddr(addr); !ok {
		return errAddr
	}
	if m.Type == Command {
		if rest == "" || !cleanText(rest) {
			return errCmd
		}
		m.Cmd = rest
		return nil
	}
	if rest == "none/0" {
		return errNoPort
	}
	for more := true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		p, ok := readPort(item, rules.Perl19)
		if !ok {
			return errPorts
		}
		m.Ports = append(m.Ports, p)
	}
	return nil
}

// cleanText reports whether s is UTF-8 without control characters but tabs.
func cleanText(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// readPort parses proto/port. ICMP is accepted under the rules of 1.9 only; the number
// after its slash has no meaning.
func readPort(item string, perl bool) (Port, bool) {
	proto, num, ok := strings.Cut(item, "/")
	if perl {
		proto = strings.ToLower(proto)
	}
	port, good := portNumber(num)
	switch {
	case !ok:
	case proto == "tcp" && good:
		return Port{Proto: parse.TCP, Number: port}, true
	case proto == "udp" && good:
		return Port{Proto: parse.UDP, Number: port}, true
	case proto == "icmp" && perl && (good || num == "0"):
		return Port{Proto: parse.ICMP}, true
	}
	return Port{}, false
}

// readNAT parses the nat field: HOST,PORT.
func (m *Message) readNAT(rules *Rules) error {
	host, num, ok := strings.Cut(m.NAT, ",")
	if !ok {
		return errNAT
	}
	if m.NATPort, ok = portNumber(num); !ok {
		return errNAT
	}
	a, isAddr := parseAddr(host)
	switch {
	case isAddr:
		m.NATHost = a.String()
	case rules.AllowHosts && isHostName(host):
		m.NATHost = host
	default:
		return errNAT
	}
	return nil
}

const (
	maxHost  = 253 // RFC 1035 section 2.3.4, without the root's dot
	maxLabel = 63
)

// isHostName reports whether s is a name of letters, digits, hyphens and underscores
// whose last label is not a number, as that of a mistyped address would be.
func isHostName(s string) bool {
	if len(s) > maxHost {
		return false
	}
	label := ""
	for more := true; more; {
		label, s, more = strings.Cut(s, ".")
		if !isHostLabel(label) {
			return false
		}
	}
	return !digits([]byte(label))
}

func isHostLabel(l string) bool {
	if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		if c := l[i] | 0x20; (c < 'a' || c > 'z') && (l[i] < '0' || l[i] > '9') && l[i] != '-' && l[i] != '_' {
			return false
		}
	}
	return true
}

// portNumber parses 1 to 5 digits, a number from 1 to 65535.
func portNumber(s string) (uint16, bool) {
	if len(s) > 5 || strings.HasPrefix(s, "+") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n > 0
}

// parseAddr parses an address as clients write it: no zone, no IPv4-mapped IPv6.
func parseAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && !a.Is4In6()
}
