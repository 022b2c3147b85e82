package osreport

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// CountSegment reads a segment, whose bytes r yields, and writes its partial result to w: its sources,
// see [sources.Counter.WritePartial], and what else the report needs to know of it. What is wrong with
// the bytes is part of the result. The counter shares its memory with so many in all.
func (o *Options) CountSegment(ctx context.Context, s ingest.Segment, r io.Reader, counters int, w io.Writer) error {
	c := o.counter(inputs.Storage(o.Memory, counters))
	return o.countSegment(ctx, s, r, c, func(ev *parse.Event) { c.Count(ev) }, w)
}

// SummarizeSegment does so for a summary, see [stats.Stats.WritePartial]. The seed is that of the whole.
func (o *Options) SummarizeSegment(ctx context.Context, s ingest.Segment, r io.Reader, seed [2]uint64, counters int, w io.Writer) error {
	c := stats.New(o.Matcher(), inputs.Storage(o.Memory, counters))
	c.UseSeed(seed)
	return o.countSegment(ctx, s, r, c, c.Event, w)
}

// A partialCounter counts what a partial result has.
type partialCounter interface {
	Flush()
	Finish() error
	Err() error
	WritePartial(w io.Writer, about []byte) error
	Close()
}

func (o *Options) countSegment(ctx context.Context, s ingest.Segment, r io.Reader, c partialCounter, event func(*parse.Event), w io.Writer) error {
	defer c.Close()
	var f inputs.Facts
	src := ingest.ReadSegment(s, "", r, ingest.ReadOptions{Ref: o.Now, Filter: o.Filter, Inner: o.Inner, Problem: f.Note})
	defer src.Close()
	err := pipe.Run(ctx, src, func(ev *parse.Event) error {
		event(ev)
		return c.Err()
	})
	c.Flush()
	var unread ingest.Unread
	if err != nil && !errors.As(err, &unread) {
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
