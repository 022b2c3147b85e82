package parse

import (
	"bytes"
	"encoding/binary"
)

// Attributes of an NFLOG message (linux/netfilter/nfnetlink_log.h).
const (
	nfulaPayload = 9
	nfulaPrefix  = 10
)

// nflog decodes the packet of an NFLOG message.
func (d *Decoder) nflog(b []byte, ev *Event) error {
	payload, prefix, err := nflogPacket(b)
	if err != nil {
		return err
	}
	ev.Prefix = prefix
	return d.ip(payload, ev)
}

// nflogPacket finds the IP packet and the log prefix in a frame of [LinkNFLOG]:
// four bytes of nfgenmsg, then attributes of length, type and value, padded to
// four bytes. Attributes are in the byte order of the host that captured them,
// which nothing but their plausibility tells. Both results alias b.
func nflogPacket(b []byte) (payload, prefix []byte, err error) {
	if len(b) < 8 {
		return nil, nil, errShortLink
	}
	b = b[4:]
	order := binary.ByteOrder(binary.LittleEndian)
	if n := order.Uint16(b); n < 4 || int(n) > len(b) {
		order = binary.BigEndian
	}
	for len(b) >= 4 {
		n, kind := int(order.Uint16(b)), order.Uint16(b[2:])
		if n < 4 {
			return nil, nil, errNFLOG
		}
		value := b[4:max(4, min(n, len(b)))]
		switch kind &^ 0xc000 { // less the flags nested and net byte order
		case nfulaPayload:
			payload = value
		case nfulaPrefix:
			prefix, _, _ = bytes.Cut(value, []byte{0})
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	if payload == nil {
		return nil, nil, errNotIP
	}
	return payload, prefix, nil
}
