package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"fwknopd/cmd/fwknop/send"
)

// A waiting is what --wait does once the packet is sent.
type waiting struct {
	limit   time.Duration
	allowed netip.Addr // the address that is to be let in; unspecified: that of the packet
	tcp     []string   // ports to try
	others  []string   // what cannot be tried, such as udp/53
	sent    string     // what did not arrive or was refused, if there is no answer
}

// waits reports whether there is to be a try, by --wait or --proxy.
func (c *client) waits() bool { return c.Set("wait") || c.Client.Wait != "" }

// plan returns what to wait for after the packet with that message, an address and ports,
// nil if there is no --wait.
func (c *client) plan(message string) (*waiting, error) {
	if !c.waits() {
		return nil, nil
	}
	allowed, access, _ := strings.Cut(message, ",")
	addr, err := netip.ParseAddr(allowed)
	if err != nil {
		return nil, err
	}
	return c.planPorts(addr, access, "the packet did not arrive or was refused")
}

// planPorts returns what to wait for: ports with commas between them that are to open for an
// address.
func (c *client) planPorts(allowed netip.Addr, access, sent string) (*waiting, error) {
	limit, err := parseTime(c.Client.Wait)
	if err != nil || limit == 0 {
		return nil, usage("--wait=%s: want a time, such as 500ms, 5s or 1min", c.Client.Wait)
	}
	w := &waiting{limit: limit, allowed: allowed, sent: sent}
	for item := range strings.SplitSeq(access, ",") {
		if port, ok := strings.CutPrefix(item, "tcp/"); ok {
			w.tcp = append(w.tcp, port)
		} else {
			w.others = append(w.others, item)
		}
	}
	if c.Client.ProxyHost != "" {
		return w, c.planProxy(w, access)
	}
	return w, nil
}

// wait tries the ports until they are open or the time is over. to is where the packet
// or the knocks were sent, the zero Addr if a proxy has it.
func (c *client) wait(ctx context.Context, to netip.Addr, w *waiting) error {
	if w == nil {
		return nil
	}
	for _, item := range w.others {
		fmt.Fprintf(c.stdout, "%s cannot be tried: only TCP ports say whether they are open\n", item)
	}
	begin, host := time.Now(), cmp.Or(c.Client.ProxyHost, c.Client.Destination)
	addr, err := c.addressOf(ctx, host, to, w.allowed)
	if err != nil {
		return err
	}
	trying, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	found := make(chan *outcome, len(w.tcp))
	for _, port := range w.tcp {
		go func() { found <- try(trying, dialer(net.JoinHostPort(addr.String(), port))).of(port) }()
	}
	var closed []error
	for range w.tcp {
		o := <-found
		switch {
		case o.conn == nil && ctx.Err() != nil:
			return errInterrupted
		case o.conn == nil:
			where := fmt.Sprintf("tcp/%s at %s", o.port, host)
			closed = append(closed, &closedError{fmt.Sprintf("%s is still closed after %s: %s", where, w.limit, w.advice(o.err))})
			continue
		}
		if c.received == nil || c.Verbose > 0 {
			fmt.Fprintf(c.stdout, "tcp/%s at %s: open after %d ms%s\n", o.port, host, time.Since(begin).Milliseconds(), o.remark())
		}
		if c.received != nil {
			return c.relay(ctx, o.conn)
		}
		o.conn.Close()
	}
	return errors.Join(closed...)
}

// addressOf returns the address of host to try. It is of the family of the address that
// is let in, and where the packet was sent if that will do.
func (c *client) addressOf(ctx context.Context, host string, to, allowed netip.Addr) (netip.Addr, error) {
	network := c.network()
	switch {
	case !allowed.IsUnspecified():
		network = "ip" + family(allowed)
	case to.IsValid():
		network = "ip" + family(to)
	}
	if host == c.Client.Destination && to.IsValid() && network == "ip"+family(to) {
		return to, nil
	}
	addr, err := send.Resolve(ctx, network, host)
	if err != nil {
		err = fmt.Errorf("an address of %s to try (%s): %w", host, network, err)
	}
	return addr, err
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

// A closedError says that a port did not open in time.
type closedError struct{ text string }

func (e *closedError) Error() string { return e.text }

// advice says what the last answer means, or that there was none, and where to look next.
func (w *waiting) advice(err error) string {
	who := "ADDRESS, the one that it sees this host under"
	seen := ""
	if !w.allowed.IsUnspecified() {
		who = w.allowed.String()
		seen = ", or the server does not see this host under " + who
	}
	why := "; on the server: fwknopd why " + who
	switch {
	case err == nil:
		return "no answer: " + w.sent + seen + why
	case isAny(err, refused):
		return "refused: no program listens on that port, or the firewall rejects whom it has not let in" + why
	case isAny(err, unreachable):
		return "unreachable: there is no way to that address, or a firewall rejects whom it has not let in" + why
	}
	return err.Error()
}

// What the kernel makes of a RST, and of ICMP messages. Windows has numbers of its own.
var (
	refused     = []error{syscall.ECONNREFUSED, syscall.Errno(10061)}
	unreachable = []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.Errno(10065), syscall.Errno(10051), syscall.Errno(10013)}
)

func isAny(err error, list []error) bool {
	return slices.ContainsFunc(list, func(e error) bool { return errors.Is(err, e) })
}
