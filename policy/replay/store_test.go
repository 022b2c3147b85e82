package replay

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/short"
)

var t0 = time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)

// packet is the i-th message, seen at and sent at t.
func packet(i int, t time.Time) *Packet {
	return &Packet{
		Plaintext: fmt.Appendf(nil, "%016d:YWxpY2U:1700000000:3.0.0:1:MTAuNzcuMC4yLHRjcC8yMg:digest", i),
		Wire:      fmt.Appendf(nil, "8wire%08d", i),
		Time:      t, Sent: t,
		Src:   netip.MustParseAddrPort("192.0.2.7:40000"),
		Dst:   netip.MustParseAddrPort("198.51.100.1:62201"),
		Proto: 17,
	}
}

// A both is a journal and a copy of its records, in one process. Records are written at
// once, with the time of their message.
type both struct {
	*Replica
	j   *Journal
	now time.Time
}

func openBoth(path string, opts Options) (*both, error) {
	j, err := Open(context.Background(), path, opts)
	if err != nil {
		return nil, err
	}
	b := &both{j: j}
	if b.Replica, err = b.replica(opts); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return b, nil
}

// replica returns another copy, as the next worker has it.
func (b *both) replica(opts Options) (*Replica, error) {
	r := NewReplica(opts, func(list []Record) func() error { return func() error { return b.j.Append(b.now, list) } })
	snapshot, err := b.j.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	var text bytes.Buffer
	if _, err := snapshot.WriteTo(&text); err != nil {
		return nil, err
	}
	return r, r.Load(&text)
}

func (b *both) Add(p *Packet) (First, bool, error) {
	b.now = p.Time
	first, fresh, err := b.Replica.Add(p)
	if err == nil {
		err = b.Sync()
	}
	return first, fresh && err == nil, err
}

func (b *both) Close() error { return b.j.Close() }

