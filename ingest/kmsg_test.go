package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// A fakeRing is a ring buffer of the kernel and one reader of it.
type fakeRing struct {
	records []string // the oldest first; their numbers follow each other
	first   int      // the number of the oldest
	at      int      // the number that is read next
	lost    bool     // what was next has been overwritten
	closed  bool
}

const kmsgText = "DROP IN=eth0 OUT= MAC= SRC=192.0.2.66 DST=10.99.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=7 DF PROTO=TCP SPT=40000 DPT=%d WINDOW=64240 RES=0x00 SYN URGP=0"

// log adds records of a priority, stamped with their number in seconds.
func (r *fakeRing) log(priority, n int) {
	for range n {
		number := r.first + len(r.records)
		r.records = append(r.records, fmt.Sprintf("%d,%d,%d,-;%s\n SUBSYSTEM=net\n", priority, number, number*1e6, fmt.Sprintf(kmsgText, number)))
	}
}

// overwrite drops the oldest records.
func (r *fakeRing) overwrite(n int) {
	r.records, r.first = r.records[n:], r.first+n
	r.lost = r.at < r.first
}

func (r *fakeRing) read(buf []byte, wait bool) (int, bool, error) {
	switch {
	case r.closed:
		return 0, false, errors.New("closed")
	case r.lost:
		r.lost, r.at = false, r.first
		return 0, false, unix.EPIPE
	case r.at == r.first+len(r.records) && wait:
		return 0, true, io.EOF // a test does not wait
	case r.at == r.first+len(r.records):
		return 0, false, unix.EAGAIN
	}
	r.at++
	return copy(buf, r.records[r.at-1-r.first]), false, nil
}

func (r *fakeRing) seek(whence int) error {
	r.at, r.lost = r.first, false
	if whence == io.SeekEnd {
		r.at += len(r.records)
	}
	return nil
}

func (r *fakeRing) Close() error { r.closed = true; return nil }

// ports reads all there is and returns the ports of the events, as "port" or, if the kernel
// did not write the record, "-port".
func (r *fakeRing) ports(t *testing.T, k *KMSG) string {
	t.Helper()
	var got []string
	var ev parse.Event
	for {
		switch err := k.Next(t.Context(), &ev); {
		case errors.Is(err, io.EOF):
			return strings.Join(got, " ")
		case err == nil && ev.Origin == parse.OriginKernel:
			got = append(got, fmt.Sprint(ev.Dst.Port()))
		case err == nil:
			got = append(got, fmt.Sprint("-", ev.Dst.Port()))
		case !isSkip(err):
			t.Fatal(err)
		}
	}
}

