package fleetlink

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/ingest"
)

// MaxLines bounds the text of the records in one message, and so a line, in bytes. A longer line is
// counted as too long.
const MaxLines = 60 << 10

// maxLineRecords is how many records a message has at most.
const maxLineRecords = 256

// ForLines is the purpose of a link on which the fleet process passes on log lines, see [NewLines].
const ForLines Purpose = 3

// Messages of such a link, beside kindMessage.
const (
	kindLines   = 'l' // linesMessage, to the worker
	kindAway    = 'w' // noticeMessage, to the worker: why no lines come
	kindDecided = 'd' // doneMessage, of the worker
)

// A linesMessage has records of one partition.
type linesMessage struct {
	Name    string // topic/partition
	Records []lineRecord
}

// A lineRecord is an [ingest.FedRecord].
type lineRecord struct {
	Offset int64
	Time   int64 // Unix milliseconds
	First  uint32
	Long   bool
	Text   string
}

// A doneMessage says how many lines of the link are done with.
type doneMessage struct{ Lines uint64 }

// A Lines is the worker's end of a link on which the fleet process passes on log lines. It
// implements [ingest.LineFeed], and does not trust the other end.
type Lines struct {
	link *Link
	done chan uint64 // has the last number that was not sent yet
	gone chan struct{}
	sent chan struct{}         // closed when no more is sent
	err  atomic.Pointer[error] // why nothing can be sent
}

// NewLines returns the worker's end over a link, which it takes over.
func NewLines(conn *net.UnixConn) *Lines {
	l := &Lines{link: NewLink(conn), done: make(chan uint64, 1), gone: make(chan struct{}), sent: make(chan struct{})}
	go l.sendDone()
	return l
}

var errLines = errors.New("lines that cannot be")

// Receive implements [ingest.LineFeed].
func (l *Lines) Receive() (fed ingest.Fed, err error) {
	if failed := l.err.Load(); failed != nil {
		return fed, *failed
	}
	kind, content, err := l.link.Receive()
	switch failed := l.err.Load(); {
	case failed != nil:
		return fed, *failed
	case err != nil:
		return fed, err
	}
	switch kind {
	case kindLines:
		var m linesMessage
		if err := codec.Decode(content, &m); err != nil {
			return fed, err
		}
		return m.fed()
	case kindMessage, kindAway:
		var n noticeMessage
		if err := codec.Decode(content, &n); err != nil {
			return fed, err
		}
		if text := cut(n.Text); kind == kindAway {
			fed.Away = text
		} else {
			fed.Note = text
		}
		return fed, nil
	}
	return fed, errKind
}

// fed converts a message, unless no honest fleet process sends it.
func (m *linesMessage) fed() (fed ingest.Fed, err error) {
	if len(m.Name) > MaxWhy || len(m.Records) == 0 || len(m.Records) > maxLineRecords {
		return fed, errLines
	}
	fed.Name = cut(m.Name)
	fed.Records = make([]ingest.FedRecord, len(m.Records))
	for i, r := range m.Records {
		if r.Offset < 0 {
			return ingest.Fed{}, errLines
		}
		fed.Records[i] = ingest.FedRecord{Offset: r.Offset, Time: time.UnixMilli(r.Time), First: r.First, Long: r.Long, Text: []byte(r.Text)}
	}
	return fed, nil
}

// Commit implements [ingest.LineFeed].
func (l *Lines) Commit(n uint64) {
	for {
		select {
		case l.done <- n:
			return
		case <-l.done: // an earlier number, which the new one includes
		}
	}
}

// sendDone sends what is committed: the other end may be slow to take it.
func (l *Lines) sendDone() {
	defer close(l.sent)
	for {
		select {
		case n := <-l.done:
			if err := l.link.Send(kindDecided, doneMessage{n}); err != nil {
				l.err.Store(&err)
				_ = l.SetReadDeadline(time.Unix(1, 0)) // ends Receive
				return
			}
		case <-l.gone:
			select {
			case n := <-l.done:
				_ = l.link.Send(kindDecided, doneMessage{n}) // fails if the link has ended
			default:
			}
			return
		}
	}
}

// SetReadDeadline implements [ingest.LineFeed].
func (l *Lines) SetReadDeadline(t time.Time) error { return l.link.conn.SetReadDeadline(t) }

// lastWord is how long the end waits for what is committed to be sent.
const lastWord = 100 * time.Millisecond

// Close implements [ingest.LineFeed]. It is called once.
func (l *Lines) Close() error {
	_ = l.link.conn.SetWriteDeadline(time.Now().Add(lastWord)) // fails if the link has ended
	close(l.gone)
	<-l.sent
	return l.link.Close()
}

// A LineSender is the fleet process's end of such a link. One goroutine may call Done while others
// call the other methods.
type LineSender struct{ link *Link }

// NewLineSender returns the fleet process's end over a link, which it takes over. A worker that is
// busy for a while is waited for.
func NewLineSender(conn *net.UnixConn) *LineSender {
	link := NewLink(conn)
	link.wait = 0
	return &LineSender{link}
}

// Send passes on records of the partition name, at least one, of which [LinesFit] says that they fit
// into a message.
func (s *LineSender) Send(name string, records []ingest.FedRecord) error {
	m := linesMessage{Name: name}
	for _, r := range records {
		m.Records = append(m.Records, lineRecord{r.Offset, r.Time.UnixMilli(), r.First, r.Long, string(r.Text)})
	}
	return s.link.Send(kindLines, m)
}

// LinesFit reports whether one more record fits into a message with records of so many bytes in all.
func LinesFit(records, bytes int, more *ingest.FedRecord) bool {
	const (
		head   = 1 << 10 // of a message: the name, and how many records
		perRec = 32      // numbers of a record
	)
	return records == 0 || records < maxLineRecords && head+(records+1)*perRec+bytes+len(more.Text) <= MaxMessage
}

// Away tells the worker why no lines come, with an empty reason that they do.
func (s *LineSender) Away(reason string) { _ = s.link.Send(kindAway, noticeMessage{cut(reason)}) }

// Note has the worker log a text.
func (s *LineSender) Note(text string) { _ = s.link.Send(kindMessage, noticeMessage{cut(text)}) }

// Done waits until the worker says that the first n lines of the link are done with, and returns n.
func (s *LineSender) Done() (n uint64, err error) {
	kind, content, err := s.link.Receive()
	if err == nil && kind != kindDecided {
		err = errKind
	}
	var m doneMessage
	if err == nil {
		err = codec.Decode(content, &m)
	}
	return m.Lines, err
}

// Close ends the link.
func (s *LineSender) Close() error { return s.link.Close() }

// HungUp reports whether err is that of a link that one of its ends has closed.
func HungUp(err error) bool { return err != nil && ended(err) == nil }
