package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// Digests implements `fwknopd digests export` and returns the exit code.
func Digests(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Digests, args, stdout, stderr)
	if o == nil {
		return code
	}
	switch {
	case len(o.Operands) == 0 || o.Operands[0] != "export" || len(o.Operands) > 2:
		return cli.Digests.Refuse(stderr, errors.New("want export [FILE]"))
	case o.Format != "2.6":
		return cli.Digests.Refuse(stderr, errors.New("--format 2.6 is the only format"))
	case o.JSON() && (len(o.Operands) < 2 || o.Operands[1] == "-"):
		return cli.Digests.Refuse(stderr, errors.New("--json wants a FILE: the digests go to standard output"))
	}
	return withLenientConfig(o, (*command).exportDigests)(stdout, stderr)
}

// exportDigests writes the journal as a cache of 2.6, to a new file or to standard output.
func (c *command) exportDigests() int {
	path := engine.DigestFile(c.Server)
	if path == "" {
		return c.fail(errors.New("ENABLE_DIGEST_PERSISTENCE is N: there is no journal to export"))
	}
	from, err := safepath.OpenData(path)
	if err != nil {
		return c.fail(err)
	}
	defer from.Close()
	to, done := c.stdout, func(err error) error { return err }
	if len(c.Operands) == 2 && c.Operands[1] != "-" {
		f, err := os.OpenFile(c.Operands[1], os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return c.fail(err)
		}
		to, done = f, func(err error) error {
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				os.Remove(f.Name()) // a part of it looks like all of it
			}
			return err
		}
	}
	written, left, err := replay.Export26(context.Background(), from, to)
	if err := done(err); err != nil {
		return c.fail(err)
	}
	if c.JSON() {
		err := json.NewEncoder(c.stdout).Encode(struct {
			V        int    `json:"v"`
			From     string `json:"from"`
			File     string `json:"file"`
			Exported int    `json:"exported"`
			LeftOut  int    `json:"left_out"`
		}{1, path, c.Operands[1], written, left})
		if err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	fmt.Fprintf(c.stderr, "[+] %s: %s exported\n", path, conf.Count(written, "digest"))
	if left > 0 {
		fmt.Fprintf(c.stderr, "[-] %s: %s left out: without the digest of the text on the wire, by which 2.6 knows a message\n", path, conf.Count(left, "digest"))
	}
	return exitOK
}
