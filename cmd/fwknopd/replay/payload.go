package replay

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy/spa"
)

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
	t, err := cli.ParseTime(text)
	if err != nil {
		return t, fmt.Errorf("--time: %w", err)
	}
	return t, nil
}
