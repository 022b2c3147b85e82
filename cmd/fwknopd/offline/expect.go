package offline

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

var _ config.Runner = Expect

// Expect shows the packets of an EXPECT line to an engine made of the configuration
// and says what it decided; `fwknopd check` compares. Each line meets an engine that
// has seen nothing.
func Expect(l *config.Loaded, x conf.Expectation) (config.Outcome, error) {
	o := &options{format: "text", diagnostic: nowhere{}}
	if x.File != "" {
		return o.expectFile(l, x)
	}
	d, err := o.engine(l, &candidates{}, false)
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
		if payload, err = message(l.Access, x, now); err != nil {
			return config.Outcome{}, err
		}
	}
	ev := eventOf(l.Access, x, now)
	ev.Proto, ev.Payload, ev.Len = parse.UDP, payload, uint16(min(28+len(payload), 1<<16-1))
	decision := d.Decide(now, ev)
	return outcomeOf(now, &decision), nil
}

// nowhere is for diagnostics that the caller has no use for.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// eventOf is a packet from and to the addresses of the line.
func eventOf(a *conf.Access, x conf.Expectation, at time.Time) *parse.Event {
	to := x.To
	if !to.IsValid() {
		to = destination(a, x)
	}
	return &parse.Event{Time: at, Origin: parse.OriginSocket,
		Src: netip.AddrPortFrom(x.From, 40000), Dst: netip.AddrPortFrom(to, 62201)}
}

// destination is where a packet goes that the line sends anywhere: to an address of
// the stanza's, if it says which are.
func destination(a *conf.Access, x conf.Expectation) netip.Addr {
	if st := stanzaOf(a, x); st != nil && len(st.Destination.Include) > 0 {
		if to := st.Destination.Include[0].Addr(); !to.IsUnspecified() {
			return to
		}
	}
	if x.From.Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// stanzaOf is the stanza the line stands in; of a line in a file of its own the
// first that has a key for the sender.
func stanzaOf(a *conf.Access, x conf.Expectation) *conf.Stanza {
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		if x.Stanza == st.Number || x.Stanza == 0 && st.Mode == conf.ModeSPA && !st.Key.IsZero() && st.Source.Contains(x.From) {
			return st
		}
	}
	return nil
}

// message makes the SPA packet that a client of the stanza would send.
func message(a *conf.Access, x conf.Expectation, now time.Time) ([]byte, error) {
	st := stanzaOf(a, x)
	if st == nil {
		return nil, fmt.Errorf("no stanza has a key for %s", x.From)
	}
	if st.Key.IsZero() {
		return nil, errors.New("the stanza has no KEY to make a message with; use payload")
	}
	m := spa.Message{User: cmp.Or(x.User, "user"), Time: now.Add(-x.Age).Unix(), Version: "3.0.0", Type: spa.Access}
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

// portList is the ports as clients write them.
func portList(ports []conf.Port) string {
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = fmt.Sprintf("%s/%d", enforce.ProtoName(p.Proto), p.Number)
	}
	return strings.Join(words, ",")
}

// expectKnock sends the knocks; what came of the last one counts.
func expectKnock(d *decider, x conf.Expectation, now time.Time) (config.Outcome, error) {
	var last policy.Decision
	for i, p := range x.Knock {
		at := now.Add(time.Duration(i-len(x.Knock)+1) * x.Gap)
		ev := eventOf(d.access, x, at)
		ev.Origin, ev.Proto, ev.Len, ev.ID = parse.OriginKernel, parse.Proto(p.Proto), 60, uint16(1000*i+1)
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

// expectFile replays a file; the record asked for counts, or the last one that the
// engine had something to say about.
func (o *options) expectFile(l *config.Loaded, x conf.Expectation) (config.Outcome, error) {
	name := x.File
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(x.Pos.File), name)
	}
	o.inputs = []string{name}
	c := &candidates{}
	d, err := o.engine(l, c, true)
	if err != nil {
		return config.Outcome{}, err
	}
	src, err := o.read(d.server, c)
	if err != nil {
		return config.Outcome{}, err
	}
	defer src.Close()
	last := config.Outcome{Verdict: verdictIgnored}
	err = eachDecision(src, d, func(now time.Time, record int64, decision *policy.Decision) {
		if x.Record == 0 && decision.Verdict != policy.Ignore || record == int64(x.Record) {
			last = outcomeOf(now, decision)
		}
	})
	return last, err
}

// outcomeOf puts a decision into the words of an expectation.
func outcomeOf(now time.Time, d *policy.Decision) config.Outcome {
	out := config.Outcome{Verdict: verdictOf(d), Reason: string(d.Reason), Text: describe(d.Reason, &d.Detail)}
	if d.Verdict != policy.Allow || d.Command != nil {
		return out
	}
	for _, p := range d.Grant.Ports {
		out.Ports = append(out.Ports, conf.Port(p))
	}
	if !d.Grant.Expires.IsZero() {
		out.For = d.Grant.Expires.Sub(now)
	}
	return out
}
