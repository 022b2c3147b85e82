// Package keygen makes the keys that a stanza of the server and its client share.
package keygen

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"fwknopd/cmd/fwknopd/cli"
)

// Lengths of keys in bytes, as in the 2.6 programs.
const (
	DefaultLen = 32 // AES-256
	maxLen     = 128
)

// hmacLens are the default lengths of HMAC keys: the block size of the digest, at most
// maxLen.
var hmacLens = map[string]int{
	"md5": 64, "sha1": 64, "sha256": 64, "sha384": 128, "sha512": 128, "sha3_256": maxLen, "sha3_512": 72,
}

// Keys are the keys of one stanza in base64.
type Keys struct{ Key, HMACKey string }

// FromOptions returns fresh keys as --key-len, --hmac-key-len and --hmac-digest-type ask
// for.
func FromOptions(o *cli.Options) (Keys, error) {
	digest := strings.ToLower(o.HMACDigestType)
	if digest == "" {
		digest = "sha256"
	}
	hmacLen, known := hmacLens[digest]
	if !known {
		return Keys{}, fmt.Errorf("--hmac-digest-type: %q is none of md5, sha1, sha256, sha384, sha512, sha3_256, sha3_512", o.HMACDigestType)
	}
	keyLen := DefaultLen
	for _, l := range []struct {
		option string
		given  int
		use    *int
	}{{"key-len", o.KeyLen, &keyLen}, {"hmac-key-len", o.HMACKeyLen, &hmacLen}} {
		if !o.Set(l.option) {
			continue
		}
		if l.given < 1 || l.given > maxLen {
			return Keys{}, fmt.Errorf("--%s: want 1 to %d bytes", l.option, maxLen)
		}
		*l.use = l.given
	}
	return Keys{Base64(keyLen), Base64(hmacLen)}, nil
}

// Base64 returns n random bytes in base64.
func Base64(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never returns an error
	return base64.StdEncoding.EncodeToString(b)
}

// TOTPSecret returns 20 random bytes, the length that RFC 4226 recommends, in base32.
func TOTPSecret() string {
	b := make([]byte, 20)
	rand.Read(b) // never returns an error
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)
}

// String returns the lines of access.conf and of the client's rc file.
func (k Keys) String() string {
	return fmt.Sprintf("KEY_BASE64: %s\nHMAC_KEY_BASE64: %s\n", k.Key, k.HMACKey)
}

// PrintJSON prints the keys as an object, or, if they were written to a file, its name alone.
func (k Keys) PrintJSON(w io.Writer, file string) error {
	object := struct {
		V       int    `json:"v"`
		File    string `json:"file,omitempty"`
		Key     string `json:"key_base64,omitempty"`
		HMACKey string `json:"hmac_key_base64,omitempty"`
	}{1, file, k.Key, k.HMACKey}
	if file != "" {
		object.Key, object.HMACKey = "", ""
	}
	return json.NewEncoder(w).Encode(object)
}

// Write creates a file with mode 0600. It does not overwrite an existing file.
func (k Keys) Write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(k.String())
	return errors.Join(err, f.Sync(), f.Close())
}
