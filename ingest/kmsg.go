package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// A KMSG is an endless Source of the kernel's ring buffer, /dev/kmsg. A record has the
// facility of its author, and the kernel gives what programs write there another one than
// its own. Counts.Lost are the records that were overwritten before they were read.
type KMSG struct {
	accounting
	readCanceler
	dev   kmsgDevice
	line  lineOptions
	clock kmsgClock
	buf   [kmsgRecord]byte
	held  int // bytes of a record in buf that Next is to return first

	mu   sync.Mutex
	last kmsgPlace // the last record that Next looked at
}

// kmsgRecord is larger than any record (PRINTK_MESSAGE_MAX): the kernel refuses a read
// into less.
const kmsgRecord = 8 << 10

// A kmsgDevice is an open /dev/kmsg. Each read returns one record; EPIPE if the one that
// was next has been overwritten: the one after it is then read next.
type kmsgDevice interface {
	// read reports with EAGAIN that there is no record, or waits for one and reports that
	// it had to.
	read(buf []byte, wait bool) (n int, waited bool, err error)
	seek(whence int) error // io.SeekStart: the oldest record; io.SeekEnd: behind the last
	io.Closer
}

// newKMSG makes a source of an open /dev/kmsg. The zero resume: only what comes from now
// on is read. Of opt it uses Match, KernelOnly and Problem.
func newKMSG(file *os.File, opt ReadOptions, resume State) (*KMSG, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return readKMSG(&kmsgFile{file, raw}, file.SetReadDeadline, opt, resume)
}

func readKMSG(dev kmsgDevice, deadline func(time.Time) error, opt ReadOptions, resume State) (*KMSG, error) {
	k := &KMSG{accounting: accounting{name: "/dev/kmsg", problem: opt.Problem}, readCanceler: readCanceler{deadline: deadline}, dev: dev, line: opt.liveLines()}
	k.line.forged, k.place = &k.forged, k.state
	err := k.begin(resume)
	if err != nil {
		dev.Close()
		return nil, err
	}
	return k, nil
}

// maxRing is more records than a ring buffer holds.
const maxRing = 1 << 20

// begin goes to the end of the ring buffer, and remembers the last record, or goes on
// behind the one of resume.
func (k *KMSG) begin(resume State) error {
	from := kmsgPlaceOf([]byte(resume.Cursor))
	if err := k.dev.seek(io.SeekStart); err != nil {
		return err
	}
	for range maxRing {
		n, _, err := k.dev.read(k.buf[:], false)
		switch {
		case errors.Is(err, unix.EPIPE):
			continue
		case errors.Is(err, unix.EAGAIN) && from.ok:
			return k.dev.seek(io.SeekStart) // after a reboot: all of it is new
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", k.name, err)
		}
		if there, err := k.pass(from, n); there || err != nil {
			return err
		}
	}
	return k.dev.seek(io.SeekEnd)
}

// pass passes over a record of n bytes, and reports whether it is where to go on from.
func (k *KMSG) pass(from kmsgPlace, n int) (there bool, err error) {
	at := kmsgPlaceOf(k.buf[:n])
	switch {
	case !at.ok || from.ok && at.sequence < from.sequence:
		return false, nil
	case !from.ok:
		k.last = at
		return false, nil
	case at.stamp < from.stamp || at.sequence == from.sequence && at.stamp != from.stamp:
		return true, k.dev.seek(io.SeekStart) // of another boot
	case at.sequence > from.sequence:
		k.held = n
	}
	k.last = from
	return true, nil
}

// Next implements [Source].
func (k *KMSG) Next(ctx context.Context, ev *parse.Event) error {
	if err := k.watch(ctx); err != nil {
		return err
	}
	for {
		n, waited := k.held, false
		k.held = 0
		if n == 0 {
			var err error
			n, waited, err = k.dev.read(k.buf[:], true)
			if errors.Is(err, unix.EPIPE) {
				continue // the sequence numbers show how many were lost
			}
			if err != nil {
				return k.cause(ctx, err)
			}
		}
		k.bytes.Add(uint64(n))
		return k.count(k.record(k.buf[:n], waited, ev))
	}
}

