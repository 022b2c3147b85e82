package fingerprint

import (
	"net/netip"

	"fwknopd/parse"
)

// newSYN makes the event of a captured IPv4 SYN.
func newSYN(window uint16, ttl uint8, df bool, options []byte) *parse.Event {
	ev := &parse.Event{
		Src:    netip.MustParseAddrPort("192.0.2.1:40000"),
		Dst:    netip.MustParseAddrPort("198.51.100.1:22"),
		Proto:  parse.TCP,
		Origin: parse.OriginFrame,
		Len:    uint16(40 + (len(options)+3)&^3),
		TTL:    ttl,
		DF:     df,
		ID:     1,
		Flags:  parse.SYN,
		Window: window,
		Seq:    1,
		HasSeq: true,
	}
	ev.SetOptions(options)
	return ev
}
