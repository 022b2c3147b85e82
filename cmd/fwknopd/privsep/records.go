package privsep

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"fwknopd/policy/conf"
)

// The worker logs through a pipe to the monitor. A record is a byte for its kind, the
// length of its content in two bytes, and the content: a value in the form of package codec, or
// as the kind demands. The monitor writes all that is logged; only a RecordText has words of
// the worker, and is marked as such.
const (
	RecordDecision   = 'd' // a report.Record
	RecordSuppressed = 's' // a report.Suppressed
	RecordState      = 'c' // a report.State, to be logged
	RecordCounters   = 'n' // a report.State, to be kept
	RecordTaken      = 'r' // a report.Taken: after each load, or why there was none
	RecordLost       = 'l' // a uint64: records that did not fit into the pipe
	RecordListening  = 'k' // empty: the sources are open
	RecordLimit      = 'e' // empty: the packets of -C have been processed
	RecordText       = 't' // a warning, as text
	RecordPositions  = 'p' // positions in followed files, as JSON
)

// RecordHead is the length of what precedes the content of a record, MaxRecord the maximum
// length of the content.
const (
	RecordHead = 3
	MaxRecord  = 1<<16 - 1
)

// What junk writes is bounded: the worker reports RefusalBurst refusals at once, then one
// in RefusalEvery, and the others in summaries, the first after SummaryFirst, later ones up
// to SummaryLast apart. A refusal counts once for each stanza that it is reported for.
// Problems of the input have a limit of their own, with ProblemBurst.
const (
	RefusalBurst = 500
	ProblemBurst = 100
	RefusalEvery = 2 * time.Minute
	SummaryFirst = 10 * time.Second
	SummaryLast  = time.Minute
)

// RecordsFD is the descriptor of the pipe in the worker, after the socket of [monitor.Spawn].
const RecordsFD = 4

// MaxMessage is the maximum length of a message in bytes.
const MaxMessage = 4096

// Sanitize replaces what conf.Printable replaces, but no tabs, and truncates text to
// MaxMessage.
func Sanitize(text string) string {
	if len(text) > MaxMessage {
		text = text[:MaxMessage] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r != '\t' && (!conf.Graphic(r) || r == utf8.RuneError) {
			return '?'
		}
		return r
	}, text)
}

// A Budget is a rate limit of records that counts what it refuses. It may be used
// concurrently.
type Budget struct {
	mu   sync.Mutex
	rate *rate.Limiter
	lost int
}

// NewBudget returns a Budget with a rate per second and a burst.
func NewBudget(perSecond rate.Limit, burst int) *Budget {
	return &Budget{rate: rate.NewLimiter(perSecond, burst)}
}

// Take takes n from the budget. It returns -1 if they are refused, otherwise the number
// of refusals since the last success.
func (b *Budget) Take(now time.Time, n int) (lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.rate.AllowN(now, n) {
		b.lost++
		return -1
	}
	lost, b.lost = b.lost, 0
	return lost
}
