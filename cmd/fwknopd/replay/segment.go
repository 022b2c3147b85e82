package replay

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// A Spec is what segments are read with for decisions that another process makes. It holds no keys.
type Spec struct {
	Filter     string   // PCAP_FILTER
	AllFrames  bool     // those that it does not match matter too
	Match      []string // FW_MSG_SEARCH
	KernelOnly bool
	Interest   policy.Interest
}

// The events of a segment are segmentMagic, each that matters behind its length as a varint, 0, the
// latest time behind the last of them (a bit whether there is one, and that), and what goes with them as
// JSON, to the end.
const segmentMagic = "fwknopd events 1\n"

// maxFacts bounds what goes with them, bytes.
const maxFacts = 1 << 20

// Events reads a segment, whose bytes r yields, and writes the events that matter to w, with what the
// reports of what was read need to know. now dates stamps without a year. What is wrong with the bytes
// is part of the result.
func (s *Spec) Events(ctx context.Context, segment ingest.Segment, r io.Reader, now time.Time, w io.Writer) error {
	var facts inputs.Facts
	opt := ingest.ReadOptions{Ref: now, Match: s.Match, KernelOnly: s.KernelOnly, Problem: facts.Note}
	var err error
	if opt.Filter, err = filter.Parse(s.Filter); err != nil {
		return err
	}
	matched := true
	if s.AllFrames && opt.Filter != nil {
		opt.Matched = &matched
	}
	src := ingest.ReadSegment(segment, "", r, opt)
	defer src.Close()
	out := bufio.NewWriterSize(w, 64<<10)
	out.WriteString(segmentMagic)
	buf, httpBuf := make([]byte, 0, 4<<10), make([]byte, spa.MaxText)
	var before int64
	var passed time.Time // of the events since the last that matters
	err = pipe.Run(ctx, src, func(ev *parse.Event) error {
		e := recorded{Event: ev, record: src.Stats().Position().Record, passed: passed, filtered: ev.Origin == parse.OriginFrame && !matched}
		if !s.Interest.Wants(ev, e.filtered, httpBuf) {
			if ev.Time.After(passed) {
				passed = ev.Time
			}
			return nil
		}
		buf = appendRecorded(buf[:0], &e, before)
		before, passed = e.record, time.Time{}
		out.Write(binary.AppendUvarint(out.AvailableBuffer(), uint64(len(buf))))
		_, err := out.Write(buf)
		return err
	})
	if err != nil && !errors.As(err, new(ingest.Unread)) {
		return err
	}
	facts.Read(src)
	text, err := json.Marshal(&facts)
	if err != nil {
		return err
	}
	there := byte(0)
	if !passed.IsZero() {
		there = hasPassed
	}
	out.Write(appendTime([]byte{0, there}, passed))
	out.Write(text)
	return out.Flush()
}

// behindEvents is what stands behind the events of a segment.
type behindEvents struct {
	passed time.Time // the latest of the events there; zero: none has a time
	facts  inputs.Facts
}

// readEvents calls f with each event of a segment, whose memory is used again, and returns what
// stands behind them. An error that is not of f is [sources.ErrPartial].
func readEvents(r io.Reader, f func(*recorded) error) (rest behindEvents, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic := make([]byte, len(segmentMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != segmentMagic {
		return rest, damaged(errors.New("no events"))
	}
	e := recorded{Event: new(parse.Event)}
	var buf []byte
	for {
		n, err := binary.ReadUvarint(in)
		switch {
		case err != nil:
			return rest, damaged(err)
		case n > maxEvent:
			return rest, damaged(errEvent)
		case n == 0:
			return readBehind(in)
		}
		buf = slices.Grow(buf[:0], int(n))[:n]
		if _, err = io.ReadFull(in, buf); err == nil {
			err = decodeRecorded(buf, &e, e.record)
		}
		if err != nil {
			return rest, damaged(err)
		}
		if err := f(&e); err != nil {
			return rest, err
		}
	}
}

// eventsOf yields the events of a segment, up to one that is damaged.
func eventsOf(r io.Reader) iter.Seq[*parse.Event] {
	return func(yield func(*parse.Event) bool) {
		_, _ = readEvents(r, func(e *recorded) error { return orStop(yield(e.Event)) })
	}
}

// orStop returns an error unless more is wanted.
func orStop(more bool) error {
	if more {
		return nil
	}
	return errStop
}

var errStop = errors.New("no more events are wanted")

func damaged(err error) error { return fmt.Errorf("%w: %w", sources.ErrPartial, err) }

func readBehind(in io.Reader) (rest behindEvents, err error) {
	text, err := io.ReadAll(io.LimitReader(in, maxFacts))
	if err != nil {
		return rest, damaged(err)
	}
	d := fields{codec.NewFields(text)}
	if rest.passed = d.time(d.Number(hasPassed) != 0); d.Failed() {
		return rest, damaged(errEvent)
	}
	if err = json.Unmarshal(d.Rest(), &rest.facts); err == nil {
		err = rest.facts.Check()
	}
	if err != nil {
		return rest, damaged(err)
	}
	return rest, nil
}
