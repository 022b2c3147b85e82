package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"fwknopd/enforce/quote"
	"fwknopd/policy/conf"
	"fwknopd/policy/totp"
)

// serverAuth returns the field with what is sent beside the keys: the password of the user on
// the server, or a one-time code; "" for nothing.
func (c *client) serverAuth(ctx context.Context) (string, error) {
	o := &c.Client
	if o.TOTP != "" || c.Set("totp") || o.TOTPPrompt || o.TOTPCommand != "" {
		code, err := c.code(ctx)
		return conf.AuthTOTP + "," + code, err
	}
	switch {
	case o.ServerAuth == "":
		return "", nil
	case !strings.EqualFold(o.ServerAuth, conf.AuthCrypt):
		return "", usage("--server-auth %s: the only method is %s; one-time codes are sent with --totp", o.ServerAuth, conf.AuthCrypt)
	case o.NATAccess != "" || o.NATLocal || o.FWTimeout > 0:
		return "", usage("--server-auth goes with no --fw-timeout and no NAT option: servers of 1.9 do not look for a password there")
	}
	password, err := c.ask("Password on the server: ")
	return conf.AuthCrypt + "," + string(password), err
}

// code returns the one-time code. Authenticators show it in groups.
func (c *client) code(ctx context.Context) (string, error) {
	o := &c.Client
	text, from := o.TOTP, "--totp"
	var err error
	switch {
	case c.Set("totp"):
	case o.TOTPCommand != "":
		from = "what the command of --totp-command prints"
		text, err = c.commandOutput(ctx, o.TOTPCommand)
	default:
		from = "the one-time code"
		var typed []byte
		typed, err = c.ask("One-time code: ")
		text = string(typed)
	}
	if err != nil {
		return "", err
	}
	if text = strings.Join(strings.Fields(text), ""); !totp.IsCode(text) {
		return "", usage("%s: want %d digits", from, totp.Digits)
	}
	return text, nil
}

// maxShownOutput bounds what is shown of the messages of a command that fails.
const maxShownOutput = 500

// commandOutput runs a command without a shell, and returns what it prints. Its standard input
// is empty: with --proxy ours is that of ssh.
func (c *client) commandOutput(ctx context.Context, line string) (string, error) {
	words, err := quote.Shell.Split(line)
	if err == nil && len(words) == 0 {
		err = errors.New("there is no command")
	}
	if err != nil {
		return "", usage("--totp-command: %v", err)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := bytes.TrimSpace(stderr.Bytes())
		return "", fmt.Errorf("--totp-command: %s: %w\n%s", words[0], err, said[:min(len(said), maxShownOutput)])
	}
	return stdout.String(), nil
}
