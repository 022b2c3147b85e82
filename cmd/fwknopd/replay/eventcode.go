package replay

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/parse"
)

// A recorded event is one of a segment, with its place in that.
type recorded struct {
	*parse.Event
	record   int64     // from 1
	passed   time.Time // the latest of the events since the one before, which do not matter; zero: none has a time
	filtered bool      // PCAP_FILTER does not match
}

// The bits of an encoded event say which of its fields follow, or are their values.
const (
	hasPassed = 1 << iota
	hasTime
	hasOptions
	hasIn
	hasPayload
	isFiltered
	isProgram
	isContainer
	isDF
	isIPOptions
	isFragment
	isTagged
	isSeq
	isCut
)

// maxEvent bounds an encoded event, bytes: the longest packet, and the names in a log line.
const maxEvent = 1 << 18

// appendRecorded appends the encoding of an event: what it has, as a varint of the bits above, and its
// fields. The record counts from that of the event before.
func appendRecorded(b []byte, e *recorded, before int64) []byte {
	b = binary.AppendUvarint(b, bitsOf(e))
	b = binary.AppendUvarint(b, uint64(e.record-before))
	b = appendTime(appendTime(b, e.passed), e.Time)
	for _, a := range [...]netip.AddrPort{e.Src, e.Dst} {
		text := a.Addr().AsSlice()
		b = append(append(b, byte(len(text))), text...)
		b = binary.AppendUvarint(b, uint64(a.Port()))
	}
	b = append(b, byte(e.Proto), byte(e.Origin), e.TTL, e.ICMPType, e.ICMPCode, byte(e.Flags), e.Reserved)
	for _, n := range [...]uint16{e.Len, e.ID, e.Window, e.Urgent} {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	b = appendBytes(b, e.Prefix)
	if e.HasSeq {
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, e.Seq), e.Ack)
	}
	if e.Whole != 0 {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.Captured)), uint64(e.Whole))
	}
	if e.HasOptions {
		b = appendBytes(b, e.Options())
	}
	if e.In != nil {
		b = appendBytes(b, e.In)
	}
	if e.Payload != nil {
		b = appendBytes(b, e.Payload)
	}
	return b
}

// appendTime appends a time, unless that is zero.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

func bitsOf(e *recorded) (bits uint64) {
	for _, f := range [...]struct {
		set bool
		bit uint64
	}{
		{!e.passed.IsZero(), hasPassed}, {!e.Time.IsZero(), hasTime}, {e.HasOptions, hasOptions}, {e.In != nil, hasIn}, {e.Payload != nil, hasPayload},
		{e.filtered, isFiltered}, {e.Program, isProgram}, {e.Container, isContainer}, {e.DF, isDF}, {e.IPOptions, isIPOptions},
		{e.Fragment, isFragment}, {e.Tagged, isTagged}, {e.HasSeq, isSeq}, {e.Whole != 0, isCut},
	} {
		if f.set {
			bits |= f.bit
		}
	}
	return bits
}

var errEvent = errors.New("an event that cannot be read")

// decodeRecorded decodes an event from all of b, which it refers to. before is the record of the event
// before.
func decodeRecorded(b []byte, e *recorded, before int64) error {
	d := fields{codec.NewFields(b)}
	bits := d.Number(isCut<<1 - 1)
	e.Reset()
	e.record = before + int64(d.Number(1<<40))
	e.passed, e.Time = d.time(bits&hasPassed != 0), d.time(bits&hasTime != 0)
	e.Src, e.Dst = d.address(), d.address()
	fixed := d.Bytes(7 + 8)
	if d.Failed() {
		return errEvent
	}
	e.Proto, e.Origin, e.TTL, e.ICMPType, e.ICMPCode = parse.Proto(fixed[0]), parse.Origin(fixed[1]), fixed[2], fixed[3], fixed[4]
	e.Flags, e.Reserved = parse.TCPFlags(fixed[5]), fixed[6]
	for i, n := range [...]*uint16{&e.Len, &e.ID, &e.Window, &e.Urgent} {
		*n = binary.LittleEndian.Uint16(fixed[7+2*i:])
	}
	e.Prefix = d.text()
	d.Require(e.Origin <= parse.OriginSocket && e.record > before)
	e.filtered, e.Program, e.Container, e.DF = bits&isFiltered != 0, bits&isProgram != 0, bits&isContainer != 0, bits&isDF != 0
	e.IPOptions, e.Fragment, e.Tagged, e.HasSeq = bits&isIPOptions != 0, bits&isFragment != 0, bits&isTagged != 0, bits&isSeq != 0
	d.optional(bits, e.Event)
	if !d.Whole() {
		return errEvent
	}
	return nil
}

// optional decodes the fields that not every event has.
func (d *fields) optional(bits uint64, e *parse.Event) {
	if e.HasSeq {
		if numbers := d.Bytes(8); !d.Failed() {
			e.Seq, e.Ack = binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:])
		}
	}
	if bits&isCut != 0 {
		e.Captured, e.Whole = uint32(d.Number(1<<32-1)), uint32(d.Number(1<<32-1))
		d.Require(e.Whole > e.Captured)
	}
	if bits&hasOptions != 0 {
		d.Require(e.SetOptions(d.text()))
	}
	if bits&hasIn != 0 {
		e.In = d.text()
	}
	if bits&hasPayload != 0 {
		e.Payload = d.text()
	}
}

// fields are those of an event.
type fields struct{ codec.Fields }

func (d *fields) text() []byte { return d.Text(maxEvent) }

// time decodes a time, if there is one.
func (d *fields) time(there bool) time.Time {
	if !there {
		return time.Time{}
	}
	seconds := d.Signed()
	return time.Unix(seconds, int64(d.Number(1e9-1)))
}

func (d *fields) address() netip.AddrPort {
	length := d.Bytes(1)
	if d.Failed() {
		return netip.AddrPort{}
	}
	a, ok := netip.AddrFromSlice(d.Bytes(uint64(length[0])))
	d.Require((ok || length[0] == 0) && !a.Is4In6())
	return netip.AddrPortFrom(a, uint16(d.Number(1<<16-1)))
}
