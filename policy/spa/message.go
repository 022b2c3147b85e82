// Package spa is the Single Packet Authorization message: authenticate, decrypt,
// decode, and the way back. A [Message] exists only if authentication, decryption
// and the inner digest all held. Nothing here looks at stanzas, reads a clock or
// does I/O.
//
// Entry points: [Carrier] finds the text of a packet in a payload; [NewOpener] with
// a [Key], then [Opener.Open], or [NewGPGOpener] with a [GPGKey], then
// [GPGOpener.Open], make it a message; [Encode] is the other direction.
package spa

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Message is a decrypted, authentic SPA message. Authentic is not trusted: the
// fields have the right form and bounded lengths, nothing more.
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
	// Perl19 says that a 1.x client made this: its NATPort is the outside port and
	// the message port the inside one. In 2.x and 3.x it is the other way round.
	Perl19 bool

	Plaintext []byte // as decrypted, digest field included; the replay key is made from it
	Signer    string // OpenPGP: fingerprint of the key that signed, upper case hex; "" otherwise
}

// Type is the message type, the fifth field of the plaintext.
type Type uint8

// Message types of SPA, as clients number them.
const (
	Command               Type = iota // run a command
	Access                            // open ports
	NATAccess                         // open ports and forward them
	AccessTimeout                     // as Access, with a timeout the client chose
	NATAccessTimeout                  // as NATAccess, with a timeout
	LocalNATAccess                    // forward to a port of the server itself
	LocalNATAccessTimeout             // as LocalNATAccess, with a timeout
)

// hasNAT reports that messages of the type have a nat field.
func (t Type) hasNAT() bool {
	return t == NATAccess || t == NATAccessTimeout || t == LocalNATAccess || t == LocalNATAccessTimeout
}

// hasTimeout reports that messages of the type have a timeout field.
func (t Type) hasTimeout() bool {
	return t == AccessTimeout || t == NATAccessTimeout || t == LocalNATAccessTimeout
}

// A Port is one proto/port of an access request; Proto is the IANA number, and
// Number is 0 for ICMP.
type Port struct {
	Proto  uint8
	Number uint16
}

// readText takes the message text apart: ADDRESS,COMMAND or ADDRESS,PROTO/PORT…
func (m *Message) readText(rules *Rules) error {
	addr, rest, ok := strings.Cut(m.Text, ",")
	if !ok {
		return errText
	}
	if m.Allow, ok = address(addr); !ok {
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

// cleanText reports that s can be shown and run as one line.
func cleanText(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// readPort reads proto/port. ICMP can be asked for under the rules of 1.9 alone;
// what follows its slash has no meaning.
func readPort(item string, perl bool) (Port, bool) {
	proto, num, ok := strings.Cut(item, "/")
	if perl {
		proto = strings.ToLower(proto)
	}
	port, good := portNumber(num)
	switch {
	case !ok:
	case proto == "tcp" && good:
		return Port{6, port}, true
	case proto == "udp" && good:
		return Port{17, port}, true
	case proto == "icmp" && perl && (good || num == "0"):
		return Port{Proto: 1}, true
	}
	return Port{}, false
}

// readNAT takes the nat field apart: HOST,PORT.
func (m *Message) readNAT(rules *Rules) error {
	host, num, ok := strings.Cut(m.NAT, ",")
	if !ok {
		return errNAT
	}
	if m.NATPort, ok = portNumber(num); !ok {
		return errNAT
	}
	a, isAddr := address(host)
	switch {
	case isAddr:
		m.NATHost = a.String()
	case rules.AllowHosts && hostName(host):
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

// hostName reports a name of letters, digits, hyphens and underscores whose last
// label is not a number: that would be an address somebody got wrong.
func hostName(s string) bool {
	if len(s) > maxHost {
		return false
	}
	label := ""
	for more := true; more; {
		label, s, more = strings.Cut(s, ".")
		if !hostLabel(label) {
			return false
		}
	}
	return !digits([]byte(label))
}

func hostLabel(l string) bool {
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

// portNumber reads 1 to 5 digits that are 1 to 65535.
func portNumber(s string) (uint16, bool) {
	if len(s) > 5 || strings.HasPrefix(s, "+") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n > 0
}

// address reads an address as clients write it: no zone, no IPv4 in IPv6 clothes,
// no octal.
func address(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && !a.Is4In6()
}
