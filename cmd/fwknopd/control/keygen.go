package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
)

// Lengths of keys in bytes, as in the 2.6 programs.
const (
	defaultKeyLen = 32 // AES-256
	maxKeyLen     = 128
)

// hmacKeyLens are the default lengths of HMAC keys: the block size of the digest, at
// most maxKeyLen.
var hmacKeyLens = map[string]int{
	"md5": 64, "sha1": 64, "sha256": 64, "sha384": 128, "sha512": 128, "sha3_256": maxKeyLen, "sha3_512": 72,
}

// keyGen implements --key-gen: it generates the keys of one stanza and its client.
func keyGen(o *cli.Options, stdout, stderr io.Writer) int {
	text, err := generateKeys(o)
	if err == nil && o.KeyGenFile == "" {
		_, err = io.WriteString(stdout, text)
	}
	if err == nil && o.KeyGenFile != "" {
		if err = writeKeys(o.KeyGenFile, text); err == nil {
			fmt.Fprintf(stdout, "[+] Wrote keys to: %s\n", o.KeyGenFile)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}

func generateKeys(o *cli.Options) (string, error) {
	digest := strings.ToLower(o.HMACDigestType)
	if digest == "" {
		digest = "sha256"
	}
	hmacLen, known := hmacKeyLens[digest]
	if !known {
		return "", fmt.Errorf("--hmac-digest-type: %q is none of md5, sha1, sha256, sha384, sha512, sha3_256, sha3_512", o.HMACDigestType)
	}
	keyLen := defaultKeyLen
	for _, l := range []struct {
		option string
		given  int
		use    *int
	}{{"key-len", o.KeyLen, &keyLen}, {"hmac-key-len", o.HMACKeyLen, &hmacLen}} {
		if !o.Set(l.option) {
			continue
		}
		if l.given < 1 || l.given > maxKeyLen {
			return "", fmt.Errorf("--%s: want 1 to %d bytes", l.option, maxKeyLen)
		}
		*l.use = l.given
	}
	return fmt.Sprintf("KEY_BASE64: %s\nHMAC_KEY_BASE64: %s\n", config.GenerateKey(keyLen), config.GenerateKey(hmacLen)), nil
}

// writeKeys creates a file with mode 0600. It does not overwrite an existing file.
func writeKeys(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
