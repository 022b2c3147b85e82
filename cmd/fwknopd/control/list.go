package control

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	program "fwknopd/enforce/command"
	"fwknopd/policy/conf"
)

// A chainLister is a backend that can list its chains.
type chainLister interface {
	Chains(ctx context.Context) ([]enforce.ChainState, error)
}

// A dumper is a backend that can print its complete tables.
type dumper interface {
	Dump(ctx context.Context) ([]byte, error)
}

// list implements --fw-list and --fw-list-all; -v with the former means the latter,
// as in 1.9.
func (c *command) list() int {
	ctx := context.Background()
	o := newGrantClient(c)
	defer o.close()
	if err := o.openFirewall(ctx); err != nil {
		return c.fail(err)
	}
	grants, err := o.list(ctx, Selection{})
	if err != nil {
		return c.fail(err)
	}
	titles := o.titlesOf(grants)
	if c.JSON() {
		if _, err := c.stdout.Write(report.GrantsJSON(grants, titles, time.Now())); err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	c.printfln("%s", c.heading("Listing rules in fwknop chains...", "Listing rules in fwknopd "+o.backendName()+" chains..."))
	c.printfln("%s", report.ListText(grants, titles, time.Now()))
	if err := c.printMissingChains(ctx, o); err != nil {
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

// heading returns the line of the daemon whose dialect is configured.
func (c *command) heading(perl, twoSix string) string {
	if c.Server.Dialect == conf.C26 {
		return twoSix
	}
	return "[+] " + perl
}

func (o *grantClient) backendName() string {
	if o.fw == nil {
		return "external"
	}
	return o.fw.Name
}

// chains returns the chains of the backend; none for external commands.
func (o *grantClient) chains(ctx context.Context) ([]enforce.ChainState, error) {
	if o.fw == nil {
		return nil, nil
	}
	s, ok := o.fw.Backend.(chainLister)
	if !ok {
		return nil, nil
	}
	return s.Chains(ctx)
}

// printMissingChains lists the chains that do not exist; 2.6 prints no such lines.
func (c *command) printMissingChains(ctx context.Context, o *grantClient) error {
	chains, err := o.chains(ctx)
	if err != nil || c.Server.Dialect == conf.C26 {
		return err
	}
	for _, ch := range chains {
		if !ch.Exists {
			c.printfln("[-] Table: %s, chain: %s, does not exist", ch.Table, ch.Name)
		}
	}
	return nil
}

// dump prints the tables that fwknopd uses, in the format of the firewall's tools.
func (c *command) dump(ctx context.Context, o *grantClient) error {
	if o.fw == nil {
		return nil
	}
	c.printfln("%s", c.heading("Dumping "+o.backendName()+" policy...", "Listing all "+o.backendName()+" rules in applicable tables..."))
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
	s, ok := part.(chainLister)
	if !ok {
		return nil
	}
	chains, err := s.Chains(ctx)
	if err != nil {
		return err
	}
	return c.dumpNFT(ctx, chains)
}

// maxDump bounds what nft prints of one table.
const maxDump = 256 << 20

// dumpNFT runs nft to print the tables: the netlink library cannot format rules of
// other programs.
func (c *command) dumpNFT(ctx context.Context, chains []enforce.ChainState) error {
	nft := firewall.FindProgram("nft")
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
		text, err := program.Output(ctx, program.Command{
			Argv: []string{nft, "list", "table", family, name}, Timeout: c.Server.FirewallTimeout, MaxOutput: maxDump, KillAtOnce: true,
		})
		if _, printErr := io.WriteString(c.stdout, text); err == nil {
			err = printErr
		}
		if err != nil {
			return fmt.Errorf("nft list table %s: %w", ch.Table, err)
		}
	}
	return nil
}
