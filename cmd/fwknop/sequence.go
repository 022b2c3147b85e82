package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknop/rc"
	"fwknopd/cmd/fwknop/send"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
)

// Values of --Server-mode.
const (
	modePacket    = "pcap" // one SPA packet
	modeEncrypted = "knock"
	modeShared    = "shared"
)

// Options that go with a port-knock sequence, with an encrypted one besides, and those
// that go with a sequence only.
var (
	withSequence = []string{"Server-mode", "time-delay", "destination", "named-config", "server-resolve-ipv4", "ipv6",
		"test", "format", "json", "rc-file", "no-rc-file", "no-home-dir", "save-rc-stanza", "force-stanza",
		"last-cmd", "save-args-file", "no-save-args", "verbose", "quiet", "wait", "proxy"}
	withShared    = append([]string{"shared-sequence"}, withSequence...)
	withEncrypted = append([]string{"access", "allow-ip", "source-ip", "resolve-ip-https", "resolve-url", "resolve-http-only",
		"user-agent", "spoof-user", "offset", "rotate-proto", "get-key", "stdin", "fd", "key-rijndael", "key-base64-rijndael"}, withSequence...)
	sequenceOnly = []string{"shared-sequence", "offset", "rotate-proto", "time-delay"}
)

// mode returns what is to be sent, and refuses options that say nothing about it.
func (c *client) mode() (string, error) {
	o := &c.Client
	mode := strings.ToLower(o.ServerMode)
	if mode == "" && o.Sequence != "" {
		mode = modeShared
	}
	var those []string
	switch mode = cmp.Or(mode, modePacket); mode {
	case modePacket:
		for _, name := range sequenceOnly {
			if c.Set(name) {
				return "", usage("--%s goes with a port-knock sequence: --Server-mode %s or %s", name, modeEncrypted, modeShared)
			}
		}
		return mode, nil
	case modeEncrypted:
		those = withEncrypted
	case modeShared:
		those = withShared
		if c.waits() || c.Set("save-rc-stanza") { // -A says which port the sequence opens
			those = append(slices.Clone(those), "access")
		}
	default:
		return "", usage("--Server-mode %s: want %s, %s or %s", o.ServerMode, modePacket, modeEncrypted, modeShared)
	}
	if name := c.Beyond(those); name != "" {
		return "", usage("--%s does not go with --Server-mode %s", name, mode)
	}
	return mode, nil
}

// sequenceOf19 takes the shared sequence for the server from a line of a 1.9 rc file, if
// there is no other.
func (c *client) sequenceOf19(file *rc.File) error {
	e, ok := file.Sequence(c.Client.Destination)
	if !ok || c.Client.Sequence != "" || !strings.EqualFold(c.Client.ServerMode, modeShared) {
		return nil
	}
	if err := setSequence(c.Options, e.Value); err != nil {
		return fmt.Errorf("%s: %w", file.Where(e), err)
	}
	return nil
}

// A sequence is what is sent instead of a packet.
type sequence struct {
	mode    string
	knocks  []parse.Port
	delay   time.Duration
	request *knock.Request // of an encrypted one
	offset  uint16
}

// knockPorts makes a port-knock sequence and sends it.
func (c *client) knockPorts(ctx context.Context, mode string) error {
	s, err := c.sequence(ctx, mode)
	if err != nil {
		return err
	}
	w, err := c.planSequence(s)
	if err != nil {
		return err
	}
	if c.Test {
		return c.showSequence(s)
	}
	to, err := send.Resolve(ctx, c.network(), c.Client.Destination)
	if err != nil {
		return err
	}
	k, err := send.NewKnocker(to, s.knocks)
	if err != nil {
		return err
	}
	if err := errors.Join(c.sendKnocks(ctx, k, to, s), k.Close()); err != nil {
		return err
	}
	return c.wait(ctx, to, w)
}

// sendKnocks sends one knock after the other.
func (c *client) sendKnocks(ctx context.Context, k *send.Knocker, to netip.Addr, s *sequence) (err error) {
	for i, p := range s.knocks {
		if i > 0 {
			err = pause(ctx, s.delay)
		}
		if err == nil {
			err = k.Knock(ctx, p)
		}
		if err != nil {
			return fmt.Errorf("knock %d of %d, %s to %s: %w", i+1, len(s.knocks), p, to, err)
		}
		if c.Verbose > 0 {
			fmt.Fprintf(c.stderr, "fwknop: knock %d of %d, %s to %s\n", i+1, len(s.knocks), p, to)
		}
	}
	return nil
}

