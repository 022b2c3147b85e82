package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os/user"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknop/send"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/spa"
)

// protocol is the version of the messages, which 2.6 clients send.
const protocol = "3.0.0"

// The lowest of random ports, and the highest of all.
const (
	randomFrom = 10000
	maxPort    = 65535
)

// complete checks that the options say what is asked for, and of which server, and fills
// in what was not given.
func (c *client) complete() error {
	o := &c.Client
	c.completeProxy()
	switch {
	case o.Destination == "":
		return usage("no server: -D HOST, or -n NAME for a stanza of the rc file (see fwknop --help)")
	case o.Access == "" && o.Command == "":
		return usage("nothing is asked for: -A PROTO/PORT, such as -A tcp/22, or -C COMMAND")
	case o.Proxy != "" && c.Set("server-proto") && !strings.EqualFold(o.Proto, "http"):
		return usage("--http-proxy goes with -P http, not with %s", o.Proto)
	}
	if err := c.completeAllow(); err != nil {
		return err
	}
	for _, p := range []struct {
		option string
		port   int
	}{{"server-port", o.Port}, {"source-port", o.SourcePort}, {"nat-port", o.NATPort}} {
		if p.port > maxPort {
			return usage("--%s: %d is no port", p.option, p.port)
		}
	}
	c.setDefaults()
	return nil
}

// completeAllow checks that the options say which address is to be let in.
func (c *client) completeAllow() error {
	o := &c.Client
	switch {
	case o.AllowIP == "" && !o.SourceIP && !o.Resolve:
		return usage("which address is to be let in? -a IP, or -s for the one that the packet comes from")
	case o.Resolve && o.ResolveURL == "":
		return usage("-R asks a web server for the address of this host: name one with --resolve-url URL (2.6 asked one of its authors), or give the address with -a")
	}
	return nil
}

// setDefaults fills in what was not given.
func (c *client) setDefaults() {
	o := &c.Client
	o.Proto = cmp.Or(strings.ToLower(o.Proto), "udp")
	if o.Proxy != "" {
		o.Proto = "http"
	}
	if o.RandPort {
		o.Port = randomPort()
	}
	if o.Proto == "http" && o.Port == 0 {
		o.Port = send.HTTPPort
	}
	o.Port = cmp.Or(o.Port, spa.DefaultPort)
	if o.NATRandPort {
		o.NATPort = randomPort()
	}
	o.UserAgent = cmp.Or(o.UserAgent, "Fwknop/"+cli.Release)
}

func usage(format string, a ...any) error {
	return &cli.UsageError{Text: fmt.Sprintf(format, a...)}
}

func randomPort() int {
	n, _ := rand.Int(rand.Reader, big.NewInt(maxPort-randomFrom+1)) // never returns an error
	return randomFrom + int(n.Int64())
}

// message makes the message that the options ask for.
func (c *client) message(ctx context.Context) (*spa.Message, error) {
	offset, err := c.timeOffset()
	if err != nil {
		return nil, err
	}
	allow, err := c.allow(ctx)
	if err != nil {
		return nil, err
	}
	name, err := c.userName()
	if err != nil {
		return nil, err
	}
	m := &spa.Message{User: name, Time: c.now().Add(offset).Unix(), Version: protocol, DigestType: strings.ToLower(c.Client.DigestType)}
	if m.ServerAuth, err = c.serverAuth(ctx); err != nil {
		return nil, err
	}
	if c.Client.Command != "" {
		m.Type, m.Text = spa.Command, allow+","+c.Client.Command
		if c.Client.FWTimeout > 0 || c.Client.NATAccess != "" || c.Client.NATLocal || c.Client.NATPort != 0 {
			return nil, usage("-C COMMAND goes with no --fw-timeout and no NAT option")
		}
		return m, nil
	}
	access, nat, err := c.ports(ctx)
	if err != nil {
		return nil, err
	}
	m.Text, m.NAT = allow+","+access, nat
	m.Type = messageType(nat != "", c.Client.NATLocal, c.Client.FWTimeout > 0)
	m.Timeout, m.HasTimeout = uint32(c.Client.FWTimeout), c.Client.FWTimeout > 0
	return m, nil
}

func messageType(nat, local, timeout bool) spa.Type {
	switch {
	case nat && local && timeout:
		return spa.LocalNATAccessTimeout
	case nat && local:
		return spa.LocalNATAccess
	case nat && timeout:
		return spa.NATAccessTimeout
	case nat:
		return spa.NATAccess
	case timeout:
		return spa.AccessTimeout
	}
	return spa.Access
}

// allow returns the address to let in; 0.0.0.0 is that of the packet.
func (c *client) allow(ctx context.Context) (string, error) {
	switch {
	case c.Client.SourceIP:
		return "0.0.0.0", nil
	case c.Client.Resolve:
		return c.resolveOwn(ctx)
	}
	a, err := netip.ParseAddr(c.Client.AllowIP)
	if err != nil || a.Zone() != "" {
		return "", usage("-a %s: that is no IP address", c.Client.AllowIP)
	}
	return a.Unmap().String(), nil
}

