package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"fwknopd/policy/spa"
)

// maxRijndaelKey is the longest key that 2.6 servers accept, bytes.
const maxRijndaelKey = 32

// keys collects the keys: from the options, from files, or from the terminal.
func (c *client) keys() (spa.Key, error) {
	k := spa.Key{Mode: strings.ToLower(c.Client.Mode), HMACType: strings.ToLower(c.HMACDigestType)}
	var err error
	if k.Passphrase, err = c.passphrase("Key: "); err != nil {
		return k, err
	}
	if k.HMACKey, err = c.hmacKey(); err != nil {
		return k, err
	}
	if n := len(k.Passphrase); n > maxRijndaelKey && k.Mode != "legacy" {
		fmt.Fprintf(c.stderr, "fwknop: warning: the key has %d bytes; servers of 2.6 accept %d at most\n", n, maxRijndaelKey)
	}
	if bytes.Equal(k.Passphrase, k.HMACKey) {
		return k, errors.New("the key and the HMAC key are the same, which servers refuse")
	}
	return k, nil
}

// passphrase returns the key, which is also the passphrase of an OpenPGP key.
func (c *client) passphrase(prompt string) (key []byte, err error) {
	o := &c.Client
	switch {
	case o.Key != "":
		return []byte(o.Key), nil
	case o.KeyBase64 != "":
		return fromBase64("key", o.KeyBase64)
	case o.KeyFile != "":
		return c.keyInFile(o.KeyFile)
	case o.Stdin:
		return readKey(c.stdin)
	case c.Set("fd"):
		return readKey(os.NewFile(uintptr(o.FD), "fd"))
	}
	return c.ask(prompt)
}

// hmacKey returns nil if there is to be no HMAC.
func (c *client) hmacKey() (key []byte, err error) {
	o := &c.Client
	switch {
	case o.HMACKey != "":
		return []byte(o.HMACKey), nil
	case o.HMACKeyBase64 != "":
		return fromBase64("HMAC key", o.HMACKeyBase64)
	case o.HMACKeyFile != "":
		return c.keyInFile(o.HMACKeyFile)
	case o.UseHMAC:
		return c.ask("HMAC key: ")
	}
	return nil, nil
}

// ask asks for a secret on the terminal.
func (c *client) ask(prompt string) ([]byte, error) {
	key, err := c.terminal(prompt, c.received == nil)
	if err == nil && len(key) == 0 {
		err = errors.New("no key was given")
	}
	return key, err
}

// fromBase64 decodes a key with or without its padding. The error does not contain it.
func fromBase64(what, s string) ([]byte, error) {
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("the %s is no base64", what)
	}
	return key, nil
}

// keyInFile returns the key of the server from a file of lines HOST: KEY.
func (c *client) keyInFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		host, key, ok := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if key = bytes.TrimSpace(key); ok && len(key) > 0 && string(host) == c.Client.Destination {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s has no line %q with a key", path, c.Client.Destination+": ")
}

// readKey reads a key up to the end of the line.
func readKey(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadBytes('\n')
	if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
		return line, nil
	}
	if err == nil || err == io.EOF {
		err = errors.New("there is no key to read")
	}
	return nil, err
}

// readHidden asks on the terminal, without echo: that of standard input, or, as that is what
// ssh sends, the one that ssh has been started on.
func readHidden(prompt string, stdin bool) ([]byte, error) {
	in, out, where := os.Stdin, os.Stderr, "standard input is no terminal"
	if !stdin {
		where = "there is no terminal"
		if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			defer tty.Close()
			in, out = tty, tty
		}
	}
	fd := int(in.Fd())
	if !term.IsTerminal(fd) {
		return nil, fmt.Errorf("no %s: it is neither in the rc file nor among the options, and %s to ask on", strings.ToLower(strings.TrimSuffix(prompt, ": ")), where)
	}
	fmt.Fprint(out, prompt)
	key, err := term.ReadPassword(fd)
	fmt.Fprintln(out)
	return key, err
}
