package ingest

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// appendBPF adds a frame as the kernel of FreeBSD does: what follows the link header of
// 14 bytes is on a word's boundary, and so is the next frame.
func appendBPF(b []byte, at time.Time, frame []byte, size int) []byte {
	const etherHeader = 14
	head := (bpfHeader+etherHeader+bpfWord-1)&^(bpfWord-1) - etherHeader
	begin := len(b)
	b = binary.NativeEndian.AppendUint64(b, uint64(at.Unix()))
	b = binary.NativeEndian.AppendUint64(b, uint64(at.Nanosecond()/1000))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(frame)))
	b = binary.NativeEndian.AppendUint32(b, uint32(size))
	b = binary.NativeEndian.AppendUint16(b, uint16(head))
	b = append(b, make([]byte, head-bpfHeader)...)
	b = append(b, frame...)
	for (len(b)-begin)%bpfWord != 0 {
		b = append(b, 0xee)
	}
	return b
}

func etherFrame(payload string) []byte {
	return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, udpPacket(payload)...)
}

func TestBPFFrame(t *testing.T) {
	at := time.Unix(1795333565, 376279000)
	frames := [][]byte{etherFrame("one"), etherFrame("four"), {1}, etherFrame("the last")}
	var buf []byte
	for i, f := range frames {
		buf = appendBPF(buf, at.Add(time.Duration(i)*time.Second), f, len(f)+i)
	}
	last := len(buf) - len(buf)%bpfWord
	for _, b := range [][]byte{buf, bytes.TrimRight(buf, "\xee"), buf[:last]} { // the end may lack its padding
		for i, want := range frames {
			frame, size, when, rest, ok := bpfFrame(b)
			if !ok || !bytes.Equal(frame, want) || size != len(want)+i || !when.Equal(at.Add(time.Duration(i)*time.Second)) {
				t.Fatalf("frame %d: %x, size %d, %v, %v", i, frame, size, when, ok)
			}
			b = rest
		}
		if _, _, _, _, ok := bpfFrame(b); ok || len(b) != 0 {
			t.Errorf("%d bytes behind the last frame", len(b))
		}
	}
}

// A header that cannot be one ends the buffer.
func TestBPFFrameBroken(t *testing.T) {
	whole := appendBPF(nil, time.Unix(1, 0), []byte("12345678"), 8)
	set := func(at int, value ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], value)
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"half a header":     whole[:bpfHeader-1],
		"a frame cut short": whole[:len(whole)-bpfWord],
		"header too short":  set(bpfHeaderAt, 4, 0),
		"header too long":   set(bpfHeaderAt, 0xff, 0xff),
		"absurd length":     set(bpfCapturedAt, 0xff, 0xff, 0xff, 0xff),
	} {
		if frame, _, _, rest, ok := bpfFrame(b); ok || rest != nil {
			t.Errorf("%s: %x, rest %x", name, frame, rest)
		}
	}
}

// What a capture of FreeBSD makes of a buffer, filter and all.
func TestBPFEvents(t *testing.T) {
	at := time.Unix(1795333565, 376279000)
	var buf []byte
	for _, payload := range []string{"knock", "knock again"} {
		f := etherFrame(payload)
		buf = appendBPF(buf, at, f, len(f))
	}
	for expr, want := range map[string]int{"": 2, "udp": 2, "tcp": 0} {
		var fr frames
		var err error
		fr.filter, err = filter.Parse(expr)
		ok(t, err)
		ok(t, fr.use(uint32(parse.LinkEthernet)))
		events, rest := 0, buf
		var ev parse.Event
		for {
			frame, size, when, more, found := bpfFrame(rest)
			if !found {
				break
			}
			rest = more
			if err := fr.frame(frame, size, when, &ev); err == nil {
				events++
			}
		}
		if events != want || want > 0 && (string(ev.Payload) != "knock again" || !ev.Time.Equal(at)) {
			t.Errorf("%q: %d events, want %d; the last %q of %v", expr, events, want, ev.Payload, ev.Time)
		}
	}
	if n := testing.AllocsPerRun(100, func() { bpfFrame(buf) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// FuzzBPFFrame: the frames of a buffer are parts of it, one behind the other, and written as the
// kernel writes them, in microseconds, they are read again.
func FuzzBPFFrame(f *testing.F) {
	f.Add(appendBPF(appendBPF(nil, time.Unix(1, 0), []byte("123"), 3), time.Unix(2, 0), etherFrame("x"), 99))
	f.Add(appendBPF(appendBPF(nil, time.Unix(-1, 999999000), nil, 1<<31-1), time.Unix(1<<40, 0), []byte("12345678"), 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		type read struct {
			frame string
			size  int
			at    time.Time
		}
		all := func(b []byte) (list []read) {
			for {
				frame, size, at, rest, ok := bpfFrame(b)
				if !ok {
					return list
				}
				used := b[:len(b)-len(rest)]
				if len(used) < bpfHeader+len(frame) || !bytes.Contains(used[bpfHeader:], frame) || len(rest) > 0 && len(used)%bpfWord != 0 {
					t.Fatalf("frame of %d bytes in %d", len(frame), len(used))
				}
				list, b = append(list, read{string(frame), size, at}), rest
			}
		}
		list := all(b)
		var written []byte
		for _, r := range list {
			written = appendBPF(written, r.at, []byte(r.frame), r.size)
		}
		if again := all(written); !slices.EqualFunc(again, list, func(a, b read) bool {
			return a.frame == b.frame && a.size == b.size && a.at.Sub(b.at).Abs() < time.Microsecond
		}) {
			t.Fatalf("%+v is written as %x, which reads %+v", list, written, again)
		}
	})
}
