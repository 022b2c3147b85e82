package control

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
)

const (
	maxReaders = 4 // of a feed
	// keptBytes bounds the objects that a feed keeps for readers that come later, queueBytes
	// those that wait for one reader. All kept objects fit into a queue.
	keptBytes, queueBytes = 64 << 10, 256 << 10
	// sendPause is between two writes to a reader, unless its queue is half full: many objects
	// wake it seldom then, and the first one after a while comes at once.
	sendPause = time.Second
	// sendTimeout is how long a reader may stand still before its connection is closed.
	sendTimeout = time.Minute
)

// A Feed passes the objects of the event log to the processes that watch the daemon, and keeps
// the last ones for those that come later. The zero value is ready to use, by several
// goroutines.
type Feed struct {
	mu      sync.Mutex
	kept    queue
	added   uint64 // objects so far
	readers map[*feedReader]struct{}
	pause   time.Duration // 0: sendPause
}

// A feedReader is one process that watches.
type feedReader struct {
	queue
	own  bool // of the daemon itself, and not one of maxReaders
	lost int  // objects since the last one in the queue
	// Both have room for one signal: there is something in the queue, it is half full.
	wake, full chan struct{}
}

// notify puts a signal into a channel, if there is none.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// A queue is objects, the oldest first, and how long they are together.
type queue struct {
	objects [][]byte
	bytes   int
}

func (q *queue) push(object []byte) {
	q.objects = append(q.objects, object)
	q.bytes += len(object)
}

func (q *queue) pop() {
	q.bytes -= len(q.objects[0])
	q.objects[0] = nil
	q.objects = q.objects[1:]
}

// Add passes an object on; the feed keeps it. It never waits: a reader that is too slow misses
// objects, and is told how many.
func (f *Feed) Add(object []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.added++
	for r := range f.readers {
		if r.lost > 0 || r.bytes+len(object) > queueBytes {
			r.lost++
			continue
		}
		r.push(object)
		if notify(r.wake); r.bytes > queueBytes/2 {
			notify(r.full)
		}
	}
	for f.kept.push(object); f.kept.bytes > keptBytes; {
		f.kept.pop()
	}
}

var errReaders = errors.New("too many processes watch already")

// subscribe returns a reader that begins with the last kept objects, of which there are
// history. Only one of the daemon's own is always admitted.
func (f *Feed) subscribe(last int, own bool) (r *feedReader, history int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	others := 0
	for r := range f.readers {
		if !r.own {
			others++
		}
	}
	if others >= maxReaders && !own {
		return nil, 0, errReaders
	}
	r = &feedReader{own: own, wake: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	history = max(min(last, len(f.kept.objects)), 0)
	for _, object := range f.kept.objects[len(f.kept.objects)-history:] {
		r.push(object)
	}
	notify(r.wake)
	if f.readers == nil {
		f.readers = make(map[*feedReader]struct{})
	}
	f.readers[r] = struct{}{}
	return r, history, nil
}

func (f *Feed) unsubscribe(r *feedReader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, r)
}

// take empties the queue of a reader. lost objects are missing after those that it returns, the last
// of which is the one with the number last.
func (f *Feed) take(r *feedReader) (objects [][]byte, last uint64, lost int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	objects, lost = r.objects, r.lost
	r.queue, r.lost = queue{}, 0
	return objects, f.added - uint64(lost), lost
}

// Follow passes on the kept objects and then those that come, until ctx is done or pass fails,
// which is the error. They are numbered from 1 on, the number of the first of a list is first; what
// came while pass was too slow is left out, and missing in the numbers.
func (f *Feed) Follow(ctx context.Context, pass func(first uint64, objects [][]byte) error) error {
	r, _, err := f.subscribe(keptBytes, true)
	if err != nil {
		return err
	}
	defer f.unsubscribe(r)
	return f.follow(ctx, r, func() error {
		objects, last, _ := f.take(r)
		if len(objects) == 0 {
			return nil
		}
		return pass(last-uint64(len(objects))+1, objects)
	})
}

// send writes what comes to a reader, until ctx is done or the reader has gone or stands still.
func (f *Feed) send(ctx context.Context, r *feedReader, conn *net.UnixConn) {
	defer f.unsubscribe(r)
	conn.SetReadDeadline(time.Time{})
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	go func() {
		defer gone()
		io.Copy(io.Discard, conn) // ends when the reader goes, or conn is closed
	}()
	_ = f.follow(ctx, r, func() error {
		conn.SetWriteDeadline(time.Now().Add(sendTimeout))
		_, err := conn.Write(f.lines(r))
		return err
	})
}

// lines takes what there is for a reader as lines. The last one may say how many objects are missing
// after the others.
func (f *Feed) lines(r *feedReader) (lines []byte) {
	objects, _, lost := f.take(r)
	for _, object := range objects {
		lines = append(append(lines, object...), '\n')
	}
	if lost > 0 {
		ev := monitor.Event{Kind: monitor.Lost, Time: time.Now(), Count: lost}
		lines = append(append(lines, report.EventJSON(&ev, "")...), '\n')
	}
	return lines
}

// follow calls pass when there is something for a reader, until ctx is done or pass fails.
func (f *Feed) follow(ctx context.Context, r *feedReader, pass func() error) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for ; ; pause.Reset(cmp.Or(f.pause, sendPause)) {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-pause.C:
		case <-r.full:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := pass(); err != nil {
			return err
		}
	}
}