// userName returns the name in the message: that of the option, of the environment, or of
// the user who runs the client.
func (c *client) userName() (string, error) {
	if c.Client.User != "" {
		return c.Client.User, nil
	}
	if name := c.getenv("SPOOF_USER"); name != "" {
		return name, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("no user name, give one with -U: %w", err)
	}
	return u.Username[strings.LastIndexByte(u.Username, '\\')+1:], nil // without the domain of Windows
}

// checkAccess checks the form of -A.
func checkAccess(access string) error {
	for item := range strings.SplitSeq(access, ",") {
		proto, port, ok := strings.Cut(item, "/")
		switch n, err := strconv.ParseUint(port, 10, 16); {
		case ok && err == nil && n > 0 && (proto == "tcp" || proto == "udp"):
		case port == "tcp" || port == "udp":
			return usage("-A %s: want %s/%s", access, port, proto)
		case !ok && strings.Trim(item, "0123456789") == "" && item != "":
			return usage("-A %s: want tcp/%s or udp/%[2]s", access, item)
		default:
			return usage("-A %s: want PROTO/PORT, such as tcp/22 or udp/53, with commas between several", access)
		}
	}
	return nil
}

// ports returns the ports to ask for and the NAT field, "" without translation. As in
// 2.6, with --nat-port that port is asked for and the one of -A is its target.
func (c *client) ports(ctx context.Context) (access, nat string, err error) {
	o := &c.Client
	access = o.Access
	if err := checkAccess(access); err != nil {
		return "", "", err
	}
	if o.NATAccess == "" && !o.NATLocal {
		if o.NATPort != 0 {
			return "", "", usage("--nat-port and --nat-rand-port go with --nat-access or --nat-local")
		}
		return access, "", nil
	}
	proto, port, _ := strings.Cut(access, "/")
	if strings.Contains(port, ",") {
		return "", "", usage("-A %s: only one port can be forwarded", access)
	}
	host, target, err := c.natTarget(ctx, port)
	if err != nil {
		return "", "", err
	}
	if o.NATPort != 0 {
		access = proto + "/" + strconv.Itoa(o.NATPort)
	}
	return access, host + "," + target, nil
}

// natTarget returns where the port is forwarded to.
func (c *client) natTarget(ctx context.Context, port string) (host, target string, err error) {
	o := &c.Client
	if o.NATAccess != "" {
		host, target = splitTarget(o.NATAccess)
		if target == "" {
			target = port
		}
		return host, target, nil
	}
	a, err := send.Resolve(ctx, c.network(), o.Destination)
	if err != nil {
		return "", "", fmt.Errorf("--nat-local needs the address of the server: %w", err)
	}
	return a.String(), port, nil
}

// splitTarget splits HOST, HOST:PORT or HOST,PORT; an IPv6 address before :PORT is in
// brackets.
func splitTarget(s string) (host, port string) {
	if host, port, ok := strings.Cut(s, ","); ok {
		return strings.Trim(host, "[]"), port
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return s, ""
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return strings.Trim(s[:i], "[]"), s[i+1:]
	}
	return strings.Trim(s, "[]"), ""
}

func (c *client) timeOffset() (time.Duration, error) {
	plus, err := parseTime(c.Client.TimePlus)
	if err != nil {
		return 0, err
	}
	minus, err := parseTime(c.Client.TimeMinus)
	return plus - minus, err
}

const day = 24 * time.Hour

// units are the units of a time by their first letter; ms is another.
var units = map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}

// parseTime parses a number with a unit, as 500ms, 60, 60sec, 10min, 2hours or 2days.
func parseTime(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := strings.ToLower(s[len(digits):])
	n, err := strconv.ParseUint(digits, 10, 31)
	scale, known := units[unit[:min(1, len(unit))]]
	if unit == "ms" {
		scale = time.Millisecond
	}
	if err != nil || !known || time.Duration(n) > 100*365*day/scale {
		return 0, usage("time %q: want a number with the unit ms, s, min, hours or days", s)
	}
	return time.Duration(n) * scale, nil
}

// encrypt returns the packet of m.
func (c *client) encrypt(ctx context.Context, m *spa.Message) (text []byte, err error) {
	if c.usesGPG() {
		text, err = c.encryptGPG(ctx, m)
	} else {
		text, err = c.encryptRijndael(m)
	}
	if errors.Is(err, spa.ErrMalformed) {
		return nil, usage("the server would refuse this: %v", err)
	}
	return text, err
}

func (c *client) encryptRijndael(m *spa.Message) ([]byte, error) {
	k, err := c.keys()
	if err != nil {
		return nil, err
	}
	if k.Mode == "legacy" && len(k.HMACKey) > 0 {
		return nil, usage("mode legacy is for servers that know no HMAC; use cbc, the default, with one")
	}
	return spa.Encode(m, k, spa.EncodeOptions{Rand: rand.Reader, Tag: !c.Client.NoTag})
}