// planSequence returns what to wait for after the knocks: the port that an encrypted sequence
// asks for, or those that a shared one opens, which -A names; nil if there is no --wait.
func (c *client) planSequence(s *sequence) (*waiting, error) {
	const sent = "a knock did not arrive, or the sequence was refused"
	switch {
	case !c.waits():
		return nil, nil
	case s.request != nil:
		return c.planPorts(s.request.Addr, s.request.Port.String(), sent)
	case c.Client.Access == "":
		return nil, usage("--wait: which port does the shared sequence open? -A PROTO/PORT, such as -A tcp/22, or ACCESS in the stanza, names it")
	}
	ports, err := conf.ParseSequence(c.Client.Access)
	if err != nil {
		return nil, usage("-A %s: %v", c.Client.Access, err)
	}
	if i := slices.IndexFunc(ports, unreachablePort); i >= 0 {
		return nil, usage("-A %s: there is no port %s", c.Client.Access, ports[i])
	}
	return c.planPorts(netip.IPv4Unspecified(), strings.Join(names(ports), ","), sent)
}

// pause waits between two knocks.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errInterrupted
	}
}

// sequence makes the sequence that the options ask for.
func (c *client) sequence(ctx context.Context, mode string) (*sequence, error) {
	c.completeProxy()
	o := &c.Client
	o.NATPort = 0 // of the stanza [default]: a sequence asks for no translation
	s := &sequence{mode: mode}
	if o.Destination == "" {
		return nil, usage("no server: -D HOST, or -n NAME for a stanza of the rc file (see fwknop --help)")
	}
	var err error
	if s.delay, err = parseDelay(cmp.Or(o.TimeDelay, "1")); err != nil {
		return nil, err
	}
	if mode == modeEncrypted {
		return s, c.encryptSequence(ctx, s)
	}
	if o.Sequence == "" {
		return nil, usage("no sequence: --shared-sequence, SHARED_SEQUENCE in a stanza of the rc file, or as in 1.9 a line %q before the stanzas", o.Destination+": tcp/7000, udp/8000")
	}
	if s.knocks, err = parseSequence(o.Sequence); err != nil {
		return nil, usage("%v", err)
	}
	return s, nil
}

// maxDelay is longer than any KNOCK_INTERVAL that leaves room for a sequence.
const maxDelay = time.Hour

// parseDelay parses seconds, with or without a fraction.
func parseDelay(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text + "s")
	if err != nil || strings.Trim(text, "0123456789.") != "" || d > maxDelay {
		return 0, usage("--time-delay %s: want seconds, such as 2 or 0.5", text)
	}
	return d, nil
}

func parseSequence(text string) ([]parse.Port, error) {
	knocks, err := conf.ParseSequence(text)
	if err != nil {
		return nil, fmt.Errorf("the shared sequence: %w", err)
	}
	for _, p := range knocks {
		if unreachablePort(p) {
			return nil, fmt.Errorf("the shared sequence: no packet can be sent to %s", p)
		}
	}
	return knocks, nil
}

// unreachablePort reports whether no packet can be sent to that port.
func unreachablePort(p parse.Port) bool { return p.HasNumber() && p.Number == 0 }

// defaultOffset is that of the servers.
const defaultOffset = 61000

// encryptSequence makes the knocks of an encrypted sequence.
func (c *client) encryptSequence(ctx context.Context, s *sequence) (err error) {
	o := &c.Client
	if c.Set("offset") && o.Offset == 0 || o.Offset > maxPort {
		return usage("--offset %d is no port", o.Offset)
	}
	s.offset = uint16(cmp.Or(o.Offset, defaultOffset))
	if s.request, err = c.request(ctx); err != nil {
		return err
	}
	code := knock.Coding{Offset: s.offset, Rotate: o.Rotate}
	if code.Key, err = c.passphrase("Key: "); err != nil {
		return err
	}
	rand.Read(code.Salt[:]) // never returns an error
	if s.knocks, err = s.request.Knocks(&code); err != nil {
		return usage("%v", err)
	}
	return nil
}

// request returns the message of an encrypted sequence.
func (c *client) request(ctx context.Context) (*knock.Request, error) {
	o := &c.Client
	if err := c.completeAllow(); err != nil {
		return nil, err
	}
	ports, err := conf.ParseSequence(o.Access)
	switch {
	case o.Access == "":
		return nil, usage("nothing is asked for: -A PROTO/PORT, such as -A tcp/22")
	case err != nil:
		return nil, usage("-A %s: %v", o.Access, err)
	case len(ports) != 1:
		return nil, usage("-A %s: an encrypted sequence asks for one port", o.Access)
	}
	c.setDefaults() // for the request to the server of --resolve-url
	allow, err := c.allow(ctx)
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(allow)
	if err != nil {
		return nil, err
	}
	name, err := c.userName()
	return &knock.Request{Addr: addr, Port: ports[0], User: name}, err
}
