package replay

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
	"fwknopd/policy/totp"
)

var _ config.Runner = Expect

// Expect passes the packets of an EXPECT line to a new engine of the configuration
// and returns its decision, which `fwknopd check` compares.
func Expect(l *config.Loaded, x conf.Expectation) (config.Outcome, error) {
	o := newOptions(&cli.Options{}, nil, io.Discard, io.Discard)
	if x.File != "" {
		return o.expectFile(l, x)
	}
	d, err := o.engine(l, &frameFilter{}, false)
	if err != nil {
		return config.Outcome{}, err
	}
	now := x.At
	if now.IsZero() {
		now = time.Now()
	}
	if x.Knock != nil {
		return expectKnock(d, x, now)
	}
	payload := x.Payload
	if payload == nil {
		if payload, err = buildMessage(l.Access, x, now); err != nil {
			return config.Outcome{}, err
		}
	}
	ev := eventOf(l.Access, x, now)
	ev.Proto, ev.Payload, ev.Len = parse.UDP, payload, uint16(min(28+len(payload), 1<<16-1))
	decision := d.Decide(now, ev)
	return outcomeOf(now, &decision), nil
}

// eventOf returns a packet with the addresses of the line.
func eventOf(a *conf.Access, x conf.Expectation, at time.Time) *parse.Event {
	to := x.To
	if !to.IsValid() {
		to = destination(a, x)
	}
	return &parse.Event{Time: at, Origin: parse.OriginSocket,
		Src: netip.AddrPortFrom(x.From, 40000), Dst: netip.AddrPortFrom(to, spa.DefaultPort)}
}

// destination returns the destination of a packet if the line gives none: the first
// address of the stanza's DESTINATION, else loopback.
func destination(a *conf.Access, x conf.Expectation) netip.Addr {
	if st := findStanza(a, x); st != nil && len(st.Destination.Include) > 0 {
		if to := st.Destination.Include[0].Addr(); !to.IsUnspecified() {
			return to
		}
	}
	if x.From.Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// findStanza returns the stanza that holds the line; for a line in a separate file,
// the first stanza with a key for the sender.
func findStanza(a *conf.Access, x conf.Expectation) *conf.Stanza {
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		if x.Stanza == st.Number || x.Stanza == 0 && st.Mode == conf.ModeSPA && !st.Key.IsZero() && st.Source.Contains(x.From) {
			return st
		}
	}
	return nil
}

// buildMessage returns the SPA packet that a client of the stanza would send.
func buildMessage(a *conf.Access, x conf.Expectation, now time.Time) ([]byte, error) {
	st := findStanza(a, x)
	if st == nil {
		return nil, fmt.Errorf("no stanza has a key for %s", x.From)
	}
	if st.Key.IsZero() {
		return nil, errors.New("the stanza has no KEY to make a message with; use payload")
	}
	m := spa.Message{User: cmp.Or(x.User, "user"), Time: now.Add(-x.Age).Unix(), Version: "3.0.0", Type: spa.Access, ServerAuth: serverAuth(st, now)}
	if st.Dialect == conf.Perl19 {
		m.Version, m.Perl19 = "1.9.12", true
	}
	allow := x.Allow
	if !allow.IsValid() {
		allow = x.From
	}
	switch {
	case x.Run != "":
		m.Type, m.Text = spa.Command, allow.String()+","+x.Run
	case x.NAT.IsValid() && x.Timeout > 0:
		m.Type = spa.NATAccessTimeout
	case x.NAT.IsValid():
		m.Type = spa.NATAccess
	case x.Timeout > 0:
		m.Type = spa.AccessTimeout
	}
	if x.Run == "" {
		m.Text = allow.String() + "," + portList(x.Ask)
	}
	if x.NAT.IsValid() {
		m.NAT = fmt.Sprintf("%s,%d", x.NAT.Addr(), x.NAT.Port())
	}
	if x.Timeout > 0 && x.Run == "" {
		m.HasTimeout, m.Timeout = true, uint32(x.Timeout/time.Second)
	}
	key := spa.Key{Passphrase: st.Key.Bytes(), LegacyPad: st.Dialect == conf.Perl19, Mode: st.EncryptionMode,
		HMACKey: st.HMACKey.Bytes(), HMACType: st.HMACType}
	return spa.Encode(&m, key, spa.EncodeOptions{Rand: rand.Reader})
}

// serverAuth returns the field with the one-time code of now, "" if the stanza wants none.
func serverAuth(st *conf.Stanza, now time.Time) string {
	if st.AuthMethod != conf.AuthTOTP {
		return ""
	}
	return conf.AuthTOTP + "," + totp.New(st.TOTPSecret.Bytes()).Code(totp.Step(now))
}

// portList returns the ports as clients write them.
func portList(ports []conf.Port) string {
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = fmt.Sprintf("%s/%d", p.Proto, p.Number)
	}
	return strings.Join(words, ",")
}

// expectKnock decides the knocks and returns the outcome of the last one.
func expectKnock(d *decider, x conf.Expectation, now time.Time) (config.Outcome, error) {
	var last policy.Decision
	for i, p := range x.Knock {
		at := now.Add(time.Duration(i-len(x.Knock)+1) * x.Gap)
		ev := eventOf(d.access, x, at)
		ev.Origin, ev.Proto, ev.Len, ev.ID = parse.OriginKernel, p.Proto, 60, uint16(1000*i+1)
		ev.Src = netip.AddrPortFrom(x.From, uint16(40000+i))
		ev.Dst = netip.AddrPortFrom(ev.Dst.Addr(), p.Number)
		switch ev.Proto {
		case parse.TCP:
			ev.Flags = parse.SYN
		case parse.ICMP:
			ev.ICMPType = 8
			if x.From.Is6() {
				ev.Proto, ev.ICMPType = parse.ICMPv6, 128
			}
		}
		last = d.Decide(at, ev)
	}
	return outcomeOf(now, &last), nil
}

// expectFile replays a file and returns the outcome of the record asked for, or of the
// last one that was not ignored.
func (o *options) expectFile(l *config.Loaded, x conf.Expectation) (config.Outcome, error) {
	name := x.File
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(x.Pos.File), name)
	}
	o.Operands = []string{name}
	c := &frameFilter{}
	d, err := o.engine(l, c, true)
	if err != nil {
		return config.Outcome{}, err
	}
	src, err := o.read(d.server, c)
	if err != nil {
		return config.Outcome{}, err
	}
	defer src.Close()
	last := config.Outcome{Verdict: report.Ignored}
	err = forEachDecision(src, d, func(now time.Time, record int64, decision *policy.Decision) {
		if x.Record == 0 && decision.Verdict != policy.Ignore || record == int64(x.Record) {
			last = outcomeOf(now, decision)
		}
	})
	return last, err
}

// outcomeOf converts a decision to an outcome.
func outcomeOf(now time.Time, d *policy.Decision) config.Outcome {
	out := config.Outcome{Verdict: report.VerdictOf(d), Reason: string(d.Reason), Text: report.Describe(d.Reason, &d.Detail)}
	if d.Verdict != policy.Allow || d.Command != nil {
		return out
	}
	out.Ports = d.Grant.Ports
	if !d.Grant.Expires.IsZero() {
		out.For = d.Grant.Expires.Sub(now)
	}
	return out
}
