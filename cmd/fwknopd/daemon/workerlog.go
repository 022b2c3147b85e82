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

// What the worker has to tell goes through a pipe, one line each: a letter, then
// the text. The monitor believes none of it and bounds all of it.
const (
	recordInfo          = 'i' // a message
	recordWarning       = 'w' // a warning
	recordAlert         = 'a' // a message to mail as well
	recordCompat        = 'm' // a line that scripts for an old daemon wait for
	recordCompatWarning = 'n' // such a line about a refusal
	recordDetail        = 'd' // for -v -v alone
	recordEvent         = 'e' // a line of the event log
	recordPositions     = 's' // where we are in files

	maxRecord = 16 << 10
	maxQueued = 32768 // that may wait: some thousand grants at once
	// recordRate and recordBurst bound what a worker gets written, a second and at once,
	// in bytes. Each record costs recordUnit beside its length: neither many nor long ones
	// may fill a disk.
	recordUnit  = 512
	recordRate  = 2000 * recordUnit
	recordBurst = 20000 * recordUnit
)

// recordsFD is the descriptor of the pipe in the worker, behind monitor.WorkerFD.
const workerLogFD = 4

// records is the worker's end. What cannot be written in time is dropped and
// counted: decisions do not wait for logs.
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
	for range l.lines { // nobody listens any more
	}
}

// put queues a record. A newline in text would begin another one.
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

// close waits until all is written, or nobody reads.
func (l *workerLog) close() {
	close(l.lines)
	<-l.done
}

// relay takes what a worker says until it ends.
func (d *daemon) readWorkerLog(from io.ReadCloser) {
	defer from.Close()
	in := bufio.NewReaderSize(from, maxRecord)
	budget := newBudget(recordRate, recordBurst)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return // its end, or a line that no worker of ours writes
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

// isDecision reports an object that a worker may write into the event log: what became
// of a decision, the monitor writes itself.
func isDecision(object []byte) bool {
	var is struct {
		Type string `json:"event_type"`
	}
	return json.Unmarshal(object, &is) == nil && (is.Type == "decision" || is.Type == "suppressed")
}

// A budget is a rate that counts what it refuses.
type budget struct {
	rate *rate.Limiter
	lost int
}

func newBudget(perSecond rate.Limit, burst int) budget {
	return budget{rate: rate.NewLimiter(perSecond, burst)}
}

// take asks for n: -1 refuses them, 0 grants them, more grants them and says how many
// times it refused before.
func (b *budget) take(now time.Time, n int) int {
	if !b.rate.AllowN(now, n) {
		b.lost++
		return -1
	}
	lost := b.lost
	b.lost = 0
	return lost
}
