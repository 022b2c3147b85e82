package osreport

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/ingest"
)

// CountSegment reads a segment, whose bytes r yields, and writes its partial result to w: its sources,
// see [sources.Counter.WritePartial], and what else the report needs to know of it. What is wrong with
// the bytes is part of the result. The counter shares its memory with so many in all.
func (o *Options) CountSegment(ctx context.Context, s ingest.Segment, r io.Reader, counters int, w io.Writer) error {
	var f inputs.Facts
	opt := ingest.ReadOptions{Ref: o.Now, Filter: o.Filter, Inner: o.Inner, Problem: f.Note}
	src := ingest.ReadSegment(s, "", r, opt)
	defer src.Close()
	c := o.counter(inputs.Storage(o.Memory, counters))
	defer c.Close()
	var unread ingest.Unread
	if err := count(ctx, src, c); err != nil && !errors.As(err, &unread) {
		return err
	}
	if err := c.Finish(); err != nil {
		return err
	}
	f.Read(src)
	about, err := json.Marshal(&f)
	if err != nil {
		return err
	}
	return c.WritePartial(w, about)
}
