package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

var testRef = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A reading is what a whole Source held.
type reading struct {
	payloads []string // of frames; the source port of log lines
	times    []time.Time
	problems []string
	counts   Counts
}

// readAll reads src to its end, or its final error.
func readAll(t testing.TB, src Source, got *reading) error {
	t.Helper()
	defer src.Close()
	var ev parse.Event
	for {
		err := src.Next(t.Context(), &ev)
		got.counts = src.Stats().Counts()
		switch {
		case err == nil && ev.Origin == parse.OriginFrame:
			got.payloads = append(got.payloads, string(ev.Payload))
		case err == nil:
			got.payloads = append(got.payloads, fmt.Sprint(ev.Src.Port()))
		case errors.Is(err, parse.ErrSkip):
			continue
		case err == io.EOF:
			checkBooks(t, got.counts)
			return nil
		default:
			return err
		}
		got.times = append(got.times, ev.Time)
	}
}

func checkBooks(t testing.TB, c Counts) {
	t.Helper()
	if c.Records != c.Events+c.NotOurs+c.Malformed {
		t.Errorf("records do not add up: %+v", c)
	}
}

func (r *reading) options() ReadOptions {
	return ReadOptions{Ref: testRef, Problem: func(p Problem) {
		r.problems = append(r.problems, fmt.Sprintf("%s:%d: %v", filepath.Base(p.Name), p.Record, p.Err))
	}}
}

func read(t testing.TB, names ...string) reading {
	t.Helper()
	var got reading
	r, err := Read(names, got.options())
	if err != nil {
		t.Fatal(err)
	}
	if err := readAll(t, r, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReadPcapFormats(t *testing.T) {
	le, be := binary.AppendByteOrder(binary.LittleEndian), binary.AppendByteOrder(binary.BigEndian)
	tests := []struct {
		name  string
		order binary.AppendByteOrder
		magic uint32
		snap  uint32
	}{
		{"little endian, microseconds", le, 0xa1b2c3d4, 65535},
		{"big endian, microseconds", be, 0xa1b2c3d4, 65535},
		{"little endian, nanoseconds", le, 0xa1b23c4d, 65535},
		{"big endian, nanoseconds", be, 0xa1b23c4d, 65535},
		{"snaplen 0", le, 0xa1b2c3d4, 0},
		{"snaplen 2^31", le, 0xa1b2c3d4, 1 << 31},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nano := tt.magic == 0xa1b23c4d
			b := buildPcapHeader(tt.order, tt.magic, tt.snap, 1)
			b = appendPcapRecord(tt.order, nano, b, captureStart, udpFrame("one"))
			b = appendPcapRecord(tt.order, nano, b, captureStart.Add(time.Second+time.Microsecond), udpFrame("two"))
			got := read(t, writeFile(t, "a.pcap", b))
			if !slices.Equal(got.payloads, []string{"one", "two"}) || len(got.problems) > 0 {
				t.Errorf("got %+v", got)
			}
			if want := []time.Time{captureStart, captureStart.Add(time.Second + time.Microsecond)}; !slices.Equal(got.times, want) {
				t.Errorf("times %v, want %v", got.times, want)
			}
		})
	}
}

// TestReadPatchedPcap has the longer record headers of an old patched libpcap, and
// the length of a frame check sequence in the link type's upper bits.
func TestReadPatchedPcap(t *testing.T) {
	le := binary.LittleEndian
	b := buildPcapHeader(le, 0xa1b2cd34, 65535, 0x24000001)
	frame := append(udpFrame("patched"), 1, 2, 3, 4)
	for range 2 {
		b = appendPcapRecord(le, false, b, captureStart, nil)
		le.PutUint32(b[len(b)-8:], uint32(len(frame)))
		le.PutUint32(b[len(b)-4:], uint32(len(frame)))
		b = append(append(b, make([]byte, 8)...), frame...)
	}
	got := read(t, writeFile(t, "a.pcap", b))
	if !slices.Equal(got.payloads, []string{"patched", "patched"}) {
		t.Errorf("got %+v", got)
	}
}

