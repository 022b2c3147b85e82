package daemon

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/short"
	"fwknopd/policy/replay"
)

// hostileDigests are n records of messages that never were.
func hostileDigests(from, n int, sent int64) []monitor.Digest {
	list := make([]monitor.Digest, n)
	for i := range list {
		list[i] = monitor.Digest{Key: sha256.Sum256(fmt.Append(nil, from+i)), Sent: sent}
	}
	return list
}

// A worker that sends digests without end is refused beyond a rate, which its successors
// share; it is said once, and messages are recorded again later.
func TestHostileDigestsAreLimited(t *testing.T) {
	short.Skip(t)
	synctest.Test(t, func(t *testing.T) {
		s := newDigestSite(t)
		sent, written := 0, 0
		flood := func(n int) {
			for range n {
				sent += 1000
				switch err := s.record(hostileDigests(sent, 1000, 0)); {
				case err == nil:
					written += 1000
				case !errors.Is(err, errDigestRate):
					t.Fatal(err)
				}
			}
		}
		s.worker(t)
		flood(digestsBurst / 1000)
		if written != digestsBurst || len(s.said) != 0 {
			t.Errorf("%d of a burst of %d, said %q", written, digestsBurst, s.said)
		}
		s.worker(t) // that one was ended
		flood(50)
		if written != digestsBurst || len(s.said) != 1 {
			t.Errorf("%d of %d, said %q", written, digestsBurst, s.said)
		}
		written = 0
		for range 60 {
			time.Sleep(time.Second) // of the synctest clock
			flood(3)
		}
		if written > 60*digestsPerSec || written < 50*digestsPerSec {
			t.Errorf("%d in a minute, want %d", written, 60*digestsPerSec)
		}
		time.Sleep(time.Minute)
		if !fresh(t, s.worker(t), 1) {
			t.Error("an honest message is not recorded afterwards")
		}
	})
}

// Records without a time or far in the future expire, but for as many as clients with a
// wrong clock may send: those are kept until their time has passed.
func TestHostileDigestsExpire(t *testing.T) {
	for name, sent := range map[string]int64{"no time": 0, "year 9999": monitor.MaxSent} {
		synctest.Test(t, func(t *testing.T) {
			s := newDigestSite(t)
			s.path = filepath.Join(t.TempDir(), "digests")
			s.options = replay.Options{Aging: true, MaxAge: 2 * time.Minute}
			s.worker(t)
			const many = 15000 // enough for a compaction
			if err := s.record(hostileDigests(0, many, sent)); err != nil {
				t.Fatal(err)
			}
			full := size(t, s.path)
			time.Sleep(24 * time.Hour)
			for n := range 2 * many / 1000 {
				if err := s.record(hostileDigests(many+n*1000, 1000, time.Now().Unix())); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
			}
			if left := size(t, s.path); left >= full {
				t.Errorf("%s: %d bytes, %d of the flood", name, left, full)
			}
			store := s.worker(t)
			early := func(n int) bool {
				now := time.Now()
				_, is, err := store.Add(&replay.Packet{Plaintext: fmt.Append(nil, n), Time: now, Sent: now})
				if err != nil {
					t.Fatal(err)
				}
				return !is
			}
			if !early(0) || !early(earlyBurst-1) || early(earlyBurst+1000) {
				t.Errorf("%s: kept: first %v, last of the budget %v, beyond it %v", name, early(0), early(earlyBurst-1), early(earlyBurst+1000))
			}
		})
	}
}

// What comes at the greatest rate while records are kept fits into the journal, with any
// age limit.
func TestHostileDigestsFit(t *testing.T) {
	short.Skip(t)
	for age, want := range map[time.Duration]float64{2 * time.Minute: digestsPerSec, 24 * time.Hour: 11} {
		b, o, now := newDigestBudget(), &replay.Options{Aging: true, MaxAge: age}, time.Unix(1e9, 0)
		written := -digestsBurst
		list := recordsOf(hostileDigests(0, 20, now.Unix()))
		for range 24 * 3600 {
			now = now.Add(time.Second)
			for range 30 {
				if b.take(now, list, o) == nil {
					written += 20
				}
			}
		}
		if got := float64(written) / (24 * 3600); got > want*1.05 || got < want*0.95 {
			t.Errorf("age limit %v: %.1f a second, want %.1f", age, got, want)
		}
	}
}

// Without ageing nothing expires, so that no time is changed.
func TestDigestsWithoutAgeing(t *testing.T) {
	b := newDigestBudget()
	list := recordsOf(hostileDigests(0, 2*earlyBurst, monitor.MaxSent))
	if err := b.take(time.Unix(1e9, 0), list, &replay.Options{}); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Sent != monitor.MaxSent {
			t.Fatalf("record %d: %d", i, list[i].Sent)
		}
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}
