package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"fwknopd/parse"
)

// Kind is what an input's content is.
type Kind string

// The kinds of input.
const (
	KindLog    Kind = "log"
	KindPcap   Kind = "pcap"
	KindPcapng Kind = "pcapng"
)

// An Input describes one input of a [Reader].
type Input struct {
	Name     string
	Kind     Kind
	Packed   string         // "gzip", "bzip2", "zstd", "xz" or ""
	LinkType parse.LinkType // of a pcap; each interface of a pcapng has its own
}

// An input is one open file, or standard input.
type input struct {
	records
	Input
	raw    rawReader
	file   io.Closer // nil for standard input
	unpack io.Closer // nil if there is nothing to close
	found  bool      // a record was not [parse.ErrNoRecord]

	waiting *cancelableFile // nil if reading does not wait
}

// A rawReader counts the bytes read.
type rawReader struct {
	r     io.Reader
	count *atomic.Uint64
}

func (r *rawReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.count.Add(uint64(n))
	return n, err
}

// openName opens an input as the user named it.
func (r *Reader) openName(name string) (*input, error) {
	in := &input{Input: Input{Name: displayName(name)}, raw: rawReader{count: &r.bytes}}
	if name == Stdin {
		return in, in.useStdin(r.opt.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, openError(name, err)
	}
	in.raw.r, in.file = f, f
	if info, err := f.Stat(); err != nil || info.Mode().IsRegular() {
		return in, err
	}
	return in, in.wait(f) // a named pipe, a process substitution
}

// openError is err without the name, which its reader knows.
func openError(name string, err error) error {
	if isPattern(name) && errors.Is(err, os.ErrNotExist) {
		return errNoMatch
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

var errNoMatch = errors.New("no file matches")

func (in *input) useStdin(r io.Reader) error {
	if r == nil {
		r = os.Stdin
	}
	in.raw.r = r
	if f, ok := r.(*os.File); ok {
		return in.wait(f)
	}
	return nil
}

// wait makes reading f end with the context.
func (in *input) wait(f *os.File) error {
	waiting, err := newCancelableFile(f)
	if err != nil {
		return err
	}
	in.raw.r, in.waiting = waiting, waiting
	return nil
}

// watch makes the end of ctx interrupt a read.
func (in *input) watch(ctx context.Context) error {
	if in.waiting == nil {
		return nil
	}
	return in.waiting.watch(ctx)
}

// sniff finds out what the input is and makes it ready.
func (in *input) sniff(r *Reader) error {
	magic, body, err := peek(&in.raw, in.sniffLeast())
	if err != nil {
		return openError("", err)
	}
	unpacked, packed, err := unpack(magic, body)
	if err != nil {
		return err
	}
	if packed != "" {
		in.Packed = packed
		in.unpack, _ = unpacked.(io.Closer)
		if magic, body, err = peek(unpacked, sniffSize); err != nil {
			return err
		}
	}
	w := newReadBuffer(body)
	_, classic := pcapMagic(magic)
	switch {
	case classic:
		return in.sniffPcap(w, r)
	case bytes.HasPrefix(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}):
		in.Kind, in.records = KindPcapng, newPcapng(w, r.frames())
	default:
		if err := refused(magic); err != nil {
			return err
		}
		in.Kind, in.records = KindLog, logRecords(magic, w, r.line)
	}
	return nil
}

// logRecords reads a text that begins with front.
func logRecords(front []byte, w *readBuffer, opt lineOptions) records {
	if order := byteOrder(front); order != nil {
		u := &utf16Reader{r: w.r, order: order}
		w.r, front = u, u.front(front)
	}
	if layout := layoutOf(front); layout != layoutLines {
		return &entries{readBuffer: w, lineOptions: opt, layout: layout}
	}
	return &lines{readBuffer: w, lineOptions: opt}
}

func (in *input) sniffPcap(w *readBuffer, r *Reader) error {
	in.Kind = KindPcap
	p, err := newPcap(context.Background(), w, r.frames())
	switch {
	case err == io.EOF: // the file ends inside its header
		in.records = stub{w}
		return nil
	case err != nil:
		return err
	}
	in.records, in.LinkType = p, p.decoder.LinkType()
	return nil
}

// sniffLeast is how many bytes to wait for: a pipe may be slow to give more.
func (in *input) sniffLeast() int {
	if in.waiting != nil {
		return magicSize
	}
	return sniffSize
}

// peek reads the first bytes of r, at least least of them, and returns them and a reader of
// the whole. An error after the first byte is that reader's: what precedes it is read.
func peek(r io.Reader, least int) ([]byte, io.Reader, error) {
	magic := make([]byte, sniffSize)
	n, err := io.ReadAtLeast(r, magic, least)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil // r says it again
	}
	if err != nil && n == 0 {
		return nil, nil, err
	}
	magic = magic[:n]
	return magic, &rejoined{bytes.NewReader(magic), r, err}, nil
}

// rejoined reads front, then r, or ends with err if r did. Unlike io.MultiReader it never
// keeps an end of r.
type rejoined struct {
	front *bytes.Reader
	r     io.Reader
	err   error
}

func (j *rejoined) Read(b []byte) (int, error) {
	if j.front.Len() > 0 {
		return j.front.Read(b)
	}
	if j.err != nil {
		return 0, j.err
	}
	return j.r.Read(b)
}

// stub is a capture that ends inside its file header: one torn record.
type stub struct{ *readBuffer }

func (s stub) next(context.Context, *parse.Event) error { return io.EOF }
func (s stub) rest(*parse.Event, bool) error            { return s.torn(false) }

func (in *input) about() Input { return in.Input }

func (in *input) close() error {
	if in.unpack != nil {
		in.unpack.Close()
	}
	if in.waiting != nil {
		in.waiting.Close()
	}
	if in.file == nil {
		return nil
	}
	return in.file.Close()
}