var errKMSG error = badRecord("not a record of /dev/kmsg")

// record decodes one record. waited: it was read as soon as it was there.
func (k *KMSG) record(b []byte, waited bool, ev *parse.Event) error {
	at := kmsgPlaceOf(b)
	if !at.ok {
		return errKMSG
	}
	if k.last.ok && at.sequence > k.last.sequence+1 {
		k.lost.Add(at.sequence - k.last.sequence - 1)
	}
	k.mu.Lock()
	k.last = at
	k.mu.Unlock()
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		b = b[:n] // fields that describe a device follow
	}
	now := k.clock.at(at.stamp, uptime(), time.Now(), waited)
	if err := k.line.decode(b, ev); err != nil {
		return err
	}
	if ev.Origin == parse.OriginKernel && at.priority >= kmsgLevels {
		return errKMSG // its head has no end: what follows was taken for a line of the kernel
	}
	ev.Time = now
	return nil
}

func (k *KMSG) state() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.last.ok {
		return State{}
	}
	return State{Cursor: fmt.Sprintf("0,%d,%d,", k.last.sequence, k.last.stamp/time.Microsecond)}
}

// Close ends a Next that waits in another goroutine.
func (k *KMSG) Close() error {
	k.release()
	return k.dev.Close()
}

// A kmsgPlace names a record. Sequence numbers begin anew at a boot, which the stamps
// show.
type kmsgPlace struct {
	ok       bool
	priority uint64 // facility × kmsgLevels + level
	sequence uint64
	stamp    time.Duration // since boot, by the clock of printk
}

// kmsgPlaceOf reads the place from the head of a record, "priority,sequence,stamp,…;".
func kmsgPlaceOf(b []byte) (p kmsgPlace) {
	var field [3]uint64
	for i := range field {
		n := 0
		for ; n < len(b) && b[n]-'0' <= 9; n++ {
			if field[i] > math.MaxUint64/10-1 {
				return kmsgPlace{}
			}
			field[i] = field[i]*10 + uint64(b[n]-'0')
		}
		if n == 0 || n == len(b) || b[n] != ',' {
			return kmsgPlace{}
		}
		b = b[n+1:]
	}
	if field[2] > math.MaxInt64/uint64(time.Microsecond) || field[1] == math.MaxUint64 {
		return kmsgPlace{}
	}
	return kmsgPlace{true, field[0], field[1], time.Duration(field[2]) * time.Microsecond}
}

// kmsgLevels is how many priorities a facility has. The first are the kernel's, which nothing else
// can write there.
const kmsgLevels = 8

// A kmsgClock gives records wall clock times. Their stamps are of a clock that runs beside
// CLOCK_MONOTONIC and drifts from it by minutes in a year. How far it is behind shows in
// records that are read at once. A time is counted back from now, so that a step of the
// wall clock concerns no record that comes after it.
type kmsgClock struct {
	since       time.Duration // when the present interval began, by CLOCK_MONOTONIC
	now, before time.Duration // least age of a record in this interval and the one before
	any         bool
}

// kmsgInterval is how long the least age counts, and once more.
const kmsgInterval = time.Minute

// at returns the wall clock time of a record. waited: it was read as soon as it was there.
func (c *kmsgClock) at(stamp, uptime time.Duration, wall time.Time, waited bool) time.Time {
	age := uptime - stamp
	if waited {
		c.observe(age, uptime)
	}
	if c.any {
		age -= min(c.now, c.before)
	}
	return wall.Add(-max(age, 0))
}

func (c *kmsgClock) observe(age, uptime time.Duration) {
	switch past := uptime - c.since; {
	case !c.any || past > 2*kmsgInterval:
		c.since, c.now, c.before, c.any = uptime, age, age, true
	case past > kmsgInterval:
		c.since, c.now, c.before = uptime, age, c.now
	default:
		c.now = min(c.now, age)
	}
}
