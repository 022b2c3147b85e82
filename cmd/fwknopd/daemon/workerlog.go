package daemon

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/policy/conf"
)

// The worker logs through a pipe to the monitor, one record per line: a letter for the
// kind, then the text. The monitor does not trust the records and limits their size and
// rate.
const (
	recordInfo          = 'i' // a message
	recordWarning       = 'w' // a warning
	recordAlert         = 'a' // a message to mail as well
	recordCompat        = 'm' // a log line of an old daemon
	recordCompatWarning = 'n' // such a line about a refusal, as a warning
	recordDetail        = 'd' // only with -v -v
	recordEvent         = 'e' // a line of the event log
	recordPositions     = 's' // positions in followed files

	maxRecord = 16 << 10
	maxQueued = 32768 // records; enough for some thousand grants at once
	// recordRate and recordBurst limit what is written for a worker, in bytes per second
	// and at once. Each record costs recordUnit in addition to its length, so that neither
	// many nor long records fill the disk.
	recordUnit  = 512
	recordRate  = 2000 * recordUnit
	recordBurst = 20000 * recordUnit
)

// workerLogFD is the descriptor of the pipe in the worker, after monitor.WorkerFD.
const workerLogFD = 4

// A workerLog is the worker's end of the pipe. Records that cannot be written in time
// are dropped and counted: decisions do not wait for the log.
type workerLog struct {
	lines chan []byte
	lost  atomic.Uint64
	done  chan struct{}
}

func newWorkerLog(w io.WriteCloser) *workerLog {
	l := &workerLog{lines: make(chan []byte, maxQueued), done: make(chan struct{})}
	go l.run(w)
	return l
}

func (l *workerLog) run(w io.WriteCloser) {
	defer close(l.done)
	defer w.Close()
	out := bufio.NewWriterSize(w, 32<<10)
	for line := range l.lines {
		out.Write(line)
		if len(l.lines) > 0 {
			continue
		}
		if n := l.lost.Swap(0); n > 0 {
			fmt.Fprintf(out, "%c%s lost, the log was too slow\n", recordWarning, conf.Count(int(n), "message"))
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
func (l *workerLog) put(kind byte, text []byte) {
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

func (l *workerLog) putf(kind byte, format string, args ...any) {
	l.put(kind, []byte(sanitize(fmt.Sprintf(format, args...))))
}

// close waits until all records are written or the pipe is closed.
func (l *workerLog) close() {
	close(l.lines)
	<-l.done
}

// readWorkerLog handles the records of a worker until the pipe is closed.
func (d *daemon) readWorkerLog(from io.ReadCloser) {
	defer from.Close()
	in := bufio.NewReaderSize(from, maxRecord)
	budget := newBudget(recordRate, recordBurst)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return // the end, or a line longer than maxRecord
		}
		if lost := budget.take(time.Now(), recordUnit+len(line)); lost > 0 {
			d.logf(warning, "%s of the worker left out, it says too much", conf.Count(int(lost), "message"))
		} else if lost < 0 {
			continue
		}
		if len(line) > 2 {
			d.handleRecord(line[0], line[1:len(line)-1])
		}
	}
}

func (d *daemon) handleRecord(kind byte, text []byte) {
	switch kind {
	case recordInfo:
		d.logf(info, "%s", text)
	case recordWarning:
		d.logf(warning, "%s", text)
	case recordAlert:
		d.alertf(warning, "%s", text)
	case recordCompat:
		d.logf(info, "%s", text)
	case recordCompatWarning:
		d.logf(warning, "%s", text)
	case recordDetail:
		if d.verbose > 1 {
			d.logf(info, "%s", text)
		}
	case recordEvent:
		if isDecision(text) {
			d.events.write(text)
		}
	case recordPositions:
		d.storePositions(text)
	}
}

// isDecision reports whether a worker may write object into the event log. Only the
// monitor logs what became of a decision.
func isDecision(object []byte) bool {
	var is struct {
		Type string `json:"event_type"`
	}
	return json.Unmarshal(object, &is) == nil && (is.Type == "decision" || is.Type == "suppressed")
}

// A budget is a rate limit that counts what it refuses.
type budget struct {
	rate *rate.Limiter
	lost int
}

func newBudget(perSecond rate.Limit, burst int) budget {
	return budget{rate: rate.NewLimiter(perSecond, burst)}
}

// take takes n from the budget. It returns -1 if they are refused, otherwise the number
// of refusals since the last success.
func (b *budget) take(now time.Time, n int) int {
	if !b.rate.AllowN(now, n) {
		b.lost++
		return -1
	}
	lost := b.lost
	b.lost = 0
	return lost
}
