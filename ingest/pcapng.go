package ingest

import (
	"context"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"time"

	"fwknopd/parse"
)

// pcapng block types (draft-ietf-opsawg-pcapng section 4).
const (
	ngSection   = 0x0a0d0d0a
	ngInterface = 1
	ngOldPacket = 2
	ngSimple    = 3
	ngEnhanced  = 6

	ngOrderMagic = 0x1a2b3c4d
	ngOptTsresol = 9
	ngOptTsoff   = 14
)

const (
	ngBlockLeast = 12
	// ngBlockKept bounds a block that is decoded: a frame with its header and
	// options. Larger blocks of other types are skipped.
	ngBlockKept = maxFrame + 128<<10
	// ngBlockMost is the largest length that is taken for that of a block.
	ngBlockMost = 64 << 20
	// ngInterfacesMost bounds the interfaces of a section.
	ngInterfacesMost = 4096
)

// An ngIface is the content of an interface description block.
type ngIface struct {
	decoder *parse.Decoder // nil if the link type is not supported
	snaplen uint32
	units   uint64 // of a time stamp, per second
	offset  int64  // seconds to add to it
}

// pcapng reads captures of the pcapng format, of any number of sections and
// interfaces. gopacket's reader is not used: it allocates and indexes by lengths that it
// does not check, and skips interfaces of a second link type.
type pcapng struct {
	*readBuffer
	frames
	order    binary.ByteOrder
	ifaces   []ngIface
	decoders map[parse.LinkType]*parse.Decoder
	foreign  []error // link types that cannot be decoded, each once
	skip     int64   // bytes of a block to skip
	lost     bool    // between blocks: resync has to find the next one
}

func newPcapng(w *readBuffer, opt frameOptions) *pcapng {
	return &pcapng{
		readBuffer: w, frames: frames{frameOptions: opt}, order: binary.LittleEndian,
		decoders: make(map[parse.LinkType]*parse.Decoder),
	}
}

func (p *pcapng) next(ctx context.Context, ev *parse.Event) error {
	for {
		if err := p.discard(ctx, &p.skip); err != nil {
			return err
		}
		if p.lost {
			if err := p.resync(ctx); err != nil {
				return err
			}
		}
		kind, n, err := p.block(ctx)
		if err != nil {
			return err
		}
		if n > ngBlockKept {
			p.skip = n
			if isPacket(kind) {
				return errBadLength
			}
			continue
		}
		b, err := p.need(ctx, int(n))
		if err != nil {
			return err
		}
		if p.order.Uint32(b[n-4:]) != uint32(n) {
			return p.lose()
		}
		p.take(int(n))
		if err := p.body(kind, b[8:n-4], ev); err != errNoRecord {
			return err
		}
	}
}

// errNoRecord is what body returns if a block was no packet and was understood.
var errNoRecord = badRecord("")

// block reads the next block's header, which may change the byte order.
func (p *pcapng) block(ctx context.Context) (kind uint32, n int64, err error) {
	b, err := p.need(ctx, ngBlockLeast)
	if err != nil {
		return 0, 0, err
	}
	if p.order.Uint32(b) == ngSection && !p.section(b) {
		return 0, 0, p.lose()
	}
	n = int64(p.order.Uint32(b[4:]))
	if n < ngBlockLeast || n%4 != 0 || n > ngBlockMost {
		return 0, 0, p.lose()
	}
	return p.order.Uint32(b), n, nil
}

// section takes the byte order from a section header, whose type is the same in both.
func (p *pcapng) section(b []byte) bool {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(b[8:]) == ngOrderMagic {
			p.order = order
			return true
		}
	}
	return false
}

func isPacket(kind uint32) bool {
	return kind == ngEnhanced || kind == ngSimple || kind == ngOldPacket
}

// body decodes what is between a block's header and its trailing length.
func (p *pcapng) body(kind uint32, b []byte, ev *parse.Event) error {
	switch kind {
	case ngSection:
		p.ifaces = p.ifaces[:0]
	case ngInterface:
		return p.describe(b)
	case ngEnhanced:
		if len(b) < 20 {
			return errBadBlock
		}
		return p.packet(p.order.Uint32(b), b[4:], ev)
	case ngOldPacket:
		if len(b) < 20 {
			return errBadBlock
		}
		return p.packet(uint32(p.order.Uint16(b)), b[4:], ev)
	case ngSimple:
		return p.simple(b, ev)
	}
	return errNoRecord
}

// packet decodes what follows the interface in a packet block: time stamp, captured
// length, length on the wire, data.
func (p *pcapng) packet(iface uint32, b []byte, ev *parse.Event) error {
	n := int64(p.order.Uint32(b[8:]))
	switch {
	case iface >= uint32(len(p.ifaces)):
		return errNoIface
	case n > int64(len(b)-16) || n > maxFrame:
		return errBadLength
	}
	in := &p.ifaces[iface]
	stamp := uint64(p.order.Uint32(b))<<32 | uint64(p.order.Uint32(b[4:]))
	return p.decode(in, b[16:16+n], p.order.Uint32(b[12:]), in.time(stamp), ev)
}

