package spa

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"strconv"

	"fwknopd/policy/openssl"
)

// DefaultPort is where clients send packets to unless they are told otherwise.
const DefaultPort = 62201

// EncodeOptions are the options of a sender.
type EncodeOptions struct {
	Rand       io.Reader // random bytes; required
	KeepPrefix bool      // leave "U2FsdGVkX1" on the wire
	KeepEquals bool      // leave "=" on the wire; not with an HMAC
	// Tag has the salt tell a server whose packet it is, see salttag.go. It is left out
	// where [Key.MayTag] says so, and of OpenPGP messages, which have no salt.
	Tag bool
}

// Encode returns the packet of m. An empty m.Rand is drawn from opt.Rand and an empty
// m.DigestType is sha256. Text and NAT are used; Plaintext and the fields derived from
// the texts are not. Fields that [Opener.Open] would refuse are an error.
func Encode(m *Message, k Key, opt EncodeOptions) ([]byte, error) {
	plain, err := Compose(m, opt)
	if err != nil {
		return nil, err
	}
	return Seal(plain, k, opt)
}

// Compose returns the plaintext of m as [Encode] encrypts it.
func Compose(m *Message, opt EncodeOptions) ([]byte, error) {
	rnd := m.Rand
	if rnd == "" {
		var err error
		if rnd, err = randomDigits(opt.Rand); err != nil {
			return nil, err
		}
	}
	plain, err := Plaintext(m, rnd)
	if err != nil {
		return nil, err
	}
	rules := Rules{AllowHosts: true, Perl19: m.Perl19}
	if _, err := decode(plain, 1<<len(algorithms)-1, &rules, nil, new(Message)); err != nil {
		return nil, err
	}
	return plain, nil
}

// Plaintext joins the fields of m, with rnd as the random value, and their digest. The
// base64 fields of 1.x messages keep their "=", as sent by those clients.
func Plaintext(m *Message, rnd string) ([]byte, error) {
	name := m.DigestType
	if name == "" {
		name = "sha256"
	}
	alg := algorithmOf(name)
	if alg == nil {
		return nil, fmt.Errorf("unknown digest type %q", name)
	}
	enc := base64.RawStdEncoding
	if isPerl19Version(m.Version) {
		enc = base64.StdEncoding
	}
	p := append([]byte(rnd), ':')
	p = enc.AppendEncode(p, []byte(m.User))
	p = strconv.AppendInt(append(p, ':'), m.Time, 10)
	p = append(append(append(p, ':'), m.Version...), ':')
	p = strconv.AppendUint(p, uint64(m.Type), 10)
	p = enc.AppendEncode(append(p, ':'), []byte(m.Text))
	if m.Type.HasNAT() {
		p = enc.AppendEncode(append(p, ':'), []byte(m.NAT))
	}
	if m.ServerAuth != "" {
		p = enc.AppendEncode(append(p, ':'), []byte(m.ServerAuth))
	}
	if m.HasTimeout {
		p = strconv.AppendUint(append(p, ':'), uint64(m.Timeout), 10)
	}
	return alg.appendText(append(p, ':'), p), nil
}

// Seal encrypts and authenticates any plaintext; tests use it for invalid ones.
func Seal(plain []byte, k Key, opt EncodeOptions) ([]byte, error) {
	md := modeOf(k.Mode)
	if md == nil {
		return nil, fmt.Errorf("unknown encryption mode %q", k.Mode)
	}
	pass, err := k.passphrase()
	if err != nil {
		return nil, err
	}
	mac, _, err := newMAC(k.HMACKey, k.HMACType)
	if err != nil {
		return nil, err
	}
	salt, err := k.newSalt(&opt)
	if err != nil {
		return nil, err
	}
	var d openssl.Key
	d.Derive(pass, salt[:], nil)
	block, err := aes.NewCipher(d.Key[:])
	if err != nil {
		return nil, err
	}
	data := openssl.Pad(bytes.Clone(plain))
	md.encrypt(block, d.IV[:], data)
	raw := append(append([]byte(openssl.Magic), salt[:]...), data...)
	return frame(raw, mac, &opt), nil
}

// frame encodes a container in base64 and appends the HMAC.
func frame(raw []byte, mac hash.Hash, opt *EncodeOptions) []byte {
	enc := base64.RawStdEncoding
	if opt.KeepEquals && mac == nil {
		enc = base64.StdEncoding
	}
	text := enc.AppendEncode(nil, raw)
	if mac != nil {
		mac.Reset()
		mac.Write(text)
		text = base64.RawStdEncoding.AppendEncode(text, mac.Sum(nil))
	}
	if opt.KeepPrefix {
		return text
	}
	return bytes.TrimPrefix(text, []byte(saltedPrefix))
}

// randomDigits draws the random value: 16 digits, each equally likely.
func randomDigits(r io.Reader) (string, error) {
	var d [randLen]byte
	for i := 0; i < len(d); {
		if _, err := io.ReadFull(r, d[i:i+1]); err != nil {
			return "", err
		}
		if c := d[i]; c < 250 { // 256 is no multiple of 10
			d[i] = '0' + c%10
			i++
		}
	}
	return string(d[:]), nil
}