func TestReadDamagedPcap(t *testing.T) {
	whole := buildPcap("one", "two", "three")
	record := len(buildPcap("one")) - 24
	bad := func(at int, value uint32) []byte {
		b := slices.Clone(whole)
		binary.LittleEndian.PutUint32(b[at:], value)
		return b
	}
	tests := []struct {
		name     string
		data     []byte
		payloads []string
		problems []string
		records  uint64
	}{
		{"header only", whole[:24], nil, nil, 0},
		{"torn in the file header", whole[:10], nil, []string{"a.pcap:1: record cut short by the end of the input"}, 1},
		{"torn in the first record header", whole[:30], nil, []string{"a.pcap:1: record cut short by the end of the input"}, 1},
		{"torn behind a record header", whole[:24+record+16], []string{"one"}, []string{"a.pcap:2: record cut short by the end of the input"}, 2},
		{"torn in a frame", whole[:len(whole)-1], []string{"one", "two"}, []string{"a.pcap:3: record cut short by the end of the input"}, 3},
		{"absurd length", bad(24+record+8, 0xfffffff0), []string{"one", "three"}, []string{"a.pcap:2: absurd record length"}, 3},
		{"absurd length in the first record", bad(24+8, 1<<30), []string{"two", "three"}, []string{"a.pcap:1: absurd record length"}, 3},
		{"absurd length in the last record", bad(24+2*record+8, 1<<30), []string{"one", "two"}, []string{"a.pcap:3: absurd record length"}, 3},
		{"zeros at the end", append(slices.Clone(whole), make([]byte, 1000)...), []string{"one", "two", "three"}, []string{"a.pcap:4: zeros where a record is expected"}, 4},
		{"zeros between records", slices.Insert(slices.Clone(whole), 24+record, make([]byte, 64)...), []string{"one", "two", "three"}, []string{"a.pcap:2: zeros where a record is expected"}, 4},
		{"another capture behind it", append(slices.Clone(whole), whole...), []string{"one", "two", "three", "one", "two", "three"}, nil, 6},
		{"file headers alone", append(slices.Clone(whole), bytes.Repeat(whole[:24], 3)...), []string{"one", "two", "three"}, nil, 3},
		{"length of 0", appendPcapRecord(binary.LittleEndian, false, slices.Clone(whole), captureStart, nil), []string{"one", "two", "three"}, []string{"a.pcap:4: link-layer header cut short"}, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, writeFile(t, "a.pcap", tt.data))
			if !slices.Equal(got.payloads, tt.payloads) || !slices.Equal(got.problems, tt.problems) {
				t.Errorf("got %q, problems %q", got.payloads, got.problems)
			}
			if got.counts.Records != tt.records || got.counts.Bytes != uint64(len(tt.data)) {
				t.Errorf("counts %+v, want %d records of %d bytes", got.counts, tt.records, len(tt.data))
			}
		})
	}
}

// TestReadLargeFrames has records that only just fit, across the buffer's end.
func TestReadLargeFrames(t *testing.T) {
	b := buildPcapHeader(binary.LittleEndian, 0xa1b2c3d4, 0, 1)
	for i := range 8 {
		frame := append(udpFrame(fmt.Sprint(i)), make([]byte, maxFrame-64)...)
		b = appendPcapRecord(binary.LittleEndian, false, b, captureStart, frame)
	}
	got := read(t, writeFile(t, "a.pcap", b))
	if want := strings.Split("0 1 2 3 4 5 6 7", " "); !slices.Equal(got.payloads, want) {
		t.Errorf("got %q", got.payloads)
	}
}

func TestReadLogs(t *testing.T) {
	long := strings.Repeat("x", 3*readBufferSize) + " IN=eth0 "
	tests := []struct {
		name     string
		data     string
		payloads []string
		problems []string
		records  uint64
	}{
		{"empty", "", nil, nil, 0},
		{"LF", logLine(1) + "\n" + logLine(2) + "\n", []string{"1", "2"}, nil, 2},
		{"CR LF", logLine(1) + "\r\n" + logLine(2) + "\r\n", []string{"1", "2"}, nil, 2},
		{"no newline at the end", logLine(1) + "\n" + logLine(2), []string{"1", "2"}, nil, 2},
		{"other programs", "\n\nNov 22 07:46:05 gate sshd[1]: hello\n" + logLine(2), []string{"2"}, nil, 4},
		{"hole of NULs", logLine(1) + "\n" + strings.Repeat("\x00", readBufferSize+5) + logLine(2) + "\n", []string{"1", "2"}, nil, 2},
		{"long line", logLine(1) + "\n" + long + "\n" + logLine(2) + "\n", []string{"1", "2"}, []string{"a.log:2: line too long"}, 3},
		{"long line with a line's look", long + logLine(1) + "\n" + logLine(2) + "\n", []string{"2"}, []string{"a.log:1: line too long"}, 2},
		{"long line within a buffer", strings.Repeat("y", maxLine+1) + "\n" + logLine(2) + "\n", []string{"2"}, []string{"a.log:1: line too long"}, 2},
		{"long line at the end", logLine(1) + "\n" + long, []string{"1"}, []string{"a.log:2: line too long"}, 2},
		{"longest line", strings.Repeat("y", maxLine-len(logLine(7))) + logLine(7) + "\n", nil, []string{"a.log:1: no time stamp; records like it count, but have no time"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, writeFile(t, "a.log", []byte(tt.data)))
			if tt.name != "longest line" && !slices.Equal(got.payloads, tt.payloads) || !slices.Equal(got.problems, tt.problems) {
				t.Errorf("got %q, problems %q", got.payloads, got.problems)
			}
			if got.counts.Records != tt.records || got.counts.Bytes != uint64(len(tt.data)) {
				t.Errorf("counts %+v, want %d records", got.counts, tt.records)
			}
		})
	}
}

