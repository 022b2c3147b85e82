package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"fwknopd/parse"
)

const (
	// maxFrame bounds a captured frame, as libpcap does (MAXIMUM_SNAPLEN). The
	// snapshot length in a file's header is not believed: writers put 0 or 2^31
	// there.
	maxFrame = 256 << 10

	pcapHeader   = 24
	pcapRecord   = 16
	pcapPatched  = 24    // record header of Kuznetzov's patched libpcap
	clockSlack   = 86400 // seconds between neighbours, at most, to believe a header after a bad one
	maxWire      = 1 << 20
	linkTypeMask = 0x03ffffff // above are the length of the frame check sequence and flags
)

// A pcapFormat is what the first bytes of a classic capture say.
type pcapFormat struct {
	order  binary.ByteOrder
	nano   bool
	record int // bytes of a record's header
}

// pcap reads a classic capture. It decodes in place: what an event refers to is in
// the buffer.
type pcap struct {
	*readBuffer
	frames
	pcapFormat
	little bool  // order, as a branch is cheaper than an interface call
	last   int64 // seconds of the last good record; 0 before the first
	lost   bool  // looking for the next plausible record header
}

// newPcap reads the file header. An error of the stream leaves the header unread.
// opt may override the link type of the header.
func newPcap(ctx context.Context, w *readBuffer, opt frameOptions) (*pcap, error) {
	b, err := w.need(ctx, pcapHeader)
	if err != nil {
		return nil, err
	}
	p := &pcap{readBuffer: w, frames: frames{frameOptions: opt}}
	if err := p.header(b); err != nil {
		return nil, err
	}
	w.take(pcapHeader)
	return p, nil
}

// header makes what a file header says that of the records to come.
func (p *pcap) header(b []byte) error {
	format, ok := pcapMagic(b)
	if !ok {
		return errNoCapture
	}
	if major := format.order.Uint16(b[4:]); major != 2 {
		return fmt.Errorf("capture format version %d is not supported", major)
	}
	link := format.order.Uint32(b[20:]) & linkTypeMask
	if p.rawIP {
		link = uint32(parse.LinkRaw)
	}
	if err := p.use(link); err != nil {
		return err
	}
	p.pcapFormat, p.little, p.last = format, format.order == binary.LittleEndian, 0
	return nil
}

// pcapMagic recognises the five kinds of classic capture.
func pcapMagic(b []byte) (pcapFormat, bool) {
	if len(b) < 4 {
		return pcapFormat{}, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(b) {
		case 0xa1b2c3d4:
			return pcapFormat{order, false, pcapRecord}, true
		case 0xa1b23c4d:
			return pcapFormat{order, true, pcapRecord}, true
		case 0xa1b2cd34:
			return pcapFormat{order, false, pcapPatched}, true
		}
	}
	return pcapFormat{}, false
}

func (p *pcap) uint32(b []byte) uint32 {
	if p.little {
		return binary.LittleEndian.Uint32(b)
	}
	return binary.BigEndian.Uint32(b)
}

func (p *pcap) next(ctx context.Context, ev *parse.Event) error {
	if p.lost {
		if err := p.resync(ctx); err != nil {
			return err
		}
	}
	b, err := p.recordHeader(ctx)
	if err != nil {
		return err
	}
	sec, frac, n, size := p.uint32(b), p.uint32(b[4:]), p.uint32(b[8:]), p.uint32(b[12:])
	switch {
	case n == 0 && sec|frac|size == 0:
		p.take(p.record)
		p.lost = true
		return errZeros
	case n > maxFrame:
		p.take(1) // the search must not find this one again
		p.lost = true
		return errBadLength
	}
	if len(b) < p.record+int(n) {
		if b, err = p.need(ctx, p.record+int(n)); err != nil {
			return err
		}
	}
	p.take(p.record + int(n))
	p.last = int64(sec)
	if !p.nano {
		frac *= 1000
	}
	return p.frame(b[p.record:p.record+int(n)], int(size), time.Unix(int64(sec), int64(frac)).UTC(), ev)
}

// recordHeader returns what begins with the header of the next record. Between the records may
// be file headers, where captures were joined with cat(1).
func (p *pcap) recordHeader(ctx context.Context) ([]byte, error) {
	for {
		b, err := p.need(ctx, p.record)
		if err != nil || !beginsCapture(b) {
			return b, err
		}
		if b, err = p.need(ctx, pcapHeader); err != nil {
			return nil, err
		}
		if err := p.header(b); err != nil {
			return nil, err
		}
		p.take(pcapHeader)
	}
}

// beginsCapture reports whether b is the front of a file header: as that of a record it would be
// of an empty one in 2055 or later.
func beginsCapture(b []byte) bool {
	if binary.NativeEndian.Uint32(b[8:]) != 0 { // nearly every record
		return false
	}
	format, ok := pcapMagic(b)
	return ok && format.order.Uint16(b[4:]) == 2
}

// resync finds the next place that looks like a record header followed by another
// one, or by the end of what is there.
func (p *pcap) resync(ctx context.Context) error {
	for {
		b, err := p.need(ctx, p.record)
		if err != nil {
			return err
		}
		skip := 0
		for ; skip+p.record <= len(b); skip++ {
			n, ok := p.plausible(b[skip:])
			if !ok {
				continue
			}
			p.take(skip)
			chained, err := p.chained(ctx, p.record+n)
			if err != nil {
				return err
			}
			if chained {
				p.lost = false
				return nil
			}
			p.take(1)
			skip = -1
			break
		}
		if skip > 0 {
			p.take(skip)
		}
	}
}

// plausible reports whether b starts with a record header that a capture going on
// where this one was could have, and the length of its frame.
func (p *pcap) plausible(b []byte) (int, bool) {
	if len(b) < p.record {
		return 0, false
	}
	sec, frac, n, wire := int64(p.uint32(b)), p.uint32(b[4:]), p.uint32(b[8:]), p.uint32(b[12:])
	limit := uint32(1e6)
	if p.nano {
		limit = 1e9
	}
	near := p.last == 0 || (sec >= p.last-clockSlack && sec <= p.last+clockSlack)
	return int(n), near && frac < limit && n > 0 && n <= maxFrame && wire >= n && wire <= maxWire
}

// chained reports whether another plausible header, or the end, is n bytes on.
func (p *pcap) chained(ctx context.Context, n int) (bool, error) {
	b, err := p.need(ctx, n+p.record)
	switch err {
	case nil:
		_, ok := p.plausible(b[n:])
		return ok, nil
	case io.EOF:
		return len(p.bytes()) == n, nil
	}
	return false, err
}

func (p *pcap) rest(*parse.Event, bool) error { return p.torn(p.lost) }
