package replay

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// errRefused makes explain exit with 3.
var errRefused = errors.New("")

// Explain implements `fwknopd explain`: it shows how every stage and stanza treats
// one packet. It returns the exit code: 0 if the packet is allowed, 3 if not.
func Explain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f, code := cli.Begin(cli.Explain, args, stdout, stderr)
	if f == nil {
		return code
	}
	o := newOptions(f, stdin, stdout, stderr)
	if err := o.checkExplain(); err != nil {
		return cli.Explain.Refuse(stderr, err)
	}
	if o.Payload != "" {
		return o.exit("explain", o.explainPayload())
	}
	return o.exit("explain", o.explainRecord())
}

func (o *options) checkExplain() error {
	switch {
	case o.Payload != "" && len(o.Operands) > 0:
		return errors.New("--payload and a file exclude each other")
	case o.Payload == "" && len(o.Operands) == 0:
		return errors.New("give a file and --record N, or --payload")
	case o.Payload == "":
		return o.parseRecordFlag()
	}
	_, err := o.packet("") // validates the options beside the payload
	return err
}

// parseRecordFlag parses --record.
func (o *options) parseRecordFlag() error {
	number := o.Record
	if i := strings.LastIndexByte(number, ':'); i >= 0 {
		o.record.Name, number = number[:i], number[i+1:]
	}
	var err error
	if o.record.Record, err = strconv.ParseInt(number, 10, 64); err != nil || o.record.Record < 1 {
		return errors.New("--record N is needed, counted from 1")
	}
	return nil
}

// explainRecord decides all records before the one asked for, because its decision
// may depend on them, and then explains that one.
func (o *options) explainRecord() error {
	var src *ingest.Reader
	o.recordOf = func() int64 { return src.Stats().Position().Record }
	c := &frameFilter{all: true}
	d, err := o.load("", c)
	if err != nil {
		return err
	}
	if src, err = o.read(d.server, c); err != nil {
		return err
	}
	defer src.Close()
	if o.record.Name == "" {
		if o.record.Name, err = src.Sole(); err != nil {
			return fmt.Errorf("--record FILE:N is needed: %w", err)
		}
	}
	for ev := new(parse.Event); ; {
		err := src.Next(context.Background(), ev)
		at := src.Stats().Position()
		switch skipped := errors.Is(err, parse.ErrSkip); {
		case err != nil && !skipped:
			return o.recordNotFound(src, err)
		case at == o.record && skipped:
			return fmt.Errorf("%s: record %d holds no packet: %w", at.Name, at.Record, err)
		case at == o.record:
			ok, err := o.explain(d, ev.Time, ev, at)
			if err != nil {
				return err
			}
			return refusedUnless(ok)
		case !skipped:
			d.decide(ev)
		}
	}
}

// decide decides an event that comes before one that is explained.
func (d *decider) decide(ev *parse.Event) {
	decision := d.Decide(ev.Time, ev)
	d.enter(ev, &decision)
	for i := range decision.Others {
		d.enter(ev, &decision.Others[i])
	}
}

// enter adds what a decision grants to what is open, see [openGrants.enter].
func (d *decider) enter(ev *parse.Event, decision *policy.Decision) *monitor.Event {
	if decision.Verdict != policy.Allow {
		return nil
	}
	if !ev.Time.IsZero() {
		d.now = ev.Time
	}
	for d.open.popExpired(d.now) != nil {
	}
	var entry report.Entry
	entry.Set(ev.Time, ev, decision, ingest.Position{})
	return d.open.enter(&entry, d.now)
}

// recordNotFound returns why the record was not found; end is the error that reading
// ended with.
func (o *options) recordNotFound(src *ingest.Reader, end error) error {
	for _, in := range src.Outcomes() {
		switch {
		case in.Name != o.record.Name:
		case in.Err != nil:
			return fmt.Errorf("%s: %w", in.Name, in.Err)
		case in.Records == 1:
			return fmt.Errorf("%s: there is no record %d: the file has 1 record", in.Name, o.record.Record)
		default:
			return fmt.Errorf("%s: there is no record %d: the file has %d records", in.Name, o.record.Record, in.Records)
		}
	}
	if end != io.EOF {
		return end
	}
	return fmt.Errorf("%s is none of the files", o.record.Name)
}

func refusedUnless(ok bool) error {
	if ok {
		return nil
	}
	return errRefused
}