func TestReadMatchAndOrigin(t *testing.T) {
	name := writeFile(t, "a.log", []byte(logLine(1)+"\n"+strings.Replace(logLine(2), "DROP", "SPA", 1)+"\n"))
	var got reading
	opt := got.options()
	opt.Match, opt.KernelOnly = []string{"REJECT", "SPA"}, true
	r, err := Read([]string{name}, opt)
	if err != nil {
		t.Fatal(err)
	}
	var ev parse.Event
	if err := r.Next(t.Context(), &ev); !errors.Is(err, parse.ErrNotOurs) {
		t.Errorf("a line of another rule: %v", err)
	}
	if err := r.Next(t.Context(), &ev); err != nil || ev.Src.Port() != 2 || ev.Origin != parse.OriginKernel {
		t.Errorf("err %v, event %+v", err, ev)
	}
	if p := r.Stats().Position(); p.Name != name || p.Record != 2 {
		t.Errorf("position %+v", p)
	}
}

func TestReadFiltered(t *testing.T) {
	other := udpFrame("other port")
	other[37]--
	data := appendPcapRecord(binary.LittleEndian, false, buildPcap("one"), captureStart, other)
	var got reading
	r := readFiltered(t, data, "udp port 62201 and not ip6", got.options())
	if err := readAll(t, r, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.payloads, []string{"one"}) || got.counts.NotOurs != 1 {
		t.Errorf("got %+v", got)
	}
}

// Frames that the filter drops are counted and have numbers, but Next passes over them.
func TestReadPassesFiltered(t *testing.T) {
	other := udpFrame("other port")
	other[37]--
	data := buildPcap("one")
	for _, frame := range [][]byte{other, other, other, udpFrame("five"), other, other} {
		data = appendPcapRecord(binary.LittleEndian, false, data, captureStart, frame)
	}
	data = append(data, 0) // torn: record 8
	var got reading
	r := readFiltered(t, data, "udp port 62201", got.options())
	defer r.Close()
	for _, want := range []struct {
		record int64
		err    error
		counts Counts
	}{
		{1, nil, Counts{Records: 1, Events: 1}},
		{5, nil, Counts{Records: 5, Events: 2, NotOurs: 3}},
		{8, errTorn, Counts{Records: 8, Events: 2, NotOurs: 5, Malformed: 1}},
		{8, io.EOF, Counts{Records: 8, Events: 2, NotOurs: 5, Malformed: 1}},
	} {
		err := r.Next(t.Context(), new(parse.Event))
		counts := r.Stats().Counts()
		counts.Bytes = 0
		if err != want.err || counts != want.counts || r.Stats().Position().Record != want.record {
			t.Errorf("%v at %+v with %+v, want %+v", err, r.Stats().Position(), counts, want)
		}
	}
}

func TestReadPacked(t *testing.T) {
	log := []byte(strings.Repeat(logLine(7)+"\n", 2000))
	pack := map[string]func(w io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	}
	for name, writer := range pack {
		for content, data := range map[string][]byte{"log": log, "pcap": buildPcap("one", "two")} {
			t.Run(name+" "+content, func(t *testing.T) {
				var buf bytes.Buffer
				w, err := writer(&buf)
				if err != nil {
					t.Fatal(err)
				}
				w.Write(data)
				w.Close()
				packed := buf.Bytes()
				got := read(t, writeFile(t, "a", packed))
				if want := read(t, writeFile(t, "b", data)); !slices.Equal(got.payloads, want.payloads) || len(got.problems) > 0 {
					t.Errorf("got %d events, want %d; problems %q", len(got.payloads), len(want.payloads), got.problems)
				}
				if content == "pcap" {
					return
				}
				r, err := Read([]string{writeFile(t, "a", packed[:len(packed)/2])}, ReadOptions{Ref: testRef})
				if err != nil {
					t.Fatal(err)
				}
				var torn reading
				var unread Unread
				if err := readAll(t, r, &torn); !errors.As(err, &unread) || !strings.Contains(err.Error(), "a: record ") {
					t.Errorf("torn: %v", err)
				}
				if n := r.Outcomes()[0].Records; n > 1 && len(torn.payloads) < int(n)-1 {
					t.Errorf("torn: %d records, %d events", n, len(torn.payloads))
				}
			})
		}
	}
}

