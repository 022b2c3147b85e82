package ingest

import (
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

var errNoCapture = errors.New("not a capture file")

// frameOptions are what frames of any source are read with.
type frameOptions struct {
	filter *filter.Filter // nil: all
	// matched, if not nil, is told what filter says, which then drops nothing.
	matched *bool
	rawIP   bool // frames are IP packets, whatever the header says
}

// frames decodes frames of one link type, which may change between records.
type frames struct {
	frameOptions
	decoder *parse.Decoder
}

// use makes link the type of the frames to come.
func (f *frames) use(link uint32) error {
	if link > 0xffff {
		return fmt.Errorf("cannot decode link type %d", link)
	}
	decoder, err := parse.NewDecoder(parse.LinkType(link))
	if err != nil {
		return err
	}
	f.decoder = decoder
	return nil
}

func (f *frames) frame(b []byte, t time.Time, ev *parse.Event) error {
	if f.filter != nil {
		ok := f.filter.Match(f.decoder.LinkType(), b)
		switch {
		case f.matched != nil:
			*f.matched = ok
		case !ok:
			return errFiltered
		}
	}
	return f.decoder.Frame(b, t, ev)
}

// torn drops the piece of a record at the end of a capture. While the reader was
// looking for a place to go on, there is none: that record was counted before.
func (w *window) torn(searching bool) error {
	n := w.end - w.start
	w.take(n)
	if n == 0 || searching {
		return io.EOF
	}
	return errTorn
}
