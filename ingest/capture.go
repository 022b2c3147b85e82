package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"

	"fwknopd/parse"
)

// ngMagic are the first bytes of a pcapng section header, in either byte order.
var ngMagic = []byte{0x0a, 0x0d, 0x0d, 0x0a}

// errNoMagic is why a file that should be a capture cannot be followed.
var errNoMagic = errors.New("neither a pcap nor a pcapng file")

// A capture is a pcap or a pcapng whose header need not be there yet.
type capture struct {
	*readBuffer
	frameOptions
	inner   records
	invalid bool
	problem func(error)
}

func (c *capture) next(ctx context.Context, ev *parse.Event) error {
	if c.inner == nil && !c.invalid {
		if err := c.begin(ctx); err != nil {
			return err
		}
	}
	if c.invalid { // let the file go by
		c.take(len(c.bytes()))
		if err := c.fill(ctx); err != nil {
			return err
		}
		return c.next(ctx, ev)
	}
	return c.inner.next(ctx, ev)
}

// begin reads the file header, once it is there.
func (c *capture) begin(ctx context.Context) error {
	b, err := c.need(ctx, pcapHeader)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(b, ngMagic) {
		c.inner = newPcapng(c.readBuffer, c.frameOptions)
		return nil
	}
	if _, ok := pcapMagic(b); !ok {
		c.invalid = true
		c.problem(errNoMagic)
		return nil
	}
	p, err := newPcap(ctx, c.readBuffer, c.frameOptions)
	if err != nil {
		c.invalid = true
		c.problem(err)
		return nil
	}
	c.inner = p
	return nil
}

func (c *capture) rest(ev *parse.Event, whole bool) error {
	switch {
	case c.inner != nil:
		return c.inner.rest(ev, whole)
	case c.invalid:
		return io.EOF
	}
	return c.torn(false)
}