// TestReadPackedDamaged has files whose content fits into the first read of it.
func TestReadPackedDamaged(t *testing.T) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(buildPcap("one", "two"))
	w.Close()
	packed := buf.Bytes()
	checksum := slices.Clone(packed)
	checksum[len(packed)-5] ^= 1
	for name, tt := range map[string]struct {
		data []byte
		want string // of the error
	}{
		"zeros behind":         {append(slices.Clone(packed), make([]byte, 5000)...), "<nil>"},
		"garbage behind":       {append(slices.Clone(packed), "garbage garbage"...), ": record 3: read no further: gzip: invalid header"},
		"checksum of another":  {checksum, ": record 3: read no further: gzip: invalid checksum"},
		"the end of it is cut": {packed[:len(packed)-3], ": record 3: read no further: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]string{writeFile(t, "a", tt.data)}, ReadOptions{Ref: testRef})
			if err != nil {
				t.Fatal(err)
			}
			var got reading
			if err := fmt.Sprint(readAll(t, r, &got)); !strings.HasSuffix(err, tt.want) {
				t.Errorf("err = %s, want %q", err, tt.want)
			}
			if !slices.Equal(got.payloads, []string{"one", "two"}) {
				t.Errorf("got %q", got.payloads)
			}
		})
	}
}

// TestReadFixtures reads files that other programs made.
func TestReadFixtures(t *testing.T) {
	files, err := filepath.Glob("../fixtures/capture/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".md") {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			got := read(t, name)
			want := []string{"knock 0", "knock 1", "knock 2"}
			if strings.Contains(name, ".log") {
				want = []string{"1", "2", "3"}
			}
			if !slices.Equal(got.payloads, want) {
				t.Errorf("got %q, problems %q", got.payloads, got.problems)
			}
		})
	}
}

