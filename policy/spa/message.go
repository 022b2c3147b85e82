// Package spa is the Single Packet Authorization message: authenticate, decrypt,
// decode, and the way back. A [Message] exists only if authentication, decryption
// and the inner digest all held. Nothing here looks at stanzas, reads a clock or
// does I/O.
//
// Entry points: [Carrier] finds the text of a packet in a payload; [NewOpener] with
// a [Key], then [Opener.Open], or [NewGPGOpener] with a [GPGKey], then
// [GPGOpener.Open], make it a message; [Encode] is the other direction.
package spa

import "net/netip"

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

// A Port is one proto/port of an access request; Proto is the IANA number, and
// Number is 0 for ICMP.
type Port struct {
	Proto  uint8
	Number uint16
}

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

// hasNAT reports that messages of the type have a nat field.
func (t Type) hasNAT() bool {
	return t == NATAccess || t == NATAccessTimeout || t == LocalNATAccess || t == LocalNATAccessTimeout
}

// hasTimeout reports that messages of the type have a timeout field.
func (t Type) hasTimeout() bool {
	return t == AccessTimeout || t == NATAccessTimeout || t == LocalNATAccessTimeout
}
