package parse

import (
	"bytes"
	"net/netip"
	"time"
)

// A LineDecoder reads the lines of one log. It gives what [LogLine] gives, and is faster
// for a record that begins like a recent one of the kernel: in the log of one host, all up
// to the source address is often the same but for the time. The zero value is ready to
// use. It is for one goroutine.
type LineDecoder struct {
	headings [4]heading // for as many rules or links, replaced in turn
	last     int        // the one used last
	misses   uint       // lines of the kernel that began like none of them
	dst      destination
}

// keepEvery is how many of those it takes to keep one: keeping costs, and is of no use to a
// log in which every line begins differently.
const keepEvery = 4

// Line reads one line as [LogLine] does.
func (d *LineDecoder) Line(line []byte, ref time.Time, ev *Event) error {
	h := &d.headings[d.last]
	if !h.repeats(line, ref) {
		h = d.find(line, ref)
	}
	if h != nil {
		if err := h.record(line, &d.dst, ev); err != errRecord {
			return err
		}
	}
	err := LogLine(line, ref, ev)
	if n := ev.heading; err == nil && ev.Origin == OriginKernel && !ev.Container && 0 < n && n <= maxHeading {
		if d.misses%keepEvery == 0 {
			d.last = (d.last + 1) % len(d.headings)
			d.headings[d.last].keep(line[:n], ref, ev)
		}
		d.misses++
	}
	ev.stampEnd, ev.recordStart, ev.heading = 0, 0, 0
	return err
}

// find returns the heading that the line begins with, nil if there is none. Its time is
// then that of the line.
func (d *LineDecoder) find(line []byte, ref time.Time) *heading {
	for i := range d.headings {
		if h := &d.headings[i]; h.begins(line) && h.setTime(line, ref) {
			d.last = i
			return h
		}
	}
	return nil
}

// maxHeading is the longest beginning of a line that is kept: stamp, host, tag, a whole log
// prefix, two interfaces and a MAC field.
const maxHeading = 320

// A heading is the beginning of a line up to SRC=, of a record that the kernel wrote.
type heading struct {
	text  [maxHeading]byte
	n     int       // its length, 0 if there is none
	stamp int       // the end of its stamp; 0 if it has none, or one in several parts
	tag   int       // the end of the kernel's tag; the kernel's own time may follow
	msg   int       // where the log prefix begins
	start int       // where IN= begins
	in    int       // the length of the input interface
	time  time.Time // of the stamp
	ref   time.Time // what that was read with
}

// repeats reports whether a line begins with h, stamp included.
func (h *heading) repeats(line []byte, ref time.Time) bool {
	return h.n > 0 && len(line) > h.n && ref == h.ref && bytes.Equal(line[:h.n], h.text[:h.n])
}

// begins reports whether a line begins with h, but for the stamp and the kernel's time.
func (h *heading) begins(line []byte) bool {
	return h.stamp > 0 && len(line) > h.n &&
		bytes.Equal(line[h.msg:h.n], h.text[h.msg:h.n]) &&
		bytes.Equal(line[h.stamp:h.tag], h.text[h.stamp:h.tag]) &&
		(h.tag == h.msg || skipUptime(line[:h.start], h.tag) == h.msg)
}

// setTime sets h.time to that of a line which has a stamp of the same form, and reports
// whether it has.
func (h *heading) setTime(line []byte, ref time.Time) bool {
	kept := h.text[:h.stamp]
	if ref == h.ref && bytes.Equal(line[:len(kept)], kept) {
		return true
	}
	for i, c := range line[:len(kept)] {
		if k := kept[i]; c != k && (c-'0' > 9 || k-'0' > 9) {
			return false
		}
	}
	var s stamp
	if s.read(line[:h.start], 0) != h.stamp {
		return false
	}
	h.time, h.ref = s.time(ref), ref
	copy(kept, line)
	return true
}

// record reads the record of a line that begins with h.
func (h *heading) record(line []byte, dst *destination, ev *Event) error {
	ev.Reset()
	ev.Time, ev.Origin, ev.Prefix = h.time, OriginKernel, line[h.msg:h.start]
	if in := h.start + len("IN="); h.in > 0 {
		ev.In = line[in : in+h.in]
	}
	return packet(trimEnd(line), h.n, dst, ev)
}

// keep makes h the beginning of the line that ev was read from.
func (h *heading) keep(text []byte, ref time.Time, ev *Event) {
	h.n = copy(h.text[:], text)
	h.stamp, h.start = ev.stampEnd, ev.recordStart
	h.msg, h.in = h.start-len(ev.Prefix), len(ev.In)
	h.time, h.ref = ev.Time, ref
	h.tag = h.msg
	if i := bytes.Index(text[h.stamp:h.msg], kernelColon); i >= 0 {
		if tag := h.stamp + i + len(kernelColon); skipUptime(text[:h.start], tag) == h.msg {
			h.tag = tag
		}
	}
}

var kernelColon = []byte("kernel:")

// A destination is the last one that was read: that of a host's own log is mostly itself.
type destination struct {
	text [len(" DST=") + 39 + 1]byte // as in the line, with the blank behind it
	n    int                         // its length, 0 if there is none
	addr netip.Addr
}

// read reads the destination at i, as packet does without d.
func (d *destination) read(b []byte, i int) (netip.Addr, int) {
	if d.n > 0 && i < len(b) && bytes.HasPrefix(b[i:], d.text[:d.n]) {
		return d.addr, i + d.n - 1
	}
	addr, j := address(b, keyDST.after(b, i))
	if j < len(b) && b[j] == ' ' && j+1-i <= len(d.text) {
		d.n, d.addr = copy(d.text[:], b[i:j+1]), addr
	}
	return addr, j
}
