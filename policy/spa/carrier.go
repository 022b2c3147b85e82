package spa

import (
	"bytes"
	"net/netip"

	"fwknopd/parse"
)

// CarrierOptions set which payloads may carry an SPA packet.
type CarrierOptions struct {
	// MinLen and MaxLen bound the payload, bytes, both inclusive. MaxLen 0 is
	// DefaultMaxPayload.
	MinLen, MaxLen int
	OverHTTP       bool // ENABLE_SPA_OVER_HTTP: GET requests over TCP as well
	AnyUserAgent   bool // ALLOW_ANY_USER_AGENT; otherwise it must begin "Fwknop"
	XForwardedFor  bool // ENABLE_X_FORWARDED_FOR
	// Perl19 parses requests like 1.9 servers: an absolute URI and ".html" at the end
	// are accepted, the request may begin anywhere in the payload, the user agent is
	// not checked. Without it, as in 2.6, requests are accepted over any protocol and
	// with the standard base64 alphabet too.
	Perl19 bool
}

// CarrierInfo describes the carrier of a packet.
type CarrierInfo struct {
	HTTP bool
	// forwarded is the value of X-Forwarded-For; it aliases the payload.
	forwarded []byte
}

// maxAddrText is the longest text of an address.
const maxAddrText = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// Forwarded returns the client address in X-Forwarded-For. It is the zero Addr without
// that header, if it is not enabled, and if the value is not a single address: all
// entries of a list but the last can be forged, and it is not known which proxy wrote
// the last.
func (i *CarrierInfo) Forwarded() netip.Addr {
	if len(i.forwarded) == 0 || len(i.forwarded) > maxAddrText {
		return netip.Addr{}
	}
	if a, ok := parseAddr(string(i.forwarded)); ok {
		return a
	}
	return netip.Addr{}
}

// DefaultMaxPayload is the longest payload of an SPA packet, bytes.
const DefaultMaxPayload = 1500

// Carrier finds the text of an SPA packet in a transport payload: standard base64,
// with "=" at the end only. Without HTTP the text is the payload itself; otherwise
// it is copied to buf, which must be as long as the payload. ok is false if the payload
// cannot be an SPA packet. Carrier does not allocate. The results alias payload or buf.
func Carrier(proto parse.Proto, payload []byte, opt CarrierOptions, buf []byte) (text []byte, info CarrierInfo, ok bool) {
	limit := opt.MaxLen
	if limit == 0 {
		limit = DefaultMaxPayload
	}
	if len(payload) == 0 || len(payload) < opt.MinLen || len(payload) > limit {
		return nil, info, false
	}
	if opt.OverHTTP && (proto == parse.TCP || !opt.Perl19) {
		if req := findRequest(payload, opt.Perl19); req != nil {
			info.HTTP = true
			text, info.forwarded, ok = fromHTTP(req, &opt, buf)
			return text, info, ok && len(text) >= opt.MinLen
		}
	}
	return payload, info, isBase64(payload)
}

const methodGET = "GET "

// findRequest finds a GET request and returns it from its target on; nil if there is
// none. Servers of 2.6 expect it at the start, with the method in either case; those of
// 1.9 search the payload, with the version after the target.
func findRequest(p []byte, perl bool) []byte {
	if !perl {
		if len(p) <= len(methodGET) || p[0]|0x20 != 'g' || p[1]|0x20 != 'e' || p[2]|0x20 != 't' || p[3] != ' ' {
			return nil
		}
		return p[len(methodGET):]
	}
	for {
		at := bytes.Index(p, []byte(methodGET))
		if at < 0 {
			return nil
		}
		p = p[at+len(methodGET):]
		_, version, _ := bytes.Cut(p, []byte(" "))
		if number, ok := bytes.CutPrefix(version, []byte("HTTP/")); ok && len(number) > 0 && digits(number[:1]) {
			return p
		}
	}
}

// fromHTTP extracts the text from the target of a request.
func fromHTTP(req []byte, opt *CarrierOptions, buf []byte) (text []byte, from []byte, ok bool) {
	target, head, _ := bytes.Cut(req, []byte("\n"))
	if i := bytes.IndexAny(target, " \t\r\v\f"); i >= 0 {
		target = target[:i]
	}
	if !opt.AnyUserAgent && !opt.Perl19 && !bytes.HasPrefix(headerValue(head, "user-agent"), []byte("Fwknop")) {
		return nil, nil, false
	}
	if target, ok = requestText(target, opt.Perl19); !ok || len(target) == 0 || len(target) > len(buf) {
		return nil, nil, false
	}
	text = buf[:len(target)]
	for i, c := range target {
		switch {
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		case opt.Perl19 && (c == '+' || c == '/'):
			return nil, nil, false
		}
		text[i] = c
	}
	if opt.XForwardedFor {
		from = headerValue(head, "x-forwarded-for")
	}
	return text, from, isBase64(text)
}

// requestText returns the part of the target that is the packet.
func requestText(target []byte, perl bool) ([]byte, bool) {
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

// headerValue returns the value of the first header with the lower-case name, nil if
// there is none.
func headerValue(head []byte, name string) []byte {
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

// equalFold compares p with a lower-case ASCII name, ignoring case.
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
