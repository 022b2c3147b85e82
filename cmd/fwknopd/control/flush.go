package control

import (
	"context"
	"fmt"
	"net/netip"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// flush is --fw-flush. The 2.6 daemon takes its chains away with it; 1.9 and we do
// so with --fw-del-chains.
func (c *command) flush() int {
	ctx := context.Background()
	o, err := openOpenings(ctx, c.Loaded)
	if err != nil {
		return c.fail(err)
	}
	defer o.close()
	chains, err := o.chains(ctx)
	if err != nil {
		return c.fail(err)
	}
	c.say("%s", c.head("Flushing "+o.name()+" fwknop chains...", "Deleting any existing firewall rules..."))
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
		c.flushed(chains, remove)
	}
	return exitOK
}

// flushed says what became of each chain.
func (c *command) flushed(chains []enforce.ChainState, removed bool) {
	for _, ch := range chains {
		if !ch.Exists {
			c.say("[-] Chain: %s does not exist.", ch.Name)
			continue
		}
		c.say("[+] Flushed: %s", ch.Name)
		if removed {
			c.say("[+] Deleted: %s, and the jump to it", ch.Name)
		}
	}
}

// deleteIP is --fw-del-ip: everything that is open for an address, or a network.
func (c *command) deleteIP() int {
	src, err := source(c.FWDelIP)
	if err != nil {
		return c.fail(fmt.Errorf("--fw-del-ip: %w", err))
	}
	ctx := context.Background()
	o, err := openOpenings(ctx, c.Loaded)
	if err != nil {
		return c.fail(err)
	}
	defer o.close()
	closed, err := o.revoke(ctx, Selection{Src: src})
	for _, g := range closed {
		c.say("[+] Closed: %s for %s", portsText(g), g.Src)
	}
	if err != nil {
		return c.fail(err)
	}
	if len(closed) == 0 {
		c.say("[-] Nothing is open for %s", c.FWDelIP)
	}
	return exitOK
}

// source reads an address or a network.
func source(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or a network", text)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
