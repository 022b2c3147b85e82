package control

import (
	"context"
	"fmt"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// flush implements --fw-flush. The 2.6 daemon also removes its chains; 1.9 and
// fwknopd remove them with --fw-del-chains.
func (c *command) flush() int {
	ctx := context.Background()
	o := newGrantClient(c)
	defer o.close()
	if err := o.openFirewall(ctx); err != nil {
		return c.fail(err)
	}
	chains, err := o.chains(ctx)
	if err != nil {
		return c.fail(err)
	}
	c.printfln("%s", c.heading("Flushing "+o.backendName()+" fwknop chains...", "Deleting any existing firewall rules..."))
	if err := o.flush(ctx); err != nil {
		return c.fail(err)
	}
	remove := c.FWDelChains || c.Server.Dialect == conf.C26
	if remove && o.fw != nil {
		if err := o.fw.Teardown(ctx); err != nil {
			return c.fail(err)
		}
	}
	if c.Server.Dialect != conf.C26 {
		c.printFlushed(chains, remove)
	}
	return exitOK
}

// printFlushed prints one line for each chain.
func (c *command) printFlushed(chains []enforce.ChainState, removed bool) {
	for _, ch := range chains {
		if !ch.Exists {
			c.printfln("[-] Chain: %s does not exist.", ch.Name)
			continue
		}
		c.printfln("[+] Flushed: %s", ch.Name)
		if removed {
			c.printfln("[+] Deleted: %s, and the jump to it", ch.Name)
		}
	}
}

// deleteIP implements --fw-del-ip: it revokes all grants of an address or network.
func (c *command) deleteIP() int {
	src, err := cli.ParsePrefix(c.FWDelIP)
	if err != nil {
		return c.fail(fmt.Errorf("--fw-del-ip: %w", err))
	}
	ctx := context.Background()
	o := newGrantClient(c)
	defer o.close()
	a, err := o.revoke(ctx, Selection{Src: src}, "")
	closed := a.Grants
	if c.JSON() {
		if _, failed := c.stdout.Write(report.GrantsJSON(closed, o.titlesOf(closed), time.Now())); failed != nil {
			return c.fail(failed)
		}
		if err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	for i := range closed {
		c.printfln("[+] Closed: %s", report.ClosedText(&closed[i]))
	}
	if err != nil {
		return c.fail(err)
	}
	if len(closed) == 0 {
		c.printfln("[-] Nothing is open for %s", c.FWDelIP)
	}
	return exitOK
}
