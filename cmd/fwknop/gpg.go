package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"fwknopd/policy/spa"
)

// usesGPG reports whether the message is to be an OpenPGP one.
func (c *client) usesGPG() bool {
	o := &c.Client
	return o.GPG || o.GPGRecipient != "" || o.GPGSigner != "" || len(o.GPGKeyFiles) > 0 || strings.EqualFold(o.Mode, "asymmetric")
}

// encryptGPG returns m as an OpenPGP packet, made of exported keys or by gpg.
func (c *client) encryptGPG(ctx context.Context, m *spa.Message) ([]byte, error) {
	if c.Client.GPGRecipient == "" {
		return nil, usage("no key of the server: --gpg-recipient-key ID")
	}
	if c.Client.Mode != "" && !strings.EqualFold(c.Client.Mode, "asymmetric") {
		return nil, usage("--encryption-mode %s has no meaning in OpenPGP messages", c.Client.Mode)
	}
	mac, err := c.hmacKey()
	if err != nil {
		return nil, err
	}
	opt, hmacType := spa.EncodeOptions{Rand: rand.Reader}, strings.ToLower(c.HMACDigestType)
	if len(c.Client.GPGKeyFiles) > 0 {
		s, err := c.sender()
		if err != nil {
			return nil, err
		}
		return s.Encode(m, mac, hmacType, c.now(), opt)
	}
	plain, err := spa.Compose(m, opt)
	if err != nil {
		return nil, err
	}
	raw, err := c.runGPG(ctx, plain)
	if err != nil {
		return nil, err
	}
	return spa.FrameGPG(raw, mac, hmacType, opt)
}

// sender reads the exported keys. The passphrase is asked for only if one is needed.
func (c *client) sender() (*spa.GPGSender, error) {
	var exports [][]byte
	for _, path := range c.Client.GPGKeyFiles {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		exports = append(exports, data)
	}
	s, err := spa.NewGPGSender(exports, c.Client.GPGRecipient, c.Client.GPGSigner, nil)
	if !errors.Is(err, spa.ErrLocked) || c.Client.GPGNoPassphrase {
		return s, err
	}
	passphrase, err := c.signingPassphrase()
	if err != nil {
		return nil, err
	}
	return spa.NewGPGSender(exports, c.Client.GPGRecipient, c.Client.GPGSigner, passphrase)
}

// signingPassphrase returns the passphrase of the signing key.
func (c *client) signingPassphrase() ([]byte, error) {
	o := &c.Client
	switch {
	case o.SigningPassphrase != "":
		return []byte(o.SigningPassphrase), nil
	case o.SigningPassphraseBase64 != "":
		return fromBase64("passphrase of the signing key", o.SigningPassphraseBase64)
	}
	return c.passphrase("Passphrase of the signing key: ")
}

// runGPG has gpg sign and encrypt. The passphrase is the first line of its input, unless
// the agent of GnuPG is to ask for it or there is none.
func (c *client) runGPG(ctx context.Context, plain []byte) ([]byte, error) {
	o := &c.Client
	args := []string{"--batch", "--no-tty", "--trust-model", "always", "--recipient", o.GPGRecipient, "--encrypt"}
	if c.GPGHomeDir != "" {
		args = append([]string{"--homedir", c.GPGHomeDir}, args...)
	}
	input := plain
	if o.GPGSigner != "" {
		args = append(args, "--local-user", o.GPGSigner, "--sign")
		if !o.GPGAgent && !o.GPGNoPassphrase {
			passphrase, err := c.signingPassphrase()
			if err != nil {
				return nil, err
			}
			if bytes.ContainsAny(passphrase, "\r\n") {
				return nil, errors.New("the passphrase of the signing key has more than one line")
			}
			args = append(args, "--pinentry-mode", "loopback", "--passphrase-fd", "0")
			input = append(append(passphrase, '\n'), plain...)
		}
	}
	cmd := exec.CommandContext(ctx, cmp.Or(c.GPGExe, "gpg"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd.Path, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
