package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// Stdin is the name that stands for standard input.
const Stdin = "-"

// ReadOptions say how inputs are read. The zero value is ready to use.
type ReadOptions struct {
	// Ref gives log stamps without a year theirs, see parse.LogLine. Zero: now, and
	// for a log that is followed the moment at which each line is read.
	Ref time.Time
	// Match are texts of which a line's log prefix must contain one
	// (FW_MSG_SEARCH); lines of other rules are not ours. Empty: every rule's.
	Match []string
	// KernelOnly states that only the kernel writes to these logs, so that
	// their events have OriginKernel, with the kernel's tag or without. A line that shows
	// that a program or a container wrote it has OriginUnknown all the same.
	KernelOnly bool
	// Filter selects the frames of captures. nil: all. A Reader counts the others and passes
	// over them: Next does not return for each.
	Filter *filter.Filter
	// Matched, if not nil, is set with each frame: whether Filter wants it. The
	// others are events all the same then.
	Matched *bool
	// Inner has frames of captures that carry a packet in a tunnel give the event of that
	// packet, see parse.Decoder.Inner. Filter is about the frames all the same.
	Inner bool
	// Problem, if not nil, is called for each malformed record, and for what is wrong
	// with an input as a whole. It is called from the goroutine that calls Next.
	Problem func(Problem)
	// Stdin is what the name "-" reads. nil: os.Stdin.
	Stdin io.Reader
}

// liveLines are the options for a log that is still being written.
func (o *ReadOptions) liveLines() lineOptions {
	l := o.lines()
	l.live = o.Ref.IsZero()
	return l
}

func (o *ReadOptions) lines() lineOptions {
	l := lineOptions{ref: o.Ref, kernelOnly: o.KernelOnly}
	if l.ref.IsZero() {
		l.ref = time.Now()
	}
	for _, m := range o.Match {
		l.match = append(l.match, []byte(m))
	}
	return l
}

func (o *ReadOptions) frames() frameOptions {
	return frameOptions{filter: o.Filter, matched: o.Matched, inner: o.Inner}
}

// A Reader is a Source that reads logs and captures once, from their beginning to
// their end, one after the other.
type Reader struct {
	accounting
	opt   ReadOptions
	line  lineOptions
	names []string // still to be read
	open  func(name string) (*input, error)

	in     *input
	begun  []Outcome // of the inputs so far, in order
	before Counts    // of the inputs before the current one
	total  int64     // bytes of all inputs; 0 if not known
	part   bool      // of one input
	inside Inside
	closed bool
}

// Read returns a Source of the named inputs in the given order. A name may be a
// glob pattern, which stands for the files it matches, sorted; one that matches
// nothing is an error. The name "-" is standard input. What an input is, its
// content shows: a capture (pcap, pcapng) or a log, either one packed by gzip,
// bzip2, zstd or xz.
//
// An input that cannot be read, or not to its end, is passed over; behind the last
// one Next returns an error of type [Unread] that names them, or io.EOF if there were
// none. What is wrong inside an input is counted and reported, and reading goes on.
// The error of Read itself is that of a malformed pattern.
func Read(names []string, opt ReadOptions) (*Reader, error) {
	r := newReader(opt)
	var err error
	if r.names, err = Files(names); err != nil {
		return nil, err
	}
	r.total = totalSize(r.names)
	return r, nil
}

func newReader(opt ReadOptions) *Reader {
	r := &Reader{accounting: accounting{problem: opt.Problem}, opt: opt, line: opt.lines()}
	r.open = r.openName
	r.line.onUntimed, r.line.forged = r.noteUntimed, &r.forged
	return r
}

func (r *Reader) frames() frameOptions {
	f := r.opt.frames()
	f.cut, f.inside = &r.cut, &r.inside
	return f
}

// Lines has f asked for each line of the logs. It must be called before the first Next.
func (r *Reader) Lines(f LineFunc) { r.line.other = f }

// Inside counts the packets read so far that Filter does not get to see. Like Next it
// is for one goroutine.
func (r *Reader) Inside() Inside { return r.inside }

// Files returns the files that names stand for, in their order; see [Read].
func Files(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		found, err := expand(name)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// expand returns the files a name stands for; a pattern that matches none stands for
// itself, a file that does not exist.
func expand(name string) ([]string, error) {
	if !isPattern(name) {
		return []string{name}, nil
	}
	if _, err := os.Lstat(name); err == nil {
		return []string{name}, nil
	}
	found, err := filepath.Glob(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(found) == 0 {
		return []string{name}, nil
	}
	slices.Sort(found)
	return found, nil
}

func isPattern(name string) bool { return name != Stdin && strings.ContainsAny(name, `*?[`) }

// totalSize adds up the regular files, or returns 0 if an input's size is unknown.
func totalSize(names []string) int64 {
	var sum int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return 0
		}
		sum += info.Size()
	}
	return sum
}

