// Fwknop is the client of the firewall knock operator: it asks a server that runs fwknopd
// to open ports or to run a command, with one encrypted packet (Single Packet
// Authorization) or with a port-knock sequence. Options and the rc file are those of the 2.6
// client; options of sequences are those of the 1.9 client.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"time"
	"unicode"

	"fwknopd/cmd/fwknop/send"
	"fwknopd/cmd/fwknopd/cli"
)

// Exit codes of the command line contract.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitClosed = 3 // --wait: a port is not open
)

// errInterrupted is the outcome of what an interrupt ended.
var errInterrupted = errors.New("interrupted")

// revision names the commit and is set by the linker.
var revision = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	stdout := cli.NewOutput(os.Stdout)
	c := client{stdin: os.Stdin, stdout: stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now, terminal: readHidden}
	code := c.run(ctx, os.Args[1:])
	os.Exit(stdout.Code(cli.Client, code, os.Stderr))
}

// A client is one run of the program.
type client struct {
	*cli.Options
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	// terminal asks for a secret; stdin says whether standard input may be that of the user.
	terminal func(prompt string, stdin bool) ([]byte, error)
	received io.Writer // with --proxy: gets what the server sends, and stdout is stderr
}

// run is main with its arguments; it returns the exit code.
func (c *client) run(ctx context.Context, args []string) int {
	code := exitOK
	if c.Options, code = cli.Begin(cli.Client, args, c.stdout, c.stderr); c.Options == nil || c.Help {
		return code
	}
	err := c.act(ctx, args)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(c.stderr, "fwknop: %v\n", err)
	var usage *cli.UsageError
	var closed *closedError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &closed):
		return exitClosed
	}
	return exitError
}

// act does what the options ask for.
func (c *client) act(ctx context.Context, args []string) error {
	if c.asksOnly() {
		return c.inform()
	}
	if c.Client.Last {
		if err := c.parseLast(args); err != nil {
			return err
		}
	}
	if c.Client.ProxyHost != "" {
		c.received, c.stdout = c.stdout, c.stderr
	}
	file, err := c.readRC()
	if err != nil {
		return err
	}
	if c.Client.StanzaList {
		return c.listStanzas(file)
	}
	if err := c.applyRC(file); err != nil {
		return err
	}
	if c.KeyGen {
		return c.generateKeys(file)
	}
	if c.Client.SaveStanza { // and go on, as 2.6 does
		if err := c.saveStanza(file); err != nil {
			return err
		}
	}
	err = c.knock(ctx)
	var closed *closedError
	if err == nil || errors.As(err, &closed) { // it was sent
		err = errors.Join(err, c.saveArgs(args))
	}
	return err
}

// asksOnly reports whether the options ask for what needs neither the rc file nor a packet.
func (c *client) asksOnly() bool { return c.Version || c.Set("completion") || c.Client.ShowLast }

// inform writes what asksOnly is about.
func (c *client) inform() error {
	switch {
	case c.Version:
		return c.PrintVersion(c.stdout, revision, fmt.Sprintf("fwknop v%s (revision: %s)\n", cli.Release, revision))
	case c.Set("completion"):
		return cli.ClientCompletions(c.Client.Completion, c.stdout)
	}
	last, err := c.lastArgs()
	if err == nil {
		fmt.Fprintln(c.stdout, joinArgs(append([]string{"fwknop"}, last...)))
	}
	return err
}

// knock makes the packet, or the port-knock sequence, and sends it.
func (c *client) knock(ctx context.Context) error {
	mode, err := c.mode()
	if err != nil {
		return err
	}
	if mode != modePacket {
		return c.knockPorts(ctx, mode)
	}
	if err := c.complete(); err != nil {
		return err
	}
	carrier, p, err := c.packet()
	if err != nil {
		return err
	}
	m, err := c.message(ctx)
	if err != nil {
		return err
	}
	w, err := c.plan(m.Text)
	if err != nil {
		return err
	}
	text, err := c.encrypt(ctx, m)
	if err != nil {
		return err
	}
	if err := c.savePacket(text); err != nil {
		return err
	}
	p.Text = text
	if c.Test {
		return c.show(p, m)
	}
	to, err := carrier.Send(ctx, p)
	if err != nil {
		return fmt.Errorf("sending to %s: %w", p, err)
	}
	c.printSent(p, to)
	return c.wait(ctx, to.Addr(), w)
}

// printSent prints where to connect, if the port is a random one, and with --verbose what was sent.
func (c *client) printSent(p *send.Packet, to netip.AddrPort) {
	if c.Client.NATRandPort {
		fmt.Fprintf(c.stdout, "connect to port %d\n", c.Client.NATPort)
	}
	if c.Verbose > 0 {
		where := to.String()
		if p.Proxy != "" {
			where = fmt.Sprintf("%s through the proxy %s", p, p.Proxy)
		}
		fmt.Fprintf(c.stderr, "fwknop: sent %d bytes to %s over %s\n", len(p.Text), where, c.Client.Proto)
	}
}

// packet returns how the packet is sent; its text is still missing.
func (c *client) packet() (send.Carrier, *send.Packet, error) {
	o := &c.Client
	carrier, err := send.Find(o.Proto)
	if err != nil {
		return carrier, nil, usage("--server-proto: %v", err)
	}
	p := &send.Packet{Host: o.Destination, Port: o.Port, SourcePort: o.SourcePort, Network: c.network(), UserAgent: o.UserAgent,
		ICMPType: -1, ICMPCode: o.ICMPCode}
	if c.Set("icmp-type") {
		p.ICMPType = o.ICMPType
	}
	if o.Proxy != "" {
		if p.Proxy, err = send.ParseProxy(o.Proxy); err != nil {
			return carrier, nil, usage("--http-proxy: %v", err)
		}
	}
	if o.Source != "" {
		if p.Source, err = netip.ParseAddr(o.Source); err != nil || p.Source.Zone() != "" {
			return carrier, nil, usage("--spoof-source %s: that is no IP address", o.Source)
		}
		p.Source = p.Source.Unmap()
	}
	return carrier, p, c.checkCarrier(carrier)
}

// checkCarrier refuses options that the carrier does not know.
func (c *client) checkCarrier(carrier send.Carrier) error {
	o := &c.Client
	switch {
	case o.Source != "" && !carrier.Raw:
		return usage("--spoof-source goes with -P udpraw, tcpraw or icmp, not with %s", o.Proto)
	case (c.Set("icmp-type") || c.Set("icmp-code")) && o.Proto != "icmp":
		return usage("--icmp-type and --icmp-code go with -P icmp")
	case o.ICMPType > 255 || o.ICMPCode > 255:
		return usage("types and codes of ICMP are 0 to 255")
	case strings.ContainsFunc(o.UserAgent, unicode.IsControl):
		return usage("--user-agent has control characters")
	}
	return nil
}

// network names the addresses of the server that may be used, as for package net.
func (c *client) network() string {
	switch {
	case c.Client.IPv4:
		return "ip4"
	case c.Client.IPv6:
		return "ip6"
	}
	return "ip"
}

// savePacket writes the packet to the file of --save-packet.
func (c *client) savePacket(text []byte) error {
	if c.Client.SavePacket == "" {
		return nil
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if c.Client.AppendPacket {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := os.OpenFile(c.Client.SavePacket, flags, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\n", text)
	return errors.Join(err, f.Close())
}
