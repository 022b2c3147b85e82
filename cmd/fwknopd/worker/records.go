package worker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/privsep"
)

// maxQueued is how many records wait for the monitor: enough for some thousand grants at
// once.
const maxQueued = 32768

// A recordWriter is the worker's end of the pipe to the monitor. Records that cannot be
// written in time are dropped and counted: decisions do not wait for the log.
type recordWriter struct {
	records chan []byte
	lost    atomic.Uint64
	done    chan struct{}
}

func newRecordWriter(w io.WriteCloser) *recordWriter {
	l := &recordWriter{records: make(chan []byte, maxQueued), done: make(chan struct{})}
	go l.run(w)
	return l
}

func (l *recordWriter) run(w io.WriteCloser) {
	defer close(l.done)
	defer w.Close()
	out := bufio.NewWriterSize(w, 32<<10)
	for record := range l.records {
		out.Write(record)
		if len(l.records) > 0 {
			continue
		}
		if n := l.lost.Swap(0); n > 0 {
			out.Write(frame(privsep.RecordLost, func(b []byte) ([]byte, error) { return codec.Encode(b, n) }))
		}
		if out.Flush() != nil {
			break
		}
	}
	for range l.records { // the pipe is closed: drop the rest
	}
}

// frame returns a record with the content that append adds. Content that cannot be sent
// becomes a text about that.
func frame(kind byte, content func([]byte) ([]byte, error)) []byte {
	record, err := content(make([]byte, privsep.RecordHead, 512))
	n := len(record) - privsep.RecordHead
	if err == nil && n > privsep.MaxRecord {
		err = fmt.Errorf("%d bytes", n)
	}
	if err != nil {
		record = fmt.Appendf(record[:privsep.RecordHead], "not logged: record %q: %v", kind, err)
		kind = privsep.RecordText
		n = len(record) - privsep.RecordHead
	}
	record[0] = kind
	binary.BigEndian.PutUint16(record[1:], uint16(n))
	return record
}

// put queues a record with the encoding of v. It reports whether there was room.
func (l *recordWriter) put(kind byte, v any) bool {
	return l.queue(frame(kind, func(b []byte) ([]byte, error) { return codec.Encode(b, v) }))
}

// putBytes queues a record with the content as it is.
func (l *recordWriter) putBytes(kind byte, content []byte) {
	l.queue(frame(kind, func(b []byte) ([]byte, error) { return append(b, content...), nil }))
}

// warnf queues a text.
func (l *recordWriter) warnf(format string, args ...any) {
	l.putBytes(privsep.RecordText, []byte(privsep.Sanitize(fmt.Sprintf(format, args...))))
}

func (l *recordWriter) queue(record []byte) bool {
	select {
	case l.records <- record:
		return true
	default:
		l.lost.Add(1)
		return false
	}
}

// close waits until all records are written or the pipe is closed.
func (l *recordWriter) close() {
	close(l.records)
	<-l.done
}
