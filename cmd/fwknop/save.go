package main

import (
	"errors"
	"fmt"

	"fwknopd/cmd/fwknop/rc"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/cmd/fwknopd/wholefile"
)

// generateKeys implements --key-gen. It prints the keys only if they are written nowhere.
func (c *client) generateKeys(file *rc.File) error {
	keys, err := keygen.FromOptions(c.Options)
	if err != nil {
		return &cli.UsageError{Text: err.Error()}
	}
	if c.JSON() && c.Client.SaveStanza {
		return &cli.UsageError{Text: "--save-rc-stanza has no JSON form"}
	}
	if c.KeyGenFile != "" {
		if err := keys.Write(c.KeyGenFile); err != nil {
			return err
		}
		if !c.JSON() {
			fmt.Fprintf(c.stdout, "wrote the keys to %s\n", c.KeyGenFile)
		}
	}
	if c.JSON() {
		return keys.PrintJSON(c.stdout, c.KeyGenFile)
	}
	if c.Client.SaveStanza {
		c.Client.Key, c.Client.KeyBase64, c.Client.KeyFile = "", keys.Key, ""
		c.Client.HMACKey, c.Client.HMACKeyBase64, c.Client.HMACKeyFile = "", keys.HMACKey, ""
		c.Client.UseHMAC = true
		return c.saveStanza(file)
	}
	if c.KeyGenFile == "" {
		_, err = fmt.Fprint(c.stdout, keys)
	}
	return err
}

// unsaved are the options that a knock has and a stanza cannot have.
var unsaved = []string{"server-cmd", "server-auth", "totp", "ipv6", "icmp-type", "icmp-code", "stdin", "fd", "save-packet", "wait", "proxy"}

// saveStanza writes the options as a stanza of the rc file.
func (c *client) saveStanza(file *rc.File) error {
	name, path := c.Client.Name, c.rcPath()
	if name == "" {
		name = c.Client.Destination
	}
	switch {
	case name == "":
		return &cli.UsageError{Text: "--save-rc-stanza needs -n NAME or -D HOST"}
	case path == "":
		return errors.New("--save-rc-stanza: there is no rc file to write to")
	case file.Has(name) && !c.Client.ForceStanza:
		return fmt.Errorf("%s has a stanza [%s] already; --force-stanza replaces it", path, name)
	}
	for _, option := range unsaved {
		if c.Set(option) {
			return usage("--%s has no keyword in the rc file; leave it out and give it with -n %s", option, name)
		}
	}
	var entries []rc.Entry
	for _, k := range keywords {
		if v := k.get(c.Options); v != "" {
			entries = append(entries, rc.Entry{Key: k.name, Value: v})
		}
	}
	text, err := file.With(name, entries)
	if err != nil {
		return err
	}
	if err := wholefile.Replace(path, text); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "wrote the stanza [%s] to %s\n", name, path)
	if c.KeyGen {
		fmt.Fprintf(c.stdout, "give its KEY_BASE64 and HMAC_KEY_BASE64 to the server, in access.conf; then: fwknop -n %s\n", name)
	}
	return nil
}