func TestReadManyInOrder(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"k.2": buildPcap("b"), "k.1": buildPcap("a"), "k.10": []byte(logLine(10)), "plain[1]": buildPcap("bracket"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got reading
	opt := got.options()
	opt.Stdin = bytes.NewReader(buildPcap("stdin"))
	r, err := Read([]string{filepath.Join(dir, "k.*"), Stdin, filepath.Join(dir, "plain[1]")}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := readAll(t, r, &got); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "10", "b", "stdin", "bracket"}; !slices.Equal(got.payloads, want) {
		t.Errorf("got %q, want %q", got.payloads, want)
	}
}

func TestReadErrors(t *testing.T) {
	if _, err := Read([]string{"a[.pcap"}, ReadOptions{}); err == nil || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("malformed pattern: %v", err)
	}
	wifi := buildPcapHeader(binary.LittleEndian, 0xa1b2c3d4, 0, 147)
	version := buildPcap()
	version[4] = 3
	tests := []struct{ name, path, want string }{
		{"pattern", filepath.Join(t.TempDir(), "*.pcap"), "*.pcap: no file matches"},
		{"missing", filepath.Join(t.TempDir(), "missing.log"), "missing.log: no such file"},
		{"directory", t.TempDir(), "is a directory"},
		{"link type", writeFile(t, "wifi.pcap", wifi), "wifi.pcap: cannot decode link type 147 (USER0)"},
		{"version", writeFile(t, "v3.pcap", version), "v3.pcap: capture format version 3 is not supported"},
		{"broken gzip", writeFile(t, "x.gz", []byte("\x1f\x8b\x00\x00garbage garbage garbage")), "x.gz: gzip"},
		{"greedy xz", writeFile(t, "x.xz", []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00\x21\x01\x28\x00\x00\x00\x00\x00")), "dictionary too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Read([]string{tt.path}, ReadOptions{})
			if err == nil {
				err = readAll(t, r, &reading{})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReaderEnds(t *testing.T) {
	r, err := Read([]string{writeFile(t, "a.pcap", buildPcap("one", "two"))}, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var ev parse.Event
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Next(ctx, &ev); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := r.Next(t.Context(), &ev); err != nil {
		t.Fatal(err)
	}
	want := Input{Name: r.Stats().Position().Name, Kind: KindPcap, LinkType: parse.LinkEthernet}
	if diff := cmp.Diff(want, r.Input()); diff != "" {
		t.Error(diff)
	}
	if done, total := r.Progress(); done != total || total == 0 {
		t.Errorf("progress %d of %d", done, total)
	}
	r.Close()
	for range 3 {
		if err := r.Next(t.Context(), &ev); err == nil || errors.Is(err, parse.ErrSkip) {
			if err == nil && string(ev.Payload) == "two" {
				continue // was in memory
			}
			t.Errorf("closed: %v", err)
		}
	}
}

// TestReadFilteredInside is about link types whose header differs from frame to frame:
// the packet within is filtered.
func TestReadFilteredInside(t *testing.T) {
	pflog := append([]byte{61, 2, 0, 0}, make([]byte, 60)...)
	radiotap := []byte{0, 0, 8, 0, 0, 0, 0, 0}
	wlan := append(append([]byte{8, 1}, make([]byte, 22)...), 0xaa, 0xaa, 3, 0, 0, 0, 8, 0)
	for link, header := range map[uint32][]byte{
		117: pflog, 105: wlan, 127: append(radiotap, wlan...), 109: {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 104: {15, 0, 8, 0}, 204: {0, 0, 0x21},
		239: {2, 0, 0, 5, 35, 0, 9, 0},
		258: append([]byte{108, 0, 0, 0, 1, 0, 0, 0, 101}, make([]byte, 99)...), 285: append(make([]byte, 20), 8, 0),
	} {
		data := buildPcapHeader(binary.LittleEndian, 0xa1b2c3d4, 0, link)
		for _, payload := range []string{"one", "two"} {
			frame := append(bytes.Clone(header), udpPacket(payload)...)
			if payload == "two" {
				frame[len(header)+23]--
			}
			data = appendPcapRecord(binary.LittleEndian, false, data, captureStart, frame)
		}
		var got reading
		r := readFiltered(t, data, "udp port 62201", got.options())
		if err := readAll(t, r, &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.payloads, []string{"one"}) || got.counts.NotOurs != 1 {
			t.Errorf("link type %d: got %+v", link, got)
		}
	}
}

// TestReadFilteredPF: words about the header of pf select frames of a pflog capture; a capture of
// another link type is not read with them.
func TestReadFilteredPF(t *testing.T) {
	header := append([]byte{61, 2, 1, 0}, make([]byte, 60)...)
	copy(header[4:], "em0")
	capture := func(link uint32) []byte {
		data := buildPcapHeader(binary.LittleEndian, 0xa1b2c3d4, 0, link)
		return appendPcapRecord(binary.LittleEndian, false, data, captureStart, append(bytes.Clone(header), udpPacket("one")...))
	}
	for expr, want := range map[string][]string{"on em0 and action block and udp port 62201": {"one"}, "on em1 or action pass": nil} {
		var got reading
		if err := readAll(t, readFiltered(t, capture(117), expr, got.options()), &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.payloads, want) {
			t.Errorf("%s: got %+v", expr, got)
		}
		var refused reading
		err := readAll(t, readFiltered(t, capture(101), expr, refused.options()), &refused)
		if err == nil || !strings.Contains(err.Error(), "is supported only on captures of a log of pf") || len(refused.payloads) > 0 {
			t.Errorf("%s, raw IP: %v, %+v", expr, err, refused)
		}
	}
}

// readFiltered opens a capture for the frames that a filter selects.
func readFiltered(t *testing.T, data []byte, expr string, opt ReadOptions) *Reader {
	t.Helper()
	var err error
	if opt.Filter, err = filter.Parse(expr); err != nil {
		t.Fatal(err)
	}
	r, err := Read([]string{writeFile(t, "a.pcap", data)}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReadCut counts the frames of which the capture kept a part.
func TestReadCut(t *testing.T) {
	le := binary.AppendByteOrder(binary.LittleEndian)
	data := buildPcap("one", "two and more", "three")
	second := 24 + 2*16 + len(udpFrame("one"))
	frame := udpFrame("two and more")
	binary.LittleEndian.PutUint32(data[second-16+8:], uint32(len(frame)-5))
	data = slices.Delete(data, second+len(frame)-5, second+len(frame))
	ng := append(ngSectionBlock(le), ngInterfaceBlock(le, 1)...)
	block := ngPacketBlock(le, 0, uint64(time.Second), frame[:len(frame)-5])
	binary.LittleEndian.PutUint32(block[24:], uint32(len(frame)))
	ng = append(append(ng, block...), ngPacketBlock(le, 0, uint64(time.Second), frame)...)
	for name, data := range map[string][]byte{"a.pcap": data, "a.pcapng": ng} {
		got := read(t, writeFile(t, name, data))
		if got.counts.Cut != 1 || got.counts.Malformed != 0 || !slices.Contains(got.payloads, "two and") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