// simple decodes a block that has neither an interface (it is the first) nor a time.
func (p *pcapng) simple(b []byte, ev *parse.Event) error {
	if len(b) < 4 {
		return errBadBlock
	}
	if len(p.ifaces) == 0 {
		return errNoIface
	}
	in := &p.ifaces[0]
	n := min(int64(p.order.Uint32(b)), int64(len(b)-4), maxFrame)
	if in.snaplen != 0 {
		n = min(n, int64(in.snaplen))
	}
	return p.decode(in, b[4:4+n], p.order.Uint32(b), time.Time{}, ev)
}

func (p *pcapng) decode(in *ngIface, b []byte, size uint32, t time.Time, ev *parse.Event) error {
	if in.decoder == nil {
		return errLinkType
	}
	p.set(in.decoder)
	return p.frame(b, int(size), t, ev)
}

// describe adds an interface.
func (p *pcapng) describe(b []byte) error {
	if len(b) < 8 || len(p.ifaces) == ngInterfacesMost {
		return errBadBlock
	}
	in := ngIface{snaplen: p.order.Uint32(b[4:]), units: 1e6}
	in.decoder = p.decoderOf(parse.LinkType(p.order.Uint16(b)))
	for b = b[8:]; len(b) >= 4; {
		code, n := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		b = b[4:]
		if code == 0 || n > len(b) {
			break
		}
		switch {
		case code == ngOptTsresol && n == 1:
			in.units = resolution(b[0])
		case code == ngOptTsoff && n == 8:
			in.offset = int64(p.order.Uint64(b))
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	p.ifaces = append(p.ifaces, in)
	return errNoRecord
}

// decoderOf returns the decoder of a link type, nil if it cannot be decoded or filtered.
func (p *pcapng) decoderOf(link parse.LinkType) *parse.Decoder {
	if d := p.decoders[link]; d != nil {
		return d
	}
	d, err := p.newDecoder(link)
	if err == nil {
		p.decoders[link] = d
		return d
	}
	same := func(e error) bool { return e.Error() == err.Error() }
	if len(p.foreign) < maxForeign && !slices.ContainsFunc(p.foreign, same) {
		p.foreign = append(p.foreign, err)
	}
	return nil
}

// maxForeign bounds the link types in Outcome.Foreign.
const maxForeign = 8

// resolution returns the units per second of an if_tsresol option: a power of two
// if the top bit is set, else of ten. A power that is out of range counts as 10^6.
func resolution(b byte) uint64 {
	exp := b &^ 0x80
	if b&0x80 != 0 {
		if exp > 62 {
			return 1e6
		}
		return 1 << exp
	}
	if exp > 18 {
		return 1e6
	}
	units := uint64(1)
	for range exp {
		units *= 10
	}
	return units
}

func (in *ngIface) time(stamp uint64) time.Time {
	sec, frac := stamp/in.units, stamp%in.units
	hi, lo := bits.Mul64(frac, 1e9)
	nano, _ := bits.Div64(hi, lo, in.units) // frac < units, so it fits
	return time.Unix(int64(sec)+in.offset, int64(nano)).UTC()
}

// lose skips a byte of a block that is broken; next then looks for another block.
func (p *pcapng) lose() error {
	if len(p.bytes()) > 0 {
		p.take(1)
	}
	p.lost = true
	return errBadBlock
}

// resync skips to the next block of a known type whose two lengths agree.
func (p *pcapng) resync(ctx context.Context) error {
	for {
		b, err := p.need(ctx, ngBlockLeast)
		if err != nil {
			return err
		}
		skip := 0
		for ; skip+ngBlockLeast <= len(b); skip++ {
			if p.plausible(b[skip:]) {
				break
			}
		}
		p.take(skip)
		if skip+ngBlockLeast > len(b) {
			continue
		}
		n := int(p.order.Uint32(p.bytes()[4:]))
		switch b, err = p.need(ctx, n); {
		case err == io.EOF: // its end is missing
		case err != nil:
			return err
		case p.order.Uint32(b[n-4:]) == uint32(n):
			p.lost = false
			return nil
		}
		p.take(1)
	}
}

func (p *pcapng) plausible(b []byte) bool {
	kind, n := p.order.Uint32(b), p.order.Uint32(b[4:])
	known := isPacket(kind) || kind == ngSection || kind == ngInterface
	return known && n >= ngBlockLeast && n%4 == 0 && n <= ngBlockKept
}

func (p *pcapng) rest(*parse.Event, bool) error {
	p.skip = 0
	return p.torn(p.lost)
}
