package spa

import (
	"bytes"
	"net/netip"
)

// Protocol numbers of the carriers.
const (
	protoTCP = 6
)

// CarrierOptions say which payloads may carry an SPA packet.
type CarrierOptions struct {
	// MinLen and MaxLen bound the payload, bytes, both inclusive. 0 and 1500 are
	// meant where they are 0.
	MinLen, MaxLen int
	OverHTTP       bool // ENABLE_SPA_OVER_HTTP: GET requests over TCP as well
	AnyUserAgent   bool // ALLOW_ANY_USER_AGENT; otherwise it must begin "Fwknop"
	XForwardedFor  bool // ENABLE_X_FORWARDED_FOR
	// Perl19 reads requests as 1.9 servers do: an absolute URI and ".html" at the
	// end are taken, the user agent is not looked at.
	Perl19 bool
}

// CarrierInfo is what the carrier says beside the packet.
type CarrierInfo struct {
	HTTP bool
	// Forwarded is the client a proxy names in X-Forwarded-For; the zero Addr
	// without that header, and where it holds anything but one address.
	Forwarded netip.Addr
}

// DefaultMaxPayload is the longest payload of an SPA packet, bytes.
const DefaultMaxPayload = 1500

// Carrier finds the text of an SPA packet in a transport payload: standard base64,
// with "=" at the end only. Without HTTP the text is the payload itself; otherwise
// it is put into buf, which needs to be as long as the payload. ok is false for
// whatever cannot be one. Carrier does not allocate.
func Carrier(proto uint8, payload []byte, opt CarrierOptions, buf []byte) (text []byte, info CarrierInfo, ok bool) {
	limit := opt.MaxLen
	if limit == 0 {
		limit = DefaultMaxPayload
	}
	if len(payload) == 0 || len(payload) < opt.MinLen || len(payload) > limit {
		return nil, info, false
	}
	if opt.OverHTTP && proto == protoTCP && isGET(payload) {
		info.HTTP = true
		text, info.Forwarded, ok = fromHTTP(payload, &opt, buf)
		return text, info, ok && len(text) >= opt.MinLen
	}
	return payload, info, isBase64(payload)
}

// alphabet marks the characters of standard base64.
var alphabet = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = true
	}
	return t
}()

// isBase64 reports that p has characters of standard base64 only, with at most two
// "=" at its end.
func isBase64(p []byte) bool {
	for range 2 {
		if n := len(p); n > 0 && p[n-1] == '=' {
			p = p[:n-1]
		}
	}
	for _, c := range p {
		if !alphabet[c] {
			return false
		}
	}
	return len(p) > 0
}

// isGET reports a GET request; C servers do not mind the case of the method.
func isGET(p []byte) bool {
	return len(p) > 4 && p[0]|0x20 == 'g' && p[1]|0x20 == 'e' && p[2]|0x20 == 't' && p[3] == ' '
}

// fromHTTP takes the text out of a request line's target.
func fromHTTP(req []byte, opt *CarrierOptions, buf []byte) (text []byte, from netip.Addr, ok bool) {
	line, head, _ := bytes.Cut(req, []byte("\n"))
	target, version, _ := bytes.Cut(line[len("GET "):], []byte(" "))
	if !bytes.HasPrefix(version, []byte("HTTP/")) {
		return nil, from, false
	}
	if !opt.AnyUserAgent && !opt.Perl19 && !bytes.HasPrefix(header(head, "user-agent"), []byte("Fwknop")) {
		return nil, from, false
	}
	if target, ok = path(target, opt.Perl19); !ok || len(target) == 0 || len(target) > len(buf) {
		return nil, from, false
	}
	text = buf[:len(target)]
	for i, c := range target {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		case '+', '/':
			return nil, from, false
		}
		text[i] = c
	}
	if opt.XForwardedFor {
		from = forwarded(head)
	}
	return text, from, isBase64(text)
}

// path strips from the target what is not the packet.
func path(target []byte, perl bool) ([]byte, bool) {
	const scheme = "http://"
	if perl {
		target = bytes.TrimSuffix(target, []byte(".html"))
		if bytes.HasPrefix(target, []byte(scheme)) {
			_, rest, ok := bytes.Cut(target[len(scheme):], []byte("/"))
			return rest, ok
		}
	}
	return bytes.CutPrefix(target, []byte("/"))
}

// header returns the value of the first header of that lower-case name, nil if
// there is none.
func header(head []byte, name string) []byte {
	for more := true; more; {
		var line []byte
		line, head, more = bytes.Cut(head, []byte("\n"))
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && equalFold(key, name) {
			return bytes.TrimSpace(value)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	return nil
}

// equalFold compares with an ASCII lower-case name.
func equalFold(p []byte, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i, c := range p {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// maxAddrText is the longest text of an address.
const maxAddrText = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

func forwarded(head []byte) netip.Addr {
	v := header(head, "x-forwarded-for")
	if len(v) == 0 || len(v) > maxAddrText {
		return netip.Addr{}
	}
	if a, ok := address(string(v)); ok {
		return a
	}
	return netip.Addr{}
}
