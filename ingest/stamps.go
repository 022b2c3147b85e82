package ingest

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"fwknopd/parse"
)

const (
	// maxStampKinds bounds how many kinds of stamps are distinguished.
	maxStampKinds = 8
	// stampShape is how much of a line decides its kind, stampShown how much is shown.
	stampShape = 24
	stampShown = 40
)

// An UnreadStamp is reported once for each kind of record that is an event but has
// no time of day: lines whose stamp is not understood or that have none, or whose stamp
// counts from boot, and packets that a capture gives no time.
type UnreadStamp struct {
	Kind  string // the same for stamps of the same form
	Shown string // the beginning of the line, "" if it has no stamp
	Live  bool   // the moment of reading stands for the time
}

func (e *UnreadStamp) Error() string {
	what, so := "no time stamp", "records like it count, but have no time"
	switch {
	case e.Kind == fromBoot:
		return "time stamps count from boot; 1970-01-01 00:00:00 UTC stands for it, and times of day are not known"
	case e.Kind == untimedPacket:
		what = "packet without a time (a simple packet block)"
	case e.Shown != "":
		what = fmt.Sprintf("time stamp not understood: %q", e.Shown)
	}
	if e.Live {
		so = "records like it have the time at which they are read"
	}
	return what + "; " + so
}

// Kinds that are determined by something other than the beginning of a line.
const (
	untimedPacket = "packet"
	fromBoot      = "from boot"
)

// stampKinds notes the kinds of records without a time that a source has seen.
type stampKinds struct {
	live  bool
	known []string
	fresh *UnreadStamp // to be reported
}

func (k *stampKinds) note(e UnreadStamp) {
	if len(k.known) == maxStampKinds {
		return
	}
	for _, kind := range k.known {
		if kind == e.Kind {
			return
		}
	}
	k.known = append(k.known, e.Kind)
	e.Live = k.live
	k.fresh = &e
}

// shapeOf describes the beginning of a line so that stamps of one form look alike:
// a run of digits is 0, one of letters is a.
func shapeOf(head []byte) string {
	var shape []byte
	for _, c := range head {
		class := c
		switch {
		case c-'0' <= 9:
			class = '0'
		case c|0x20-'a' < 26, c >= utf8.RuneSelf:
			class = 'a'
		}
		if n := len(shape); n > 0 && shape[n-1] == class && (class == '0' || class == 'a' || class == ' ') {
			continue
		}
		if shape = append(shape, class); len(shape) == stampShape {
			break
		}
	}
	return string(shape)
}

// noteUntimed notes the kind of an event without the time of a clock, and counts it if it
// has no time at all.
func (b *accounting) noteUntimed(line []byte, ev *parse.Event) {
	if !ev.Time.IsZero() {
		b.stamps.note(UnreadStamp{Kind: fromBoot})
		return
	}
	b.untimed.Add(1)
	if ev.Origin == parse.OriginFrame {
		b.stamps.frame()
	} else {
		b.stamps.line(line)
	}
}

// line notes a line that became an event without a time.
func (k *stampKinds) line(line []byte) {
	head := line
	if n := bytes.Index(line, []byte("IN=")); n >= 0 {
		head = line[:n]
	}
	e := UnreadStamp{Kind: shapeOf(head)}
	shown := head[:min(len(head), stampShown)]
	if bytes.ContainsAny(shown, "0123456789") {
		for len(shown) > 0 && len(shown) < len(head) && !utf8.RuneStart(head[len(shown)]) {
			shown = shown[:len(shown)-1]
		}
		e.Shown = string(shown)
	} else {
		e.Kind = "none"
	}
	k.note(e)
}

// frame notes a packet without a time.
func (k *stampKinds) frame() { k.note(UnreadStamp{Kind: untimedPacket}) }
