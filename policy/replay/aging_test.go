package replay

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var aging = Options{Aging: true, MaxAge: 2 * time.Minute}

// past is the least age at which a record may go.
const past = 2*time.Minute + grace + time.Second

func TestRecordsArePastTheAgeLimitBeforeTheyGo(t *testing.T) {
	tests := []struct {
		name       string
		sent       time.Time // of a message seen at t0
		reopen     time.Time
		opts       Options
		seen, lost bool // known; not known, but refused as forgotten
	}{
		{"young", t0, t0.Add(past / 2), aging, true, false},
		{"just inside", t0, t0.Add(past - 2*time.Second), aging, true, false},
		{"past", t0, t0.Add(past), aging, false, true},
		{"no ageing", t0, t0.Add(1000 * past), Options{}, true, false},
		{"clock unknown", t0, time.Time{}, aging, true, false},
		{"from the future", t0.Add(24 * time.Hour), t0.Add(past), aging, true, false},
		{"from a year that cannot be spelled", time.Unix(999999999999, 0), t0.Add(1000 * past), aging, true, false},
		{"from the past", t0.Add(-24 * time.Hour), t0.Add(past - 2*time.Second), aging, true, false},
		{"without time stamp", time.Time{}, t0.Add(1000 * past), aging, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "digest.cache")
			p := packet(1, t0)
			p.Sent = tt.sent
			j := open(t, path, Options{})
			add(t, j, p)
			j.Close()
			opts := tt.opts
			opts.Now = tt.reopen
			j = open(t, path, opts)
			_, seen, err := j.Seen(p)
			if seen != tt.seen || errors.Is(err, ErrForgotten) != tt.lost {
				t.Errorf("seen %v, err %v; want %v, forgotten %v", seen, err, tt.seen, tt.lost)
			}
		})
	}
}

// Once dropped, a message stays refused when ageing is switched off.
func TestHorizonOutlivesTheSetting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	j := open(t, path, Options{})
	add(t, j, packet(1, t0))
	j.Close()
	opts := aging
	opts.Now = t0.Add(2 * past)
	open(t, path, opts).Close()
	j = open(t, path, Options{})
	if j.Len() != 0 {
		t.Fatalf("%d records left", j.Len())
	}
	if _, fresh, err := j.Add(packet(1, t0)); fresh || !errors.Is(err, ErrForgotten) {
		t.Errorf("fresh %v, err %v", fresh, err)
	}
	if !add(t, j, packet(2, t0.Add(2*past))) {
		t.Error("a message from after the horizon is refused")
	}
}

func TestCompactionCopiesLinesAsTheyStand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	key := sha256.Sum256(packet(7, t0).Plaintext)
	young := "10.77.0.2 " + b64(key[:]) + " [" + t0.Add(10*past).Local().Format(time.ANSIC) + "]"
	bare := "10.77.0.3 " + strings.Repeat("A", 43)
	old := strings.Repeat("B", 43) + " 17 10.77.0.2 57300 10.77.0.1 62201 1700000005"
	if err := os.WriteFile(path, []byte(young+"\n"+bare+"\n"+old+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := aging
	opts.Now = t0.Add(10 * past)
	j := open(t, path, opts)
	j.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	horizon := string(appendMark(nil, horizonMark, opts.cutoff(opts.Now))) +
		string(appendMark(nil, newestMark, t0.Add(10*past).Truncate(time.Second)))
	if want := header + horizon + young + "\n" + bare + "\n"; string(text) != want {
		t.Errorf("compacted:\n%swant:\n%s", text, want)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// A daemon that runs for ever under load keeps a bounded file and drops no record
// inside the limit.
func TestCompactionWhileRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	j := open(t, path, aging)
	m := NewMemory(aging)
	now := t0
	const perHour, hours = 3000, 6
	for i := range perHour * hours {
		now = now.Add(time.Hour / perHour)
		for _, s := range []Store{j, m} {
			if _, fresh, err := s.Add(packet(i, now)); !fresh || err != nil {
				t.Fatalf("message %d: fresh %v, err %v", i, fresh, err)
			}
			if back := i - 90; back >= 0 { // under two minutes ago
				if _, fresh, err := s.Add(packet(back, now.Add(-time.Hour/perHour*90))); fresh || err != nil {
					t.Fatalf("replay of %d: fresh %v, err %v", back, fresh, err)
				}
			}
		}
	}
	for name, n := range map[string]int{"replica": j.Len(), "memory": m.Len()} {
		if n > 3*dropMin {
			t.Errorf("%s holds %d records after %d messages", name, n, perHour*hours)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > 3*compactMin {
		t.Errorf("file: %v, %v", fi.Size(), err)
	}
}
