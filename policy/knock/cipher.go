package knock

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"net/netip"

	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/openssl"
)

// The text of an encrypted sequence is what `openssl enc -aes-256-cbc -md md5`
// makes of the message: "Salted__", the salt, one block or more.
const (
	blockSize = aes.BlockSize
	minText   = len(openssl.Magic) + openssl.SaltSize + blockSize
	// maxText is enough for user names of 39 bytes; login names have 32 at most.
	maxText = minText + 2*blockSize

	legacySize = 16 // shorter keys are filled up with the digit 0
	headerSize = 8  // of a message: address, port, protocol, checksum
)

// message is the clear text. It is authentic iff valid and the padding was right.
type message struct {
	salted  bool       // the text begins with "Salted__"; if not, all else is zero
	addr    netip.Addr // IPv4; 0.0.0.0 means the packet's source
	port    conf.Port  // to open; no number for ICMP
	checked bool       // the checksum is right
	user    string     // "" if it names none
}

func (m *message) knownProto() bool {
	switch m.port.Proto {
	case parse.ICMP, parse.TCP, parse.UDP:
		return true
	}
	return false
}

// valid reports whether the first block is that of a message.
func (m *message) valid() bool { return m.salted && m.knownProto() && m.checked }

// rejection returns the refusal of a text that is not authentic.
func (m *message) rejection() Result {
	switch {
	case !m.salted:
		return Result{Reason: DecryptFailed, Text: "no salt in front"}
	case !m.knownProto():
		return Result{Reason: DecryptFailed, Text: "no protocol to open"}
	case !m.checked:
		return Result{Reason: Checksum}
	}
	return Result{Reason: DecryptFailed, Text: "wrong key or damaged"}
}

// decrypt returns the message in text, whose length is minText and any number of
// blocks, and whether its padding is right; if not, the message is parsed from the
// whole text.
func decrypt(pass, text []byte) (message, bool) {
	salt, ok := bytes.CutPrefix(text, []byte(openssl.Magic))
	if !ok {
		return message{}, false
	}
	salt, body := salt[:openssl.SaltSize], salt[openssl.SaltSize:]
	var key openssl.Key
	key.Derive(pass, salt, nil)
	block, err := aes.NewCipher(key.Key[:])
	if err != nil {
		panic("internal error: " + err.Error())
	}
	clear := make([]byte, len(body))
	cipher.NewCBCDecrypter(block, key.IV[:]).CryptBlocks(clear, body)
	if text, ok := openssl.Unpad(clear); ok && len(text) >= headerSize {
		return parseMessage(text), true
	}
	return parseMessage(clear), false
}

// parseMessage parses at least headerSize bytes.
func parseMessage(clear []byte) message {
	m := message{
		salted:  true,
		addr:    netip.AddrFrom4([4]byte(clear)),
		port:    conf.Port{Proto: parse.Proto(clear[6]), Number: uint16(clear[4])<<8 | uint16(clear[5])},
		checked: checksum(clear[:headerSize-1]) == clear[headerSize-1],
	}
	if m.port.Proto == parse.ICMP {
		m.port.Number = 0
	}
	user, _, _ := bytes.Cut(clear[headerSize:], []byte{0})
	m.user = string(user)
	return m
}
