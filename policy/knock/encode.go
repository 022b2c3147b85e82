package knock

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/openssl"
)

// maxUser is the longest user name of a [Request], bytes. The 1.9 client cuts names to 23
// bytes, and its daemon to 8.
const maxUser = maxText - len(openssl.Magic) - openssl.SaltSize - headerSize - 1

// A Request is the message of an encrypted sequence.
type Request struct {
	Addr netip.Addr // to let in: IPv4, 0.0.0.0 for the source of the knocks
	Port conf.Port  // to open; ICMP has no number
	User string     // of the client, at most maxUser bytes; may be empty
}

// A Coding is how a Request becomes ports.
type Coding struct {
	Key    []byte                 // KEY of the stanza; filled up to 16 bytes as the 1.9 client does
	Salt   [openssl.SaltSize]byte // random: an equal sequence is refused as a replay
	Offset uint16                 // PORT_OFFSET: the port that encodes the byte 0
	Rotate bool                   // TCP and UDP in turn, beginning with TCP; else TCP only
}

// Knocks returns the sequence of a request, as the 1.9 client sends it (--Server-mode
// knock): one port for each byte of the cipher text.
func (r *Request) Knocks(c *Coding) ([]conf.Port, error) {
	if c.Offset == 0 || int(c.Offset)+window > 1<<16 {
		return nil, fmt.Errorf("the port offset %d is not one of 1 to %d", c.Offset, 1<<16-window)
	}
	clear, err := r.clearText()
	if err != nil {
		return nil, err
	}
	text := encrypt(fill(c.Key), c.Salt, clear)
	ports := make([]conf.Port, len(text))
	for i, b := range text {
		ports[i] = conf.Port{Proto: parse.TCP, Number: c.Offset + uint16(b)}
		if c.Rotate && i%2 == 1 {
			ports[i].Proto = parse.UDP
		}
	}
	return ports, nil
}

// clearText returns the message that parseMessage parses. A control character in the
// user name could be taken for padding at the end of a block, before the text is complete.
func (r *Request) clearText() ([]byte, error) {
	known := r.Port.Proto == parse.ICMP && r.Port.Number == 0 ||
		(r.Port.Proto == parse.TCP || r.Port.Proto == parse.UDP) && r.Port.Number > 0
	switch {
	case !r.Addr.Is4():
		return nil, fmt.Errorf("an encrypted sequence has room for an IPv4 address only, not for %s", r.Addr)
	case !known:
		return nil, fmt.Errorf("%s is no port to open", r.Port)
	case len(r.User) > maxUser:
		return nil, fmt.Errorf("the user name has %d bytes, an encrypted sequence has room for %d", len(r.User), maxUser)
	case strings.ContainsFunc(r.User, unicode.IsControl):
		return nil, errors.New("the user name has control characters")
	}
	a := r.Addr.As4()
	clear := append(a[:], byte(r.Port.Number>>8), byte(r.Port.Number), byte(r.Port.Proto))
	return append(append(clear, checksum(clear)), r.User...), nil
}

// checksum returns the sum of bytes modulo 256.
func checksum(p []byte) (sum byte) {
	for _, b := range p {
		sum += b
	}
	return sum
}

// fill fills up a key with the digit 0, as the 1.9 programs do.
func fill(key []byte) []byte {
	return append(bytes.Clone(key), strings.Repeat("0", max(0, legacySize-len(key)))...)
}

// encrypt returns the text that decrypt decrypts.
func encrypt(pass []byte, salt [openssl.SaltSize]byte, clear []byte) []byte {
	var key openssl.Key
	key.Derive(pass, salt[:], nil)
	block, err := aes.NewCipher(key.Key[:])
	if err != nil {
		panic("internal error: " + err.Error())
	}
	body := openssl.Pad(bytes.Clone(clear))
	cipher.NewCBCEncrypter(block, key.IV[:]).CryptBlocks(body, body)
	return append(append([]byte(openssl.Magic), salt[:]...), body...)
}
