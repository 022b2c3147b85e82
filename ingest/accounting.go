package ingest

import (
	"errors"
	"sync/atomic"

	"fwknopd/parse"
)

// badRecord is a constant error for a record that ingest itself finds malformed,
// of the kinds that parse uses.
type badRecord string

func (e badRecord) Error() string { return string(e) }
func (e badRecord) Is(target error) bool {
	return target == parse.ErrSkip || target == parse.ErrMalformed
}

// notOurs is the same for a sound record that is not asked for. It is compared by its
// address.
type notOurs struct{ text string }

func (e *notOurs) Error() string { return e.text }
func (e *notOurs) Is(target error) bool {
	return target == parse.ErrSkip || target == parse.ErrNotOurs
}

// Why a record is refused before parse sees it.
var (
	errLongLine  error = badRecord("line too long")
	errTorn      error = badRecord("record cut short by the end of the input")
	errBadLength error = badRecord("absurd record length")
	errZeros     error = badRecord("zeros where a record is expected")
	errBadBlock  error = badRecord("broken pcapng block")
	errNoIface   error = badRecord("packet of an interface that was not described")
	errLinkType  error = &notOurs{"link type not supported"}
	errPrefix    error = &notOurs{"log prefix not searched for"}
	errFiltered  error = &notOurs{"filtered out"}
)

// counters count what one goroutine reads; any goroutine may load them.
type counters struct {
	events, notOurs, malformed, bytes, cut, untimed, forged, lost atomic.Uint64
}

func (t *counters) sum() Counts {
	c := Counts{
		Events: t.events.Load(), NotOurs: t.notOurs.Load(), Malformed: t.malformed.Load(),
		Bytes: t.bytes.Load(), Cut: t.cut.Load(), Untimed: t.untimed.Load(), Forged: t.forged.Load(), Lost: t.lost.Load(),
	}
	c.Records = c.Events + c.NotOurs + c.Malformed
	return c
}

// accounting counts the records of a source and names the last one. Except for the counters,
// it belongs to one goroutine.
type accounting struct {
	counters
	name    string
	record  int64
	turn    int           // of a merge: which source the last event came from
	problem func(Problem) // may be nil
	// firstLine, if not nil, counts the records in front of this source's part of
	// its input. It is called for messages only.
	firstLine func() int64
	stamps    stampKinds

	// What Stats asks of a source that has it; nil in the others.
	counted func() Counts  // in place of the counters
	place   func() State   // to resume from
	places  func() []State // those of several sources
}

// Stats implements [Source].
func (b *accounting) Stats() Stats { return Stats{b} }

// Buffered implements [Source] for sources that have no records waiting, or do not know.
func (b *accounting) Buffered() bool { return false }

func (b *accounting) totals() Counts {
	if b.counted != nil {
		return b.counted()
	}
	return b.sum()
}

// count adds the record that err is the outcome of, and returns err.
func (b *accounting) count(err error) error {
	b.record++
	switch {
	case err == nil:
		b.events.Add(1)
		if b.stamps.fresh != nil {
			b.reportProblem(b.stamps.fresh)
			b.stamps.fresh = nil
		}
	case err == errFiltered: // nearly every frame of a busy link
		b.notOurs.Add(1)
	case errors.Is(err, parse.ErrMalformed):
		b.malformed.Add(1)
		b.reportProblem(err)
	default:
		b.notOurs.Add(1)
	}
	return err
}

// reportProblem reports a problem at the current record.
func (b *accounting) reportProblem(err error) {
	if b.problem != nil {
		b.problem(Problem{b.position(), err})
	}
}

func (b *accounting) position() Position {
	n := b.record
	if b.firstLine != nil {
		n += b.firstLine()
	}
	return Position{b.name, n}
}