func open(t *testing.T, path string, opts Options) *both {
	t.Helper()
	b, err := openBoth(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func add(t *testing.T, s Store, p *Packet) bool {
	t.Helper()
	_, fresh, err := s.Add(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	return fresh
}

// b64 encodes a digest as in all caches.
func b64(sum []byte) string { return base64.RawStdEncoding.EncodeToString(sum) }

func TestAddIsCheckAndSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	for name, s := range map[string]Store{"memory": NewMemory(Options{}), "journal": open(t, path, Options{})} {
		t.Run(name, func(t *testing.T) {
			if !add(t, s, packet(1, t0)) {
				t.Error("first sight is not fresh")
			}
			again := packet(1, t0.Add(time.Second))
			again.Src = netip.MustParseAddrPort("203.0.113.9:1")
			again.Wire = []byte("spelled otherwise")
			first, fresh, err := s.Add(again)
			if fresh || err != nil {
				t.Errorf("second sight: fresh %v, err %v", fresh, err)
			}
			if !first.Time.Equal(t0) || first.Src != netip.MustParseAddr("192.0.2.7") {
				t.Errorf("first sighting = %v", first)
			}
			if !add(t, s, packet(2, t0)) {
				t.Error("another message is not fresh")
			}
		})
	}
}

func TestSeenChangesNothing(t *testing.T) {
	s := NewMemory(Options{})
	for range 2 {
		if _, seen, err := s.Seen(packet(1, t0)); seen || err != nil {
			t.Fatalf("seen %v, err %v", seen, err)
		}
	}
	if !add(t, s, packet(1, t0)) {
		t.Error("looking made it known")
	}
	if _, seen, _ := s.Seen(packet(1, t0)); !seen {
		t.Error("not seen after Add")
	}
}

func TestJournalIsReadableTextThatLasts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	j := open(t, path, Options{})
	v6 := packet(2, t0)
	v6.Src, v6.Sent, v6.Wire = netip.MustParseAddrPort("[2001:db8::7%eth0]:1"), time.Time{}, nil
	add(t, j, packet(1, t0))
	add(t, j, v6)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w1 := sha256.Sum256(packet(1, t0).Wire)
	k1, k2 := sha256.Sum256(packet(1, t0).Plaintext), sha256.Sum256(v6.Plaintext)
	want := header +
		b64(k1[:]) + " 2023-11-14T22:13:20.000000Z 2023-11-14T22:13:20.000000Z 17 192.0.2.7 40000 198.51.100.1 62201 " + b64(w1[:]) + "\n" +
		b64(k2[:]) + " 2023-11-14T22:13:20.000000Z - 17 2001:db8::7 1 198.51.100.1 62201\n"
	if string(text) != want {
		t.Errorf("journal:\n%swant:\n%s", text, want)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	j = open(t, path, Options{})
	first, fresh, err := j.Add(v6)
	if fresh || err != nil || first.Src != netip.MustParseAddr("2001:db8::7") || !first.Time.Equal(t0) {
		t.Errorf("after a restart: %v, fresh %v, err %v", first, fresh, err)
	}
}

// The caches of the older daemons, line by line: what was in them is known.
func TestOldShapes(t *testing.T) {
	p := packet(1, t0)
	p.Wire = []byte("8abcdefghijQ")
	plain256, plain1, plainMD := sha256.Sum256(p.Plaintext), sha1.Sum(p.Plaintext), md5.Sum(p.Plaintext)
	body := p.Plaintext[:strings.LastIndexByte(string(p.Plaintext), ':')]
	body256, body1, bodyMD := sha256.Sum256(body), sha1.Sum(body), md5.Sum(body)
	wire := sha256.Sum256(p.Wire)
	tests := []struct{ name, line string }{
		{"1.9 with source and time", "10.77.0.2 " + b64(plain256[:]) + " [Tue Nov 14 22:13:25 2023]"},
		{"1.9 on the fourth of a month", "10.77.0.2 " + b64(plain256[:]) + " [Sat Nov  4 22:13:25 2023]"},
		{"1.8 without time", "10.77.0.2 " + b64(plain256[:])},
		{"bare", b64(plain256[:])},
		{"bare with CR", b64(plain256[:]) + "\r"},
		{"bare SHA-1", b64(plain1[:])},
		{"bare MD5", b64(plainMD[:])},
		{"hexadecimal MD5", hex.EncodeToString(plainMD[:])},
		{"without the digest field", "10.77.0.2 " + b64(body256[:]) + " [Tue Nov 14 22:13:25 2023]"},
		{"SHA-1 without the digest field", "10.77.0.2 " + b64(body1[:])},
		{"MD5 without the digest field", "10.77.0.2 " + b64(bodyMD[:])},
		{"2.6", b64(wire[:]) + " 17 10.77.0.2 57300 10.77.0.1 62201 1700000005"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "digest.cache")
			if err := os.WriteFile(path, []byte(tt.line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, path, Options{Notice: func(s string) { t.Error(s) }})
			first, fresh, err := j.Add(p)
			if fresh || err != nil {
				t.Fatalf("fresh %v, err %v", fresh, err)
			}
			if strings.HasPrefix(tt.line, "10.") && first.Src != netip.MustParseAddr("10.77.0.2") {
				t.Errorf("source %v", first.Src)
			}
			if strings.Contains(tt.line, "1700000005") && first.Time.Unix() != 1700000005 {
				t.Errorf("time %v", first.Time)
			}
			if !add(t, j, packet(2, t0)) {
				t.Error("another message is not fresh")
			}
		})
	}
}

// The text that 2.6 hashed is known in every encoding that decodes to the same
// message.
func TestRespelledWire(t *testing.T) {
	sent := "8abcdefghijQ"
	wire := sha256.Sum256([]byte(sent))
	line := b64(wire[:]) + " 17 10.77.0.2 57300 10.77.0.1 62201 1700000005\n"
	for _, spelling := range []string{sent, sent + "=", sent + "==", "U2FsdGVkX1" + sent, "hQ" + sent, "8abcdefghijR", "8abcdefghijf="} {
		m := NewMemory(Options{})
		if err := m.Load(strings.NewReader(line), "old"); err != nil {
			t.Fatal(err)
		}
		p := packet(1, t0)
		p.Wire = []byte(spelling)
		if _, seen, _ := m.Seen(p); !seen {
			t.Errorf("%s: not recognised", spelling)
		}
	}
}

func TestMD5SumsBesideTheJournal(t *testing.T) {
	dir := t.TempDir()
	sum := md5.Sum(packet(1, t0).Plaintext)
	if err := os.WriteFile(filepath.Join(dir, "md5sums"), []byte("10.0.0.1 "+b64(sum[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, filepath.Join(dir, "digest.cache"), Options{})
	if add(t, j, packet(1, t0)) {
		t.Error("a message from md5sums is fresh")
	}
}

func TestHostileLines(t *testing.T) {
	key := sha256.Sum256(packet(1, t0).Plaintext)
	good := b64(key[:])
	path := filepath.Join(t.TempDir(), "digest.cache")
	lines := []string{
		strings.Repeat("A", 1<<20), // far longer than the buffer
		strings.Repeat(good+" ", 9),
		good + " x", good + " 17 10.0.0.1 1 2", "10.0.0.999 " + good,
		"10.0.0.1", "10.0.0.1 short", "10.0.0.1 " + good + " [not a time at all]", "10.0.0.1 " + good + " ]x[",
		good + " 17 10.0.0.1 99999 10.0.0.2 1 1700000000",
		good + " 17 10.0.0.1 1 10.0.0.2 1 99999999999999999999",
		good + " 2023-11-14T22:13:20.000000Z never 17 192.0.2.7 1 - 0",
		"\x00\x00\x00\x00", "\xff\xfe", strings.Repeat("é", 21) + "x",
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n\n"+b64(key[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var notices []string
	j := open(t, path, Options{Notice: func(s string) { notices = append(notices, s) }})
	if j.Len() != 1 {
		t.Errorf("%d records, want 1", j.Len())
	}
	want := fmt.Sprintf("skipped %d lines, the first at line 1: ", len(lines))
	if len(notices) != 1 || !strings.Contains(notices[0], want) {
		t.Errorf("notices %q, want one with %q", notices, want)
	}
	if add(t, j, packet(1, t0)) {
		t.Error("the good line behind them was lost")
	}
}

// A crash leaves any prefix of the journal behind, or one with zeros behind it.
func TestDamagedTail(t *testing.T) {
	short.Skip(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "digest.cache")
	j := open(t, path, Options{})
	for i := range 3 {
		add(t, j, packet(i, t0))
	}
	j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		for _, zeros := range []int{0, 700} {
			damaged := append(append([]byte{}, whole[:cut]...), make([]byte, zeros)...)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			notices := 0
			j := open(t, path, Options{Notice: func(string) { notices++ }})
			durable := max(0, strings.Count(string(whole[:cut]), "\n")-1)
			for i := range 3 {
				_, seen, _ := j.Seen(packet(i, t0))
				if i < durable && !seen {
					t.Fatalf("cut at %d + %d zeros: message %d forgotten", cut, zeros, i)
				}
			}
			ragged := zeros > 0 || (cut > 0 && whole[cut-1] != '\n')
			if ragged != (notices > 0) {
				t.Fatalf("cut at %d + %d zeros: %d notices", cut, zeros, notices)
			}
			add(t, j, packet(9, t0))
			j.Close()
			j = open(t, path, Options{Notice: func(s string) { t.Fatalf("cut at %d: second opening: %s", cut, s) }})
			if _, seen, _ := j.Seen(packet(9, t0)); !seen {
				t.Fatalf("cut at %d: what was added after the repair is lost", cut)
			}
			j.Close()
		}
	}
}

func TestSecondWriterIsLockedOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	j := open(t, path, Options{})
	if _, err := openBoth(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("second opening: %v", err)
	}
	if err := j.j.compact(context.Background(), t0); err != nil {
		t.Fatal(err)
	}
	if _, err := openBoth(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("second opening after a compaction: %v", err)
	}
	j.Close()
	open(t, path, Options{})
}

func TestNotAFile(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, dir, filepath.Join(dir, "no", "folder")} {
		if j, err := openBoth(path, Options{}); err == nil {
			j.Close()
			t.Errorf("%s was opened", path)
		}
	}
}

func keyOf(p *Packet) [sha256.Size]byte { return sha256.Sum256(p.Plaintext) }
