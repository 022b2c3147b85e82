package parse

import (
	"bytes"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A line read behind others gives what it gives alone: every line of every fixture and
// dialect, twice in a row, with the digits of its stamp changed, and behind lines that begin
// alike.
func TestLineDecoderRemembersOnlyTheSame(t *testing.T) {
	var lines [][]byte
	for _, pattern := range []string{"../fixtures/netfilter/*/*.log", "../fixtures/netfilter/*/*.dmesg"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no fixtures (%v)", err)
		}
		for _, name := range files {
			lines = append(lines, fileLines(t, name)...)
		}
	}
	for _, d := range dialects {
		lines = append(lines, []byte(d.head+synRecord+d.tail), []byte(d.head+strings.Replace(synRecord, "TTL", "TTX", 1)))
	}
	lines = append(lines, []byte("Jul  3 04:05:06 gate kernel: "+synRecord), []byte("Jul  3 04:05:06 gate kernel: "+torn+synRecord))
	for _, dst := range []string{"198.51.100.1", "198.51.100.10", "198.51.100.1", "198.51.100.100", "2001:db8::1", "198.51.100.1x", " 198.51.100.1", "198.51.100.1  LEN=60"} {
		lines = append(lines, []byte("Jul  3 04:05:06 gate kernel: "+strings.Replace(synRecord, "198.51.100.10", dst, 1)))
	}
	for _, s := range shippers {
		lines = append(lines, []byte(s.object()))
	}
	var d LineDecoder
	refs := []time.Time{logRef, logRef.Add(-300 * 24 * time.Hour), logRef.In(time.FixedZone("CET", 3600))}
	for n, line := range lines {
		for i, next := range [][]byte{line, line, nextDigit(line, n), nextDigit(line, n+5), line[:len(line)*(n%8)/8], line} {
			checkRepeat(t, &d, next, refs[n/64*i%len(refs)])
		}
	}
}

// torn is the beginning of synRecord, up to where a heading ends.
var torn = synRecord[:strings.Index(synRecord, "SRC=")+len("SRC=")]

// nextDigit returns a copy of the line with its nth digit of the first ones raised by one.
func nextDigit(line []byte, n int) []byte {
	changed := bytes.Clone(line)
	var at []int
	for i, c := range changed {
		if c-'0' <= 9 && len(at) < 30 {
			at = append(at, i)
		}
	}
	if len(at) > 0 {
		c := &changed[at[n%len(at)]]
		*c = '0' + (*c-'0'+1)%10
	}
	return changed
}

// Lines of one second and host, and of the next, are read without the whole way.
func TestLineDecoderRepeats(t *testing.T) {
	long := strings.Repeat("DROP ", maxHeading/5)
	for _, c := range []struct {
		first, second string
		want          bool
	}{
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:06 gate kernel: DROP ", true},
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:07 gate kernel: DROP ", true},
		{"Jul  3 04:05:06 gate kernel: [    1.500000] DROP ", "Jul  3 04:05:07 gate kernel: [    9.000001] DROP ", true},
		{"2026-07-03T04:05:06.123456+02:00 gate kernel: DROP ", "2026-07-03T14:05:06.654321+01:00 gate kernel: DROP ", true},
		{"Jul  3 04:05:06 gate kernel: [    1.500000] DROP ", "Jul  3 04:05:07 gate kernel: [    9x000001] DROP ", false},
		{"<4>[   12.500000] DROP ", "<4>[   12.500000] DROP ", true},
		{"<4>[   12.500000] DROP ", "<4>[   12.500001] DROP ", false},
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:60 gate kernel: DROP ", true}, // a leap second
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:61 gate kernel: DROP ", false},
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:06 gate kernel: PASS ", false},
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:06 gate kernel: [1.5] DROP ", false},
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:06 gate colonel: DROP ", false},
		{"Jul  3 04:05:06 gate kernel: DROP ", "Jul  3 04:05:07 gate Kernel: DROP ", false},
		{"Jul  3 04:05:06 gate kernel: " + long, "Jul  3 04:05:06 gate kernel: " + long, false},
		{"Jul  3 04:05:06 gate DROP ", "Jul  3 04:05:06 gate DROP ", false}, // not known to be the kernel's
	} {
		var d LineDecoder
		checkRepeat(t, &d, []byte(c.first+synRecord), logRef)
		second := []byte(c.second + synRecord)
		if got := d.headings[d.last].repeats(second, logRef) || d.find(second, logRef) != nil; got != c.want {
			t.Errorf("%q after %q: %v", c.second, c.first, got)
		}
		checkRepeat(t, &d, []byte(c.second+synRecord), logRef)
		var ev Event
		lines := [][]byte{[]byte(c.first + synRecord), []byte(c.second + synRecord)}
		if n := testing.AllocsPerRun(5, func() { d.Line(lines[0], logRef, &ev); d.Line(lines[1], logRef, &ev) }); n != 0 {
			t.Errorf("%v allocations for %q", n, c.second)
		}
	}
}

// FuzzLineDecoder reads a line behind another.
func FuzzLineDecoder(f *testing.F) {
	for _, d := range dialects {
		f.Add([]byte(d.head+synRecord+d.tail), []byte(d.head+synRecord))
	}
	f.Add([]byte("Jul  3 04:05:06 gate kernel: "+synRecord), []byte("Jul  3 04:05:06 gate kernel: "+torn+synRecord))
	f.Add([]byte("Jul  3 04:05:06 gate kernel: [1.5 <kernel: >] X "+synRecord), []byte("Jul  3 04:05:06 gate kernel: [1.5 <kernel: >] X "+synRecord))
	f.Fuzz(func(t *testing.T, before, line []byte) {
		var d LineDecoder
		for n := range 6 {
			checkRepeat(t, &d, before, logRef)
			checkRepeat(t, &d, nextDigit(before, n), logRef)
		}
		checkRepeat(t, &d, line, logRef)
	})
}

// checkRepeat holds what d makes of a line to what the line alone gives.
func checkRepeat(t *testing.T, d *LineDecoder, line []byte, ref time.Time) {
	t.Helper()
	var got, want Event
	err := d.Line(line, ref, &got)
	alone := LogLine(line, ref, &want)
	if !errors.Is(err, alone) {
		t.Fatalf("%q: %v, alone %v", line, err, alone)
	}
	want.stampEnd, want.recordStart, want.heading = 0, 0, 0
	options := bytes.Equal(got.Options(), want.Options())
	want.opt, want.text = got.opt, got.text
	if err == nil && !(options && reflect.DeepEqual(got, want)) {
		t.Fatalf("%q\n%+v, alone\n%+v", line, got, want)
	}
}
