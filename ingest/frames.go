package ingest

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

var errNoCapture = errors.New("not a capture file")

// frameOptions are what frames of any source are read with.
type frameOptions struct {
	filter *filter.Filter // nil: all
	// matched, if not nil, is set to the filter's result, and no frame is dropped.
	matched *bool
	inner   bool           // events are of the packets inside tunnels, if there are such
	rawIP   bool           // frames are IP packets, whatever link type the header gives
	cut     *atomic.Uint64 // counts frames that are not all there, if not nil
	inside  *Inside        // counts packets that filter does not get to see, if not nil
}

// frames decodes frames of one link type, which may change between records.
type frames struct {
	frameOptions
	decoder *parse.Decoder

	// These go with the decoder.
	link    parse.LinkType
	direct  bool // filter reads frames of this link type as they are
	etherAt int  // where the EtherType is, -1 if there is none
}

// set makes decoder the one of the frames to come.
func (f *frames) set(decoder *parse.Decoder) {
	if f.decoder == decoder {
		return
	}
	f.decoder, f.link = decoder, decoder.LinkType()
	f.direct, f.etherAt = f.filter.Reads(f.link), etherTypeAt(f.link)
}

// use makes link the type of the frames to come.
func (f *frames) use(link uint32) error {
	if link > 0xffff {
		return fmt.Errorf("cannot decode link type %d", link)
	}
	decoder, err := f.newDecoder(parse.LinkType(link))
	if err != nil {
		return err
	}
	f.set(decoder)
	return nil
}

// newDecoder returns the decoder of a link type, which it must be possible to filter.
func (f *frames) newDecoder(link parse.LinkType) (*parse.Decoder, error) {
	decoder, err := parse.NewDecoder(link)
	if err == nil {
		err = f.filter.Check(link)
	}
	if err != nil {
		return nil, err
	}
	return decoder, nil
}

// frame decodes what there is of a frame of size bytes.
func (f *frames) frame(b []byte, size int, t time.Time, ev *parse.Event) error {
	if size > len(b) && f.cut != nil {
		f.cut.Add(1)
	}
	if f.filter == nil {
		return f.look(f.decoder.FrameOf(size, b, t, ev), ev)
	}
	if !f.direct {
		return f.frameWithin(b, size, t, ev)
	}
	ok := f.filter.Match(f.link, b)
	if f.matched != nil {
		*f.matched = ok
	}
	wrapped := !ok && f.mayHide(b)
	if !ok && !wrapped && f.matched == nil {
		return errFiltered
	}
	err := f.decoder.FrameOf(size, b, t, ev)
	if wrapped && err == nil && f.filter.Match(parse.LinkRaw, f.decoder.Packet(b)) {
		f.inside.note(f.etherAt, b, ev)
	}
	if !ok && f.matched == nil {
		return errFiltered
	}
	return f.look(err, ev)
}

// mayHide reports whether a packet that the filter does not get to see is looked for in b.
func (f *frames) mayHide(b []byte) bool { return f.inside != nil && isWrapped(f.etherAt, b) }

// look looks into the tunnels of a frame that was decoded into ev with err, and returns err.
func (f *frames) look(err error, ev *parse.Event) error {
	if f.inner && err == nil {
		f.decoder.Inner(ev)
	}
	return err
}

// frameWithin is frame for link types that the filter does not read: it is shown the
// packet within.
func (f *frames) frameWithin(b []byte, size int, t time.Time, ev *parse.Event) error {
	err := f.decoder.FrameOf(size, b, t, ev)
	packet := f.decoder.Packet(b)
	ok := packet != nil && f.filter.Match(parse.LinkRaw, packet)
	if f.matched != nil {
		*f.matched = ok
	} else if !ok {
		return errFiltered
	}
	return f.look(err, ev)
}

// torn drops the piece of a record at the end of a capture. While the reader was
// looking for a place to go on, there is none: that record was counted before.
func (w *readBuffer) torn(searching bool) error {
	n := w.end - w.start
	w.take(n)
	if n == 0 || searching {
		return io.EOF
	}
	return errTorn
}
