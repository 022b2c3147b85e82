package ingest

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/nxadm/tail"

	"fwknopd/parse"
)

// A Tail is a [followLog] by the tail library. It is for those who know that
// library's ways and want them. It follows renames and truncations too, but lines
// that are written to a renamed file before the logger reopens are lost, as are
// those of a file that was truncated and grew past its old size between two looks,
// and it cannot resume. A Follower has none of these faults and costs less.
type Tail struct {
	accounting
	line lineOptions
	tail *tail.Tail
	long bool // in a line that the library handed over in pieces
}

// followTail follows a log with the tail library. It uses Poll, FromStart and the
// ReadOptions of opt.
func followTail(path string, opt FollowOptions) (*Tail, error) {
	where := &tail.SeekInfo{Whence: io.SeekEnd}
	if opt.FromStart {
		where.Whence = io.SeekStart
	}
	follow, err := tail.TailFile(path, tail.Config{
		Location: where, Follow: true, ReOpen: true, Poll: opt.Poll,
		CompleteLines: true, MaxLineSize: maxLine, Logger: tail.DiscardingLogger,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := &Tail{accounting: accounting{name: path, problem: opt.Problem}, line: opt.liveLines(), tail: follow}
	t.line.forged = &t.forged
	return t, nil
}

// Next implements [Source].
func (t *Tail) Next(ctx context.Context, ev *parse.Event) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, ok := <-t.tail.Lines:
			switch {
			case !ok:
				return t.ended()
			case line.Err != nil:
				t.reportProblem(line.Err)
				continue
			}
			t.bytes.Add(uint64(len(line.Text)) + 1)
			if first, last := t.piece(line.Text); first {
				return t.count(errLongLine)
			} else if last {
				continue
			}
			return t.count(t.line.decode([]byte(line.Text), ev))
		}
	}
}

// piece reports whether text is the first piece of a line that is too long, or a
// later one. The library cuts such a line without a mark but its length.
func (t *Tail) piece(text string) (first, later bool) {
	was := t.long
	t.long = len(text) >= maxLine
	return t.long && !was, was
}

func (t *Tail) ended() error {
	if err := t.tail.Err(); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return os.ErrClosed
}

// Close ends a Next that waits in another goroutine.
func (t *Tail) Close() error {
	err := t.tail.Stop()
	t.tail.Cleanup()
	return err
}
