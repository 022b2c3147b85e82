package main

import (
	"errors"
	"fmt"

	"fwknopd/cmd/fwknop/rc"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/cmd/fwknopd/wholefile"
)

// save implements --key-gen and --save-rc-stanza.
func (c *client) save(file *rc.File) error {
	if c.KeyGen {
		keys, err := keygen.FromOptions(c.Options)
		switch {
		case err != nil:
			return &cli.UsageError{Text: err.Error()}
		case c.KeyGenFile != "":
			if err := keys.Write(c.KeyGenFile); err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "wrote the keys to %s\n", c.KeyGenFile)
		case !c.Client.SaveStanza:
			_, err := fmt.Fprint(c.stdout, keys)
			return err
		}
		c.Client.Key, c.Client.KeyBase64, c.Client.KeyFile = "", keys.Key, ""
		c.Client.HMACKey, c.Client.HMACKeyBase64, c.Client.HMACKeyFile = "", keys.HMACKey, ""
		c.Client.UseHMAC = true
	}
	if !c.Client.SaveStanza {
		return nil
	}
	return c.saveStanza(file)
}

// unsaved are the options that a knock has and a stanza cannot have.
var unsaved = []string{"server-cmd", "server-auth", "ipv6", "icmp-type", "icmp-code", "stdin", "fd", "save-packet"}

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
	return nil
}