func startKMSG(t *testing.T, r *fakeRing, resume State) *KMSG {
	t.Helper()
	k, err := readKMSG(r, func(time.Time) error { return nil }, ReadOptions{KernelOnly: true}, resume)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKMSG: what was logged before the start is not read, records of programs do not count,
// and what was overwritten is counted by its numbers.
func TestKMSG(t *testing.T) {
	r := &fakeRing{first: 100}
	r.log(4, 3)
	k := startKMSG(t, r, State{})
	if got := r.ports(t, k); got != "" {
		t.Errorf("read of before the start: %s", got)
	}
	r.log(4, 2)
	r.log(12, 1) // what the kernel makes of <4> that a program writes to /dev/kmsg
	r.records = append(r.records, "4,106,1,-;link is up\n", "nonsense")
	if got, want := r.ports(t, k), "103 104 -105"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.log(6, 10) // 108 on
	r.overwrite(len(r.records) - 4)
	if got, want := r.ports(t, k), "114 115 116 117"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := k.Stats().Counts(); n.Lost != 7 || n.Forged != 1 || n.NotOurs != 1 || n.Malformed != 1 || n.Events != 7 {
		t.Errorf("counts %+v", n) // 107, which could not be read, is among the lost
	}
	if err := k.Close(); err != nil || !r.closed {
		t.Error("not closed", err)
	}
}

// TestKMSGResume goes on behind the record of a State, in the same boot or in a later one.
func TestKMSGResume(t *testing.T) {
	before := &fakeRing{first: 100}
	before.log(4, 5)
	place := startKMSG(t, before, State{}).Stats().State()
	for _, c := range []struct {
		name  string
		ring  func() *fakeRing
		ports string
		lost  uint64
	}{
		{"nothing new", func() *fakeRing { return before }, "", 0},
		{"two new", func() *fakeRing { before.log(4, 2); return before }, "105 106", 0},
		{"the place is overwritten", func() *fakeRing {
			r := &fakeRing{first: 108}
			r.log(4, 2)
			return r
		}, "108 109", 3},
		{"after a reboot, fewer records", func() *fakeRing {
			r := new(fakeRing)
			r.log(4, 3)
			return r
		}, "0 1 2", 0},
		{"after a reboot, more records", func() *fakeRing {
			r := &fakeRing{first: 102}
			r.log(4, 4)
			for i, text := range r.records {
				r.records[i] = strings.Replace(text, "000000,-", "7,-", 1)
			}
			return r
		}, "102 103 104 105", 0},
		{"after a reboot, the number of the place is overwritten", func() *fakeRing {
			r := &fakeRing{first: 108}
			r.log(4, 1)
			r.records[0] = strings.Replace(r.records[0], "000000,-", ",-", 1)
			return r
		}, "108", 0},
	} {
		r := c.ring()
		k := startKMSG(t, r, place)
		if got := r.ports(t, k); got != c.ports || k.Stats().Counts().Lost != c.lost {
			t.Errorf("%s: %q, %d lost; want %q, %d", c.name, got, k.Stats().Counts().Lost, c.ports, c.lost)
		}
	}
	for _, cursor := range []string{"", "x", "0,1", "0,-1,1,", "0,99999999999999999999,1,", "s=1;i=2"} {
		if got := before.ports(t, startKMSG(t, before, State{Cursor: cursor})); got != "" {
			t.Errorf("cursor %q: %s", cursor, got)
		}
	}
}

// TestKMSGEndsWithContext ends a Next that waits.
func TestKMSGEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := startKMSG(t, new(fakeRing), State{})
	cancel()
	if err := k.Next(ctx, new(parse.Event)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestKMSGClock: times are by the wall clock of the moment of reading, gaps by the stamps.
func TestKMSGClock(t *testing.T) {
	const day = 24 * time.Hour
	wall := time.Date(2026, 7, 3, 4, 5, 6, 0, time.UTC)
	var c kmsgClock
	at := func(stamp, uptime time.Duration, waited bool, want time.Duration) {
		t.Helper()
		if got := c.at(stamp, uptime, wall, waited).Sub(wall); got != want {
			t.Errorf("stamp %v at %v: %v, want %v", stamp, uptime, got, want)
		}
	}
	at(9*time.Second, 10*time.Second, false, -time.Second) // before the first that was waited for, the clocks agree
	at(12*time.Second, 10*time.Second, false, 0)           // no time is ahead of now
	// After a year the clock of printk is two minutes behind.
	const year, behind = 365 * day, 2 * time.Minute
	at(year-behind, year, true, 0)
	at(year-behind-5*time.Second, year, false, -5*time.Second) // a burst that is read late
	at(year-behind, year+time.Second, true, -time.Second)      // a slow read
	wall = wall.Add(-10 * 365 * day)                           // the wall clock is set
	at(year-behind+2*time.Second, year+2*time.Second, true, 0)
	at(year-behind+time.Hour-time.Second, year+time.Hour, true, 0) // an hour later, one second further behind
	at(year-behind+time.Hour-time.Second, year+time.Hour+time.Second, false, -time.Second)
}

// TestKMSGAllocates: reading a record takes no memory.
func TestKMSGAllocates(t *testing.T) {
	r := &fakeRing{}
	k := startKMSG(t, r, State{})
	r.log(4, 201)
	var ev parse.Event
	if n := testing.AllocsPerRun(200, func() {
		if err := k.Next(t.Context(), &ev); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// FuzzKMSG: no record panics or leaves a State that is not one, and none counts as the
// kernel's but with its facility.
func FuzzKMSG(f *testing.F) {
	for _, head := range []string{"4,1,1,-;", "12,1,1,-;", "4,18446744073709551615,1,-;", "4,1,1,-,caller=T1;", "<4>", ""} {
		f.Add([]byte(head + fmt.Sprintf(kmsgText, 22) + "\n SUBSYSTEM=net\n"))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		if len(record) == 0 || len(record) > kmsgRecord {
			return
		}
		r := &fakeRing{}
		k := startKMSG(t, r, State{})
		r.records = []string{string(record)}
		var ev parse.Event
		err := k.Next(t.Context(), &ev)
		if err == nil && ev.Origin == parse.OriginKernel && (record[0] < '0' || record[0] > '7' || record[1] != ',') && !strings.HasPrefix(string(record), "0") {
			t.Errorf("the kernel's: %q", record)
		}
		if err != nil && !isSkip(err) {
			t.Errorf("%q: %v", record, err)
		}
		if c := k.Stats().State().Cursor; c != "" && !kmsgPlaceOf([]byte(c)).ok {
			t.Errorf("%q: place %q", record, c)
		}
	})
}
