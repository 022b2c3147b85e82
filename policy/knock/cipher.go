package knock

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"net/netip"
	"slices"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// The text of an encrypted sequence is what `openssl enc -aes-256-cbc -md md5`
// makes of the message: "Salted__", the salt, one block or more.
const (
	magic     = "Salted__"
	saltSize  = 8
	blockSize = aes.BlockSize
	minText   = len(magic) + saltSize + blockSize
	// maxText is enough for user names of 39 bytes; login names have 32 at most.
	maxText = minText + 2*blockSize

	keySize    = 32
	legacySize = 16 // the 1.9 file: shorter keys are filled up with the digit 0
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
	salt, ok := bytes.CutPrefix(text, []byte(magic))
	if !ok {
		return message{}, false
	}
	salt, body := salt[:saltSize], salt[saltSize:]
	key, iv := derive(pass, salt)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	clear := make([]byte, len(body))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(clear, body)
	whole := false
	if n := padding(clear); n > 0 && len(clear)-n >= headerSize {
		clear, whole = clear[:len(clear)-n], true
	}
	return parseMessage(clear), whole
}

// derive is OpenSSL's EVP_BytesToKey with MD5 and one round.
func derive(pass, salt []byte) (key, iv []byte) {
	var out, last []byte
	for len(out) < keySize+blockSize {
		sum := md5.Sum(slices.Concat(last, pass, salt))
		last = sum[:]
		out = append(out, last...)
	}
	return out[:keySize], out[keySize:]
}

// padding returns the length of the PKCS#7 padding, 0 if it is wrong.
func padding(clear []byte) int {
	n := int(clear[len(clear)-1])
	if n == 0 || n > blockSize {
		return 0
	}
	for _, b := range clear[len(clear)-n:] {
		if int(b) != n {
			return 0
		}
	}
	return n
}

// parseMessage parses at least headerSize bytes.
func parseMessage(clear []byte) message {
	var sum byte
	for _, b := range clear[:headerSize-1] {
		sum += b
	}
	m := message{
		salted:  true,
		addr:    netip.AddrFrom4([4]byte(clear)),
		port:    conf.Port{Proto: parse.Proto(clear[6]), Number: uint16(clear[4])<<8 | uint16(clear[5])},
		checked: sum == clear[7],
	}
	if m.port.Proto == parse.ICMP {
		m.port.Number = 0
	}
	user, _, _ := bytes.Cut(clear[headerSize:], []byte{0})
	m.user = string(user)
	return m
}
