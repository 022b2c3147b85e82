package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"fwknopd/parse"
)

// A LineFeed is a connection to a process that reads log lines for this one. Receive may be
// ended by the deadline, and by Close; the other methods may be called from any goroutine.
type LineFeed interface {
	// Receive waits for the next message. What it returns is valid until the next call.
	Receive() (Fed, error)
	// Commit tells the other side that the first n lines of this connection are done with. It does
	// not wait.
	Commit(n uint64)
	SetReadDeadline(time.Time) error
	Close() error
}

// Fed is one message of a [LineFeed]: records of one partition, or with none of them how the other
// side is.
type Fed struct {
	Name    string // topic/partition
	Records []FedRecord
	// Without records: what to log, and else why no records come, "" if they do.
	Note, Away string
}

// A FedRecord is a record of a topic, or a part of one.
type FedRecord struct {
	Offset int64
	Time   time.Time // when it was written, as its producer or the broker says
	First  uint32    // the number of its first line in the record, from 0
	Long   bool      // the one line of it was too long, and is not in Text
	Text   []byte    // lines, with LF between them
}

// Lines returns how many lines the record has; one without text has an empty one.
func (r *FedRecord) Lines() uint64 { return uint64(bytes.Count(r.Text, lf)) + 1 }

var lf = []byte{'\n'}

// A Committer is a Source whose records come again, after a restart, unless they are committed.
type Committer interface {
	// Commit says that what was decided by the records up to a State of the source is durable.
	// It does not wait, and may be called from any goroutine.
	Commit(State)
}

// Lines of a feed that were written longer ago, or later by their time, are passed over, as those
// that a log got while the daemon was not running for so long.
const feedAge = 2 * time.Minute

// feedPause is how long to wait before a connection that ended is made again.
const feedPause = time.Second

var errOldLine error = &notOurs{"line too old"}

// A feed is an endless Source of log lines that another process reads from topics of Kafka. Its
// State counts lines, which that process commits at the brokers, and is none to resume from.
type feed struct {
	accounting
	source string
	lines  lines
	open   func() (LineFeed, error)
	away   func(reason string)
	reason string // that away was called with last
	now    func() time.Time
	done   chan struct{}

	fed   Fed
	at    int    // the record of fed that is read
	text  []byte // what is left of it
	begun bool   // some of it was read
	old   uint64 // lines in a row that were passed over

	mu     sync.Mutex
	conn   LineFeed
	ending *readCanceler
	closed bool
	read   uint64 // lines that Next has looked at
	event  uint64 // the same up to the last one that was an event
	base   uint64 // lines of the connections before this one
	sent   uint64 // lines that were committed
}

// newFeed makes a source of what open connects to, again and again.
func newFeed(name string, open func() (LineFeed, error), opt ReadOptions, away func(string)) *feed {
	if away == nil {
		away = func(string) {}
	}
	f := &feed{accounting: accounting{name: name, problem: opt.Problem}, source: name, open: open, away: away, now: time.Now, done: make(chan struct{})}
	f.lines = lines{lineOptions: opt.liveLines()}
	f.lines.onUntimed, f.lines.forged, f.stamps.live = f.noteUntimed, &f.forged, f.lines.live
	f.place = f.state
	return f
}

// Next implements [Source].
func (f *feed) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if r, line := f.nextLine(); r != nil {
			err := f.line(r, line, ev)
			f.took(err == nil)
			return err
		}
		if err := f.receive(ctx); err != nil {
			return err
		}
	}
}

// Buffered implements [Source].
func (f *feed) Buffered() bool { return f.at < len(f.fed.Records) }

// nextLine takes the next line of what was received, and returns it with its record; nil if there
// is none.
func (f *feed) nextLine() (r *FedRecord, line []byte) {
	if f.at == len(f.fed.Records) {
		return nil, nil
	}
	r = &f.fed.Records[f.at]
	if !f.begun {
		f.begun, f.text, f.record = true, r.Text, int64(r.First)
		f.name = fmt.Sprintf("%s@%d", f.fed.Name, r.Offset)
	}
	line, rest, more := bytes.Cut(f.text, lf)
	f.text = rest
	if !more {
		f.at++
		f.begun = false
	}
	return r, line
}

