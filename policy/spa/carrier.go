package spa

import "net/netip"

// protoTCP is the IANA number of the protocol that carries HTTP.
const protoTCP = 6

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
