package spa

import (
	"bytes"
	"net/netip"
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
	// end are taken, the request may begin anywhere in the payload, the user agent
	// is not looked at. Servers of 2.6 take requests from any protocol and the
	// standard alphabet in them as well.
	Perl19 bool
}

// CarrierInfo is what the carrier says beside the packet.
type CarrierInfo struct {
	HTTP bool
	// forwarded is the value of X-Forwarded-For; it aliases the payload.
	forwarded []byte
}

// maxAddrText is the longest text of an address.
const maxAddrText = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// Forwarded returns the client a proxy names in X-Forwarded-For. It is the zero
// Addr without that header, where it may not be used, and where it holds anything
// but one address: in a list only the last entry is worth something, and which
// proxy wrote it nobody knows.
func (i *CarrierInfo) Forwarded() netip.Addr {
	if len(i.forwarded) == 0 || len(i.forwarded) > maxAddrText {
		return netip.Addr{}
	}
	if a, ok := address(string(i.forwarded)); ok {
		return a
	}
	return netip.Addr{}
}

// DefaultMaxPayload is the longest payload of an SPA packet, bytes.
const DefaultMaxPayload = 1500

// protoTCP is the IANA number of the protocol that carries HTTP.
const protoTCP = 6

// Carrier finds the text of an SPA packet in a transport payload: standard base64,
// with "=" at the end only. Without HTTP the text is the payload itself; otherwise
// it is put into buf, which needs to be as long as the payload. ok is false for
// whatever cannot be one. Carrier does not allocate. All that is returned aliases
// payload or buf.
func Carrier(proto uint8, payload []byte, opt CarrierOptions, buf []byte) (text []byte, info CarrierInfo, ok bool) {
	limit := opt.MaxLen
	if limit == 0 {
		limit = DefaultMaxPayload
	}
	if len(payload) == 0 || len(payload) < opt.MinLen || len(payload) > limit {
		return nil, info, false
	}
	if opt.OverHTTP && (proto == protoTCP || !opt.Perl19) {
		if req := request(payload, opt.Perl19); req != nil {
			info.HTTP = true
			text, info.forwarded, ok = fromHTTP(req, &opt, buf)
			return text, info, ok && len(text) >= opt.MinLen
		}
	}
	return payload, info, isBase64(payload)
}

const get = "GET "

// request finds a GET request and returns it from its target on; nil if there is
// none. Servers of 2.6 want it at the start and do not mind the case of the method;
// those of 1.9 look for it everywhere, with the version behind the target.
func request(p []byte, perl bool) []byte {
	if !perl {
		if len(p) <= len(get) || p[0]|0x20 != 'g' || p[1]|0x20 != 'e' || p[2]|0x20 != 't' || p[3] != ' ' {
			return nil
		}
		return p[len(get):]
	}
	for {
		at := bytes.Index(p, []byte(get))
		if at < 0 {
			return nil
		}
		p = p[at+len(get):]
		_, version, _ := bytes.Cut(p, []byte(" "))
		if number, ok := bytes.CutPrefix(version, []byte("HTTP/")); ok && len(number) > 0 && digits(number[:1]) {
			return p
		}
	}
}

// fromHTTP takes the text out of the target of a request.
func fromHTTP(req []byte, opt *CarrierOptions, buf []byte) (text []byte, from []byte, ok bool) {
	target, head, _ := bytes.Cut(req, []byte("\n"))
	if i := bytes.IndexAny(target, " \t\r\v\f"); i >= 0 {
		target = target[:i]
	}
	if !opt.AnyUserAgent && !opt.Perl19 && !bytes.HasPrefix(header(head, "user-agent"), []byte("Fwknop")) {
		return nil, nil, false
	}
	if target, ok = path(target, opt.Perl19); !ok || len(target) == 0 || len(target) > len(buf) {
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
		from = header(head, "x-forwarded-for")
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
