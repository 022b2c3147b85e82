package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"fwknopd/parse"
)

// maxLine is the longest log line that is looked at. The kernel's own records end
// at 1 KiB, rsyslog cuts at 8 KiB, the journal's JSON is a few KiB.
const maxLine = 64 << 10

// records cuts a stream into records and decodes them.
type records interface {
	// next decodes the next whole record into ev. An error of the stream (io.EOF,
	// a reader with nothing yet) leaves an unfinished record where it is, so that
	// next may be called again; every other outcome is that of one record.
	next(ctx context.Context, ev *parse.Event) error
	// rest deals with what is left where the stream has ended for good: it decodes a
	// last line without its newline, if whole is set, as the stream was read to its
	// true end, and else counts a torn record. It returns io.EOF if nothing is left.
	rest(ev *parse.Event, whole bool) error
}

// A LineFunc is asked for each line of a log that is read once, before it is looked at as that of
// a packet; taken reports that it is something else. Then it has reset ev and may have given it a
// time: the line is an event without addresses, or with an error none, a [parse.ErrSkip] or a
// malformed record. The line is valid during the call.
type LineFunc func(line []byte, ev *parse.Event) (taken bool, err error)

// lineOptions are what log lines of any source are read with.
type lineOptions struct {
	ref        time.Time                          // gives stamps without a year theirs
	live       bool                               // lines are being written: ref is the moment of each
	match      [][]byte                           // texts of which the log prefix must hold one; empty: any
	decoder    parse.LineDecoder                  // of log lines
	journal    bool                               // records are entries of the journal, not lines
	kernelOnly bool                               // only the kernel writes to this source
	forged     *atomic.Uint64                     // if not nil, counts events of lines that are recognisably not the kernel's
	other      LineFunc                           // if not nil, takes lines that are not of packets
	onLine     func(line []byte)                  // if not nil, is called with every line
	onUntimed  func(line []byte, ev *parse.Event) // if not nil, is called with every line that is an event without the time of a clock
}

// clockAhead is how far the clock of a live log's writer may run before ours. A
// stamp without a year that lay behind ref by a second would be of last year.
const clockAhead = time.Hour

// decode turns one line into an event.
func (o *lineOptions) decode(line []byte, ev *parse.Event) error {
	if o.onLine != nil {
		o.onLine(line)
	}
	if o.other != nil {
		if taken, err := o.takeOther(line, ev); taken {
			return err
		}
	}
	ref := o.ref
	if o.live {
		ref = time.Now().Add(clockAhead)
	}
	var err error
	if o.journal {
		err = parse.JournalEntry(line, ref, ev)
	} else {
		err = o.decoder.Line(line, ref, ev)
	}
	if err != nil {
		return err
	}
	if len(o.match) > 0 && !o.matches(ev.Prefix) {
		return errPrefix
	}
	o.judgeOrigin(ev)
	if o.onUntimed != nil && !parse.OfClock(ev.Time) {
		o.onUntimed(line, ev)
	}
	return nil
}

// takeOther asks for a line that may not be that of a packet.
func (o *lineOptions) takeOther(line []byte, ev *parse.Event) (bool, error) {
	taken, err := o.other(line, ev)
	if err != nil && !errors.Is(err, parse.ErrSkip) {
		err = badRecord(err.Error())
	}
	return taken, err
}

// judgeOrigin applies kernelOnly to all but the lines that contradict it: those of programs
// and containers.
func (o *lineOptions) judgeOrigin(ev *parse.Event) {
	foreign := ev.Program || ev.Container && o.kernelOnly
	switch {
	case foreign && o.kernelOnly:
		ev.Origin = parse.OriginUnknown
	case o.kernelOnly:
		ev.Origin = parse.OriginKernel
	}
	if foreign && o.forged != nil {
		o.forged.Add(1)
	}
}

func (o *lineOptions) matches(prefix []byte) bool {
	for _, m := range o.match {
		if bytes.Contains(prefix, m) {
			return true
		}
	}
	return false
}

// lines reads log lines. A line ends with LF or CR LF. NUL bytes in front of a
// line, which is what a truncated and still written file is full of, are dropped.
// Of a line longer than maxLine nothing is decoded: it is one malformed record.
type lines struct {
	*readBuffer
	lineOptions
	looked int  // bytes of the buffer known to hold no newline
	long   bool // in a line that is too long
}

func (l *lines) next(ctx context.Context, ev *parse.Event) error {
	for {
		unread := l.bytes()
		if n := bytes.IndexByte(unread[l.looked:], '\n'); n >= 0 {
			line := unread[:l.looked+n]
			l.take(len(line) + 1)
			l.looked = 0
			return l.line(line, ev)
		}
		l.looked = len(unread)
		if l.looked > 0 && unread[0] == 0 {
			l.takeNULs()
		}
		if l.looked > maxLine {
			l.take(l.looked)
			l.looked, l.long = 0, true
		}
		if err := l.fill(ctx); err != nil {
			return err
		}
	}
}

func (l *lines) line(line []byte, ev *parse.Event) error {
	if len(line) > 0 && line[0] == 0 {
		line = bytes.TrimLeft(line, "\x00")
	}
	if l.long || len(line) > maxLine {
		l.long = false
		return errLongLine
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return l.decode(line, ev)
}

// takeNULs drops the hole at the front of an unfinished line.
func (l *lines) takeNULs() {
	unread := l.bytes()
	n := len(unread) - len(bytes.TrimLeft(unread, "\x00"))
	if !l.long {
		l.take(n)
		l.looked -= n
	}
}

func (l *lines) rest(ev *parse.Event, whole bool) error {
	l.looked = 0
	if !whole && !l.long {
		return l.torn(false)
	}
	line := l.bytes()
	if len(line) == 0 && !l.long {
		return io.EOF
	}
	l.take(len(line))
	return l.line(line, ev)
}
