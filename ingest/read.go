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
	// KernelOnly says that nobody but the kernel writes to these logs, so that
	// their events have OriginKernel whatever the line looks like.
	KernelOnly bool
	// Filter says which frames of captures are wanted. nil: all.
	Filter *filter.Filter
	// Matched, if not nil, is set with each frame: whether Filter wants it. The
	// others are events all the same then.
	Matched *bool
	// Problem, if not nil, is told of each malformed record, and of what is wrong
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
	return frameOptions{filter: o.Filter, matched: o.Matched}
}

// A Reader is a Source that reads logs and captures once, from their beginning to
// their end, one after the other. It implements [Counter] and [Positioner].
type Reader struct {
	books
	opt   ReadOptions
	line  lineOptions
	names []string // still to be read
	open  func(name string) (*input, error)

	in     *input
	kinds  []Kind // of the inputs begun, in order
	total  int64  // bytes of all inputs; 0 if not known
	closed bool
}

// Read returns a Source of the named inputs in the given order. A name may be a
// glob pattern, which stands for the files it matches, sorted; one that matches
// nothing is an error. The name "-" is standard input. What an input is, its
// content says: a capture (pcap, pcapng) or a log, either one packed by gzip,
// bzip2, zstd or xz.
//
// A file that cannot be read ends the Reader with an error that names it. What is
// wrong inside an input is counted and reported, and reading goes on.
func Read(names []string, opt ReadOptions) (*Reader, error) {
	r := newReader(opt)
	for _, name := range names {
		found, err := expand(name)
		if err != nil {
			return nil, err
		}
		r.names = append(r.names, found...)
	}
	r.total = totalSize(r.names)
	return r, nil
}

func newReader(opt ReadOptions) *Reader {
	r := &Reader{books: books{problem: opt.Problem}, opt: opt, line: opt.lines()}
	r.open = r.openName
	return r
}

func (r *Reader) frames() frameOptions {
	f := r.opt.frames()
	f.cut = &r.cut
	return f
}

// expand returns the files a name stands for.
func expand(name string) ([]string, error) {
	if name == Stdin || !strings.ContainsAny(name, `*?[`) {
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
		return nil, fmt.Errorf("%s: no file matches", name)
	}
	slices.Sort(found)
	return found, nil
}

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
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.nextInput(ctx); err != nil {
				return err
			}
		}
		if err := r.in.watch(ctx); err != nil {
			return err
		}
		err := r.in.next(ctx, ev)
		if err == nil || err == errFiltered || errors.Is(err, parse.ErrSkip) {
			return r.enter(err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.closed {
			return os.ErrClosed
		}
		if err := r.endInput(err, ev); err != io.EOF {
			return r.enter(err)
		}
	}
}

// nextInput opens the next input, or returns io.EOF behind the last.
func (r *Reader) nextInput(ctx context.Context) error {
	if r.closed {
		return os.ErrClosed
	}
	if len(r.names) == 0 {
		return io.EOF
	}
	name := r.names[0]
	in, err := r.open(name)
	if err != nil {
		return err
	}
	r.names = r.names[1:]
	r.name, r.record = displayName(name), 0
	if in.records == nil {
		if err := errors.Join(in.watch(ctx), in.sniff(r)); err != nil {
			in.close()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	r.in = in
	r.kinds = append(r.kinds, in.Kind)
	return nil
}

func displayName(name string) string {
	if name == Stdin {
		return "standard input"
	}
	return name
}

// endInput deals with the end of an input, cause saying why it ended. It returns
// the outcome of a last record, or io.EOF and the input is closed.
func (r *Reader) endInput(cause error, ev *parse.Event) error {
	if cause != io.EOF && !r.in.failed {
		r.in.failed = true
		r.report(fmt.Errorf("read no further: %w", cause))
	}
	if err := r.in.rest(ev, cause == io.EOF); err != io.EOF {
		return err
	}
	r.in.close()
	r.in = nil
	return io.EOF
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

// Kinds returns what the inputs begun so far are, in order.
func (r *Reader) Kinds() []Kind { return r.kinds }

// Close closes the current input. A Next that follows fails.
func (r *Reader) Close() error {
	r.closed = true
	if r.in == nil {
		return nil
	}
	return r.in.close()
}
