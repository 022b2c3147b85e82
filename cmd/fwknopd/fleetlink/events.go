package fleetlink

import (
	"context"
	"net"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/codec"
)

// ForEvents is a link on which the monitor publishes what happens at its gateway, see [TakeEvents].
const ForEvents Purpose = 4

const (
	kindEvents = 'e' // Events, of the monitor or to a command
	kindOpen   = 'o' // part of what is open, of the monitor or to a command
	kindTally  = 'y' // EventTally, to the monitor
)

// Events are objects of the event log of one gateway that follow each other. Together with its
// other members they fit into a message.
type Events struct {
	Run     uint64 // of the daemon: higher in each that starts on the gateway
	First   uint64 // the number of the first object in this run, from 1
	Objects []string
}

// MaxObjects bounds the objects of Events together, in bytes with one more for each.
const MaxObjects = MaxMessage - 4<<10

// Pack cuts a list of objects, the first of which has the number first, into Events that fit into
// messages. Objects that fit into none are left out: their numbers are missing.
func Pack(run, first uint64, objects [][]byte) (list []Events) {
	size := 0
	for i, object := range objects {
		number, n := first+uint64(i), len(object)+1
		if n > MaxObjects {
			size = MaxObjects
			continue
		}
		if size += n; size > MaxObjects || len(list) == 0 {
			list, size = append(list, Events{Run: run, First: number}), n
		}
		last := &list[len(list)-1]
		last.Objects = append(last.Objects, string(object))
	}
	return list
}

// MaxOpen bounds the text that says what is open at a gateway (report.Open), in bytes: it has to fit
// into a message of NATS.
const MaxOpen = 1<<20 - 16<<10

// An openPart is a part of a text that is longer than a message.
type openPart struct {
	Of   Place
	Text string
	Last bool
}

// A Place is where and when something was stored. The monitor leaves it empty.
type Place struct {
	Gateway string
	Stored  time.Time // by the clock of the fleet
	Ago     time.Duration
	Heard   bool // the gateway is heard of now
	Self    bool // it is that of the process that answers
}

// sendOpen sends a text in parts. The order of parts is that of the link.
func (l *Link) sendOpen(of Place, text string) error {
	for {
		n := min(len(text), MaxObjects)
		if err := l.Send(kindOpen, openPart{of, text[:n], n == len(text)}); err != nil || n == len(text) {
			return err
		}
		text = text[n:]
	}
}

// A joiner puts parts together again.
type joiner struct{ text strings.Builder }

// add returns the whole text with its last part.
func (j *joiner) add(content []byte) (of Place, text string, whole bool, err error) {
	var p openPart
	if err := codec.Decode(content, &p); err != nil {
		return of, "", false, err
	}
	if j.text.WriteString(p.Text); j.text.Len() > MaxOpen {
		return of, "", false, errTooLong
	}
	if !p.Last {
		return of, "", false, nil
	}
	text = j.text.String()
	j.text.Reset()
	return p.Of, text, true, nil
}

// A Publisher is the monitor's end of a link [ForEvents]. One goroutine may send events while another
// sends what is open.
type Publisher struct{ link *Link }

// NewPublisher returns the end over conn, which it takes over.
func NewPublisher(conn *net.UnixConn) Publisher { return Publisher{NewLink(conn)} }

// Events sends events. It waits for [ClaimTime] at most.
func (p Publisher) Events(e Events) error { return p.link.Send(kindEvents, e) }

// Open says what is open, in MaxOpen bytes at most.
func (p Publisher) Open(text []byte) error { return p.link.sendOpen(Place{}, string(text)) }

// Tallies passes on the counts of the process when they change, until the link ends.
func (p Publisher) Tallies(pass func(EventTally)) error {
	for {
		kind, content, err := p.link.Receive()
		if err != nil {
			return ended(err)
		}
		var t EventTally
		if kind != kindTally {
			return errKind
		}
		if err := codec.Decode(content, &t); err != nil {
			return err
		}
		pass(t)
	}
}

// Close ends the link.
func (p Publisher) Close() error { return p.link.Close() }

// An EventTaker takes what a monitor publishes. It does not block.
type EventTaker interface {
	TakeEvents(e Events)
	TakeOpen(text string)
	Tally() EventTally
}

// tallyEvery is how often the monitor is told the counts, if they change.
const tallyEvery = time.Second

// sendTallies tells the monitor the counts until ctx or the link ends.
func sendTallies(ctx context.Context, l *Link, t EventTaker) {
	tick := time.NewTicker(tallyEvery)
	defer tick.Stop()
	for told := (EventTally{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := t.Tally()
		if now == told {
			continue
		}
		if told = now; l.Send(kindTally, now) != nil {
			return
		}
	}
}

// TakeEvents passes on what comes over a link until it or ctx ends, and closes it. The error is nil if
// the other end closed it.
func TakeEvents(ctx context.Context, conn *net.UnixConn, t EventTaker) error {
	l, ctx, end := linkUntil(ctx, conn)
	defer end()
	go sendTallies(ctx, l, t)
	var parts joiner
	for {
		kind, content, err := l.Receive()
		if err != nil {
			return ended(err)
		}
		var e Events
		switch kind {
		case kindEvents:
			if err := codec.Decode(content, &e); err != nil {
				return err
			}
			t.TakeEvents(e)
		case kindOpen:
			_, text, whole, err := parts.add(content)
			if err != nil {
				return err
			}
			if whole {
				t.TakeOpen(text)
			}
		default:
			return errKind
		}
	}
}
