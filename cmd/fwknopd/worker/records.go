package worker

import (
	"bufio"
	"fmt"
	"io"
	"sync/atomic"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// maxQueued is how many records wait for the monitor: enough for some thousand grants at
// once.
const maxQueued = 32768

// A recordWriter is the worker's end of the pipe to the monitor. Records that cannot be written in time
// are dropped and counted: decisions do not wait for the log.
type recordWriter struct {
	lines chan []byte
	lost  atomic.Uint64
	done  chan struct{}
}

func newRecordWriter(w io.WriteCloser) *recordWriter {
	l := &recordWriter{lines: make(chan []byte, maxQueued), done: make(chan struct{})}
	go l.run(w)
	return l
}

func (l *recordWriter) run(w io.WriteCloser) {
	defer close(l.done)
	defer w.Close()
	out := bufio.NewWriterSize(w, 32<<10)
	for line := range l.lines {
		out.Write(line)
		if len(l.lines) > 0 {
			continue
		}
		if n := l.lost.Swap(0); n > 0 {
			fmt.Fprintf(out, "%c%s lost, the log was too slow\n", privsep.RecordWarning, conf.Count(int(n), "message"))
		}
		if out.Flush() != nil {
			break
		}
	}
	for range l.lines { // the pipe is closed: drop the rest
	}
}

// put queues a record. A newline in text is replaced, since it would start another
// record.
func (l *recordWriter) put(kind byte, text []byte) {
	line := make([]byte, 0, len(text)+2)
	line = append(append(line, kind), text...)
	for i := range line {
		if line[i] == '\n' {
			line[i] = '?'
		}
	}
	line = append(line, '\n')
	select {
	case l.lines <- line:
	default:
		l.lost.Add(1)
	}
}

func (l *recordWriter) putf(kind byte, format string, args ...any) {
	l.put(kind, []byte(privsep.Sanitize(fmt.Sprintf(format, args...))))
}

// close waits until all records are written or the pipe is closed.
func (l *recordWriter) close() {
	close(l.lines)
	<-l.done
}