// Next implements [Source].
func (r *Reader) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if r.in == nil {
			if err := r.nextInput(ctx); err != nil {
				return err
			}
			continue
		}
		if err := r.in.watch(ctx); err != nil {
			return err
		}
		err := r.in.next(ctx, ev)
		if err == errFiltered {
			err = r.passFiltered(ctx, ev)
		}
		if err == nil && ev.Origin == parse.OriginFrame && ev.Time.IsZero() {
			r.noteUntimed(nil, ev)
		}
		if err == nil || errors.Is(err, parse.ErrSkip) {
			if !r.in.found {
				r.in.found = err != parse.ErrNoRecord
			}
			return r.count(err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.closed {
			return os.ErrClosed
		}
		if err := r.endInput(err, ev); err != io.EOF {
			return r.count(err)
		}
	}
}

// passFiltered counts a frame that the filter dropped and those that follow it, which may be
// nearly all of a capture: they are not returned to the caller. It returns the outcome of the
// record behind them.
func (r *Reader) passFiltered(ctx context.Context, ev *parse.Event) error {
	err, n := errFiltered, 0
	for ; err == errFiltered; n++ {
		err = r.in.next(ctx, ev)
	}
	r.in.found = true
	r.record += int64(n)
	r.notOurs.Add(uint64(n))
	return err
}

// nextInput opens the next input, or returns the error that Next ends with. One that
// cannot be read is passed over.
func (r *Reader) nextInput(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.closed {
		return os.ErrClosed
	}
	if len(r.names) == 0 {
		return r.ended()
	}
	in, err := r.begin(ctx, r.names[0])
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.name, r.record, r.names = displayName(r.names[0]), 0, r.names[1:]
	r.begun = append(r.begun, Outcome{Name: r.name, Err: err})
	if err == nil {
		r.in, r.before = in, r.totals()
		r.current().Kind = in.Kind
	}
	return nil
}

// begin opens an input and finds out what it is.
func (r *Reader) begin(ctx context.Context, name string) (*input, error) {
	in, err := r.open(name)
	if err != nil || in.records != nil {
		return in, err
	}
	if err = in.watch(ctx); err == nil { // else a wait for the first bytes would not end
		err = in.sniff(r)
	}
	if err != nil {
		in.close()
	}
	return in, err
}

// ended returns the error behind the last input.
func (r *Reader) ended() error {
	var unread Unread
	for i := range r.begun {
		if o := &r.begun[i]; o.Err != nil {
			unread = append(unread, fmt.Errorf("%s: %w", o.Name, o.Err))
		}
	}
	if unread != nil {
		return unread
	}
	return io.EOF
}

func (r *Reader) current() *Outcome { return &r.begun[len(r.begun)-1] }

func displayName(name string) string {
	if name == Stdin {
		return "standard input"
	}
	return name
}

// endInput deals with the end of an input, cause saying why it ended. It returns
// the outcome of a last record, or io.EOF and the input is closed.
func (r *Reader) endInput(cause error, ev *parse.Event) error {
	o := r.current()
	if cause != io.EOF && o.Err == nil {
		o.Err = fmt.Errorf("record %d: read no further: %w", r.record+1, cause)
	}
	if err := r.in.rest(ev, cause == io.EOF); err != io.EOF {
		r.in.found = r.in.found || err != parse.ErrNoRecord
		return err
	}
	r.setOutcome(o)
	r.in.close()
	r.in = nil
	return io.EOF
}

// setOutcome records the outcome of the current input.
func (r *Reader) setOutcome(o *Outcome) {
	c := r.totals()
	o.Records, o.Found = c.Records-r.before.Records, r.in.found
	ng, ok := r.in.records.(*pcapng)
	if !ok {
		return
	}
	o.Foreign = ng.foreign
	if o.Err == nil && len(ng.foreign) > 0 && len(ng.decoders) == 0 {
		o.Err = errors.Join(ng.foreign...)
	}
}

// Progress returns how many bytes were read, as they lie on disk, and how many
// there are in all; total is 0 if that is not known. Any goroutine may ask.
func (r *Reader) Progress() (done, total int64) { return int64(r.bytes.Load()), r.total }

// Input returns what the current input is. It is zero before the first Next.
func (r *Reader) Input() Input {
	if r.in == nil {
		return Input{}
	}
	return r.in.about()
}

// Sole returns the name of the only input; an error if there are several.
func (r *Reader) Sole() (string, error) {
	if n := len(r.begun) + len(r.names); n != 1 {
		return "", fmt.Errorf("there are %d files", n)
	}
	return displayName(r.names[0]), nil
}

// Part reports that this Reader reads a part of an input, see [Split].
func (r *Reader) Part() bool { return r.part }

// Outcomes returns what became of the inputs so far, in order.
func (r *Reader) Outcomes() []Outcome { return r.begun }

// Close closes the current input. A Next that follows fails.
func (r *Reader) Close() error {
	r.closed = true
	if r.in == nil {
		return nil
	}
	return r.in.close()
}