// line decodes a line of r.
func (f *feed) line(r *FedRecord, line []byte, ev *parse.Event) error {
	f.bytes.Add(uint64(len(line)))
	if age := f.now().Sub(r.Time); age.Abs() > feedAge {
		return f.passOver(age)
	}
	f.noteOld()
	f.lines.long = r.Long
	return f.count(f.lines.line(line, ev))
}

// passOver counts a line that is too old, and reports the first of several.
func (f *feed) passOver(age time.Duration) error {
	err := f.count(errOldLine)
	if f.old++; f.old == 1 {
		where := "before"
		if age < 0 {
			where = "after"
		}
		f.reportProblem(fmt.Errorf("lines are passed over that were written more than %s %s now, this one %s",
			feedAge, where, age.Abs().Round(time.Second)))
	}
	return err
}

// noteOld reports the end of lines that were passed over.
func (f *feed) noteOld() {
	if f.old > 0 {
		f.reportProblem(fmt.Errorf("lines passed over by their time: %d", f.old))
		f.old = 0
	}
}

// took counts a line for [feed.Commit]. Lines that are no events need no decision.
func (f *feed) took(event bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	none := f.sent >= f.event // all events so far are committed
	f.read++
	switch {
	case event:
		f.event = f.read
	case none && f.at == len(f.fed.Records):
		f.commit(f.read)
	}
}

// receive waits for a message.
func (f *feed) receive(ctx context.Context) error {
	conn, ending, err := f.connection(ctx)
	if err != nil {
		return err
	}
	if err := ending.watch(ctx); err != nil {
		return err
	}
	fed, err := conn.Receive()
	if err != nil {
		return f.lost(ctx, ending.cause(ctx, err))
	}
	switch {
	case fed.Note != "":
		f.note(errors.New(fed.Note))
	case len(fed.Records) == 0:
		f.setAway(fed.Away)
	}
	f.fed, f.at, f.begun = fed, 0, false
	return nil
}

// note reports what is not about a record.
func (f *feed) note(err error) {
	if f.problem != nil {
		f.problem(Problem{Position{Name: f.source}, err})
	}
}

// setAway reports why no records come, or that they do, if that is news.
func (f *feed) setAway(reason string) {
	if reason != f.reason {
		f.reason = reason
		f.away(reason)
	}
}

// connection returns the connection, which it makes if there is none.
func (f *feed) connection(ctx context.Context) (LineFeed, *readCanceler, error) {
	f.mu.Lock()
	conn, ending, closed := f.conn, f.ending, f.closed
	f.mu.Unlock()
	switch {
	case closed:
		return nil, nil, os.ErrClosed
	case conn != nil:
		return conn, ending, ctx.Err()
	}
	for {
		conn, err := f.open()
		if err == nil {
			return f.connected(conn)
		}
		f.setAway(err.Error())
		if err := pause(ctx, f.done, feedPause); err != nil {
			return nil, nil, err
		}
	}
}

// connected takes over a new connection.
func (f *feed) connected(conn LineFeed) (LineFeed, *readCanceler, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		conn.Close()
		return nil, nil, os.ErrClosed
	}
	f.conn, f.ending, f.base = conn, &readCanceler{deadline: conn.SetReadDeadline}, f.read
	return f.conn, f.ending, nil
}

// lost deals with the end of a connection, unless cause is final. The lines that were not
// committed come again.
func (f *feed) lost(ctx context.Context, cause error) error {
	if ctx.Err() != nil || cause == os.ErrClosed {
		return cause
	}
	f.disconnect()
	f.setAway(fmt.Sprintf("the connection to the fleet process ended: %v", cause))
	return pause(ctx, f.done, feedPause)
}

// disconnect closes the connection.
func (f *feed) disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		f.ending.release()
		f.conn.Close()
		f.conn = nil
	}
}

func (f *feed) state() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return State{Offset: int64(f.read)}
}

// Commit implements [Committer].
func (f *feed) Commit(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := uint64(s.Offset)
	if n >= f.event { // what came since is no event
		n = f.read
	}
	f.commit(n)
}

// commit commits the first n lines. f.mu must be held.
func (f *feed) commit(n uint64) {
	if n <= f.sent {
		return
	}
	f.sent = n
	if f.conn != nil && n > f.base {
		f.conn.Commit(n - f.base)
	}
}

// Close ends a Next that waits in another goroutine.
func (f *feed) Close() error {
	f.mu.Lock()
	closed := f.closed
	f.closed = true
	f.mu.Unlock()
	if !closed {
		close(f.done)
		f.disconnect()
	}
	return nil
}