// explainPayload explains a packet that was never recorded.
func (o *options) explainPayload() error {
	d, err := o.load("", &frameFilter{})
	if err != nil {
		return err
	}
	ev, err := o.packet(o.Payload)
	if err != nil {
		return err
	}
	ok, err := o.explain(d, ev.Time, ev, ingest.Position{})
	if err != nil {
		return err
	}
	return refusedUnless(ok)
}

// DumpPackets implements --spa-dump-packets: it explains each SPA packet of a text
// file, one per line, as if received from 127.0.0.1 at the time now by a daemon with an
// empty replay cache.
func DumpPackets(f cli.Options, now time.Time, stdout, stderr io.Writer) int {
	f.Time, f.AllModes, f.DigestFile = now.UTC().Format(time.RFC3339Nano), true, ""
	o := newOptions(&f, nil, stdout, stderr)
	file, err := os.Open(o.SPADump)
	if err != nil {
		o.notice(err.Error())
		return exitError
	}
	defer file.Close()
	return o.exit("--spa-dump-packets", o.dump(file))
}

// maxPacketLine bounds a line of the file.
const maxPacketLine = 1 << 16

func (o *options) dump(file io.Reader) error {
	d, err := o.load("", &frameFilter{})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxPacketLine)
	all := true
	for n := int64(1); lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		ev, err := o.packet(text)
		if err != nil {
			return err
		}
		ok, err := o.explain(d, ev.Time, ev, ingest.Position{Name: "line", Record: n})
		if err != nil {
			return err
		}
		all = all && ok
		d.decide(ev) // so that a second copy is detected as a replay
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return refusedUnless(all)
}

// packet returns the event of a payload with the addresses, protocol and time of the
// options.
func (o *options) packet(payload string) (*parse.Event, error) {
	ev := &parse.Event{Origin: parse.OriginSocket, Payload: payloadOf(strings.TrimSpace(payload))}
	const headers = 28 // IPv4 and UDP
	if len(ev.Payload) > 1<<16-1-headers {
		return nil, errors.New("payload is longer than a packet")
	}
	ev.Len = uint16(headers + len(ev.Payload))
	var err error
	if ev.Src, err = parseEndpoint(cmp.Or(o.Src, "127.0.0.1"), 40000); err != nil {
		return nil, fmt.Errorf("--src: %w", err)
	}
	if ev.Dst, err = parseEndpoint(cmp.Or(o.Dst, "127.0.0.1"), spa.DefaultPort); err != nil {
		return nil, fmt.Errorf("--dst: %w", err)
	}
	switch strings.ToLower(o.Proto) {
	case "", "udp":
		ev.Proto = parse.UDP
	case "tcp", "http":
		ev.Proto = parse.TCP
	case "icmp":
		ev.Proto = parse.ICMP
	default:
		return nil, fmt.Errorf("--proto: %q is none of udp, tcp, icmp", o.Proto)
	}
	ev.Time, err = parseClock(o.Time)
	return ev, err
}

// payloadOf returns the payload that text stands for: an SPA packet, which is base64
// itself, or the base64 encoding of a payload such as an HTTP request.
func payloadOf(text string) []byte {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return []byte(text)
	}
	for _, c := range raw {
		if c > 0x7e || c < 0x20 && c != '\r' && c != '\n' {
			return []byte(text) // ciphertext: text is the packet itself
		}
	}
	return raw
}

// parseEndpoint parses an address with or without a port.
func parseEndpoint(text string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a.Unmap(), port), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, fmt.Errorf("%q is no address", text)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// parseClock parses --time; empty means now.
func parseClock(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("--time: %q is neither RFC 3339 nor seconds since 1970", text)
	}
	return t, nil
}

// explain prints the trace of one packet and reports whether it is allowed.
func (o *options) explain(d *decider, now time.Time, ev *parse.Event, at ingest.Position) (bool, error) {
	t := d.Explain(now, ev)
	var entry report.Entry
	entry.Set(now, ev, &t.Decision, at)
	b, err := []byte(nil), error(nil)
	if o.JSON() {
		b, err = report.AppendTraceJSON(nil, &t, &entry)
	} else {
		b = report.AppendTrace(nil, &t, &entry)
	}
	refusal := d.enter(ev, &t.Decision)
	if refusal != nil {
		b = formOf(o.Options).appendEvent(b, refusal, t.Decision.Name)
	}
	if err == nil {
		_, err = o.stdout.Write(b)
	}
	return t.Decision.Verdict == policy.Allow && !t.Decision.Shadow && refusal == nil, err
}
