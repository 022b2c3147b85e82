package control

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// A surveyor is a backend that knows its chains.
type surveyor interface {
	Chains(ctx context.Context) ([]enforce.ChainState, error)
}

// A dumper is a backend that can show its tables whole.
type dumper interface {
	Dump(ctx context.Context) ([]byte, error)
}

// list is --fw-list and --fw-list-all; -v with the former is the latter, as in 1.9.
func (c *command) list() int {
	ctx := context.Background()
	o, err := openOpenings(ctx, c.Loaded)
	if err != nil {
		return c.fail(err)
	}
	defer o.close()
	grants, err := o.list(ctx, Selection{})
	if err != nil {
		return c.fail(err)
	}
	if c.Format == "json" || c.Format == "jsonl" {
		if err := printGrants(c.stdout, grants, time.Now()); err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	c.say("%s", c.head("Listing rules in fwknop chains...", "Listing rules in fwknopd "+o.name()+" chains..."))
	c.say("%s", enforce.FormatList(grants, time.Now()))
	if err := c.missing(ctx, o); err != nil {
		return c.fail(err)
	}
	if c.FWListAll || c.Options.Verbose > 0 && c.Server.Dialect != conf.C26 {
		err = c.dump(ctx, o)
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

// head is a line as either daemon has it.
func (c *command) head(perl, twoSix string) string {
	if c.Server.Dialect == conf.C26 {
		return twoSix
	}
	return "[+] " + perl
}

func (o *openings) name() string {
	if o.fw == nil {
		return "external"
	}
	return o.fw.Name
}

// chains are those of the backend; none for external commands.
func (o *openings) chains(ctx context.Context) ([]enforce.ChainState, error) {
	if o.fw == nil {
		return nil, nil
	}
	s, ok := o.fw.Backend.(surveyor)
	if !ok {
		return nil, nil
	}
	return s.Chains(ctx)
}

// missing names the chains that are not there; 2.6 has no such lines.
func (c *command) missing(ctx context.Context, o *openings) error {
	chains, err := o.chains(ctx)
	if err != nil || c.Server.Dialect == conf.C26 {
		return err
	}
	for _, ch := range chains {
		if !ch.Exists {
			c.say("[-] Table: %s, chain: %s, does not exist", ch.Table, ch.Name)
		}
	}
	return nil
}

// dump prints the tables that we touch, in the words of the firewall's own tools.
func (c *command) dump(ctx context.Context, o *openings) error {
	if o.fw == nil {
		return nil
	}
	c.say("%s", c.head("Dumping "+o.name()+" policy...", "Listing all "+o.name()+" rules in applicable tables..."))
	for _, part := range o.fw.Parts() {
		if err := c.dumpPart(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) dumpPart(ctx context.Context, part enforce.Backend) error {
	if d, ok := part.(dumper); ok {
		text, err := d.Dump(ctx)
		c.stdout.Write(text)
		return err
	}
	s, ok := part.(surveyor)
	if !ok {
		return nil
	}
	chains, err := s.Chains(ctx)
	if err != nil {
		return err
	}
	return c.dumpNFT(ctx, chains)
}

// dumpNFT has nft print the tables; our own way to nf_tables has no words for what
// others put there.
func (c *command) dumpNFT(ctx context.Context, chains []enforce.ChainState) error {
	nft := firewall.Program("nft")
	if nft == "" {
		return fmt.Errorf("nft is not installed: it prints tables as a whole")
	}
	var shown []string
	for _, ch := range chains {
		if !ch.Exists || slices.Contains(shown, ch.Table) {
			continue
		}
		shown = append(shown, ch.Table)
		family, name, _ := strings.Cut(ch.Table, " ")
		cmd := exec.CommandContext(ctx, nft, "list", "table", family, name)
		cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("nft list table %s: %w", ch.Table, err)
		}
	}
	return nil
}
