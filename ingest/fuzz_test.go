package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/short"
	"fwknopd/parse"
)

// fuzzRead reads data and checks what every input promises: it ends, its counts add up, and what
// it holds does not depend on the parts in which it comes.
func fuzzRead(t *testing.T, data []byte) {
	read := func(stdin io.Reader) (got reading, err error) {
		r, err := Read([]string{Stdin}, ReadOptions{Ref: testRef, Stdin: stdin})
		if err != nil {
			t.Fatal(err)
		}
		err = readAll(t, r, &got)
		return got, err
	}
	whole, err := read(bytes.NewReader(data))
	parts, errParts := read(iotest.OneByteReader(bytes.NewReader(data)))
	if err != nil { // the unpacker reads ahead, as much as there is at once
		whole.counts.Bytes, parts.counts.Bytes = 0, 0
	}
	if fmt.Sprint(err) != fmt.Sprint(errParts) || whole.counts != parts.counts || !slices.Equal(whole.payloads, parts.payloads) ||
		!slices.EqualFunc(whole.times, parts.times, time.Time.Equal) {
		t.Fatalf("at once: %+v, %v; byte by byte: %+v, %v", whole, err, parts, errParts)
	}
	if int(whole.counts.Records) > len(data)+1 && err == nil && whole.counts.Bytes == uint64(len(data)) && !bytes.HasPrefix(data, []byte{0x1f}) {
		t.Fatalf("%d records in %d bytes", whole.counts.Records, len(data))
	}
}

func FuzzReadPcap(f *testing.F) {
	f.Add(buildPcap("one", "two"))
	f.Add(buildPcapHeader(binary.BigEndian, 0xa1b23c4d, 0, 276))
	whole := buildPcap("one", "two", "three")
	binary.LittleEndian.PutUint32(whole[32:], 1<<30)
	f.Add(whole)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, magic := range []uint32{0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34} {
			if len(data) >= 4 {
				binary.LittleEndian.PutUint32(data, magic)
			}
			fuzzRead(t, data)
		}
	})
}

func FuzzReadPcapng(f *testing.F) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		b := append(ngSectionBlock(order), ngInterfaceBlock(order, 1, 9, 0, 1, 0, 9, 0, 0, 0)...)
		b = append(b, ngPacketBlock(order, 0, 1, udpFrame("one"))...)
		f.Add(b)
		f.Add(append(b[:len(b):len(b)], b...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzRead(t, append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, data...))
		fuzzRead(t, data)
	})
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte(logLine(1) + "\n" + logLine(2)))
	f.Add([]byte("\x00\x00\r\n\n"))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(logLine(1)))
	w.Close()
	f.Add(z.Bytes())
	f.Add(slices.Concat(z.Bytes()[:3], []byte{0x08, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("n"), 3500))) // a file name without an end
	broken := bytes.Clone(z.Bytes())
	broken[len(broken)/2] ^= 0xff
	f.Add(slices.Concat(broken, z.Bytes(), z.Bytes()))
	f.Fuzz(fuzzRead)
}

// Reading begins somewhere in the file, whatever State it is to resume from.
func FuzzResume(f *testing.F) {
	f.Add(int64(-5), uint64(0), 0, true)
	f.Add(int64(3), uint64(0), 0, true)
	f.Add(int64(1<<62), uint64(1), 600, false)
	f.Fuzz(func(t *testing.T, offset int64, head uint64, n int, same bool) {
		path := filepath.Join(t.TempDir(), "kern.log")
		text := logLine(1) + "\n" + logLine(2)[:20]
		ok(t, os.WriteFile(path, []byte(text), 0o600))
		st, err := statPath(path)
		ok(t, err)
		s := State{Dev: st.dev, Inode: st.ino, Offset: offset, Head: head, HeadN: n}
		if !same {
			s.Inode++
		}
		fl, err := followLog(path, FollowOptions{Resume: s})
		if err != nil {
			return
		}
		defer fl.Close()
		if at := fl.Stats().State(); at.Offset < 0 || at.Offset > int64(len(text)) {
			t.Fatalf("resumes %+v at %d", s, at.Offset)
		}
	})
}

func TestReadMemoryIsFlat(t *testing.T) {
	short.Skip(t)
	huge := buildPcap("one")
	binary.LittleEndian.PutUint32(huge[32:], 0x7fffffff)
	inputs := [][]byte{
		append(huge, make([]byte, 8<<20)...),
		bytes.Repeat([]byte("x"), 8<<20),
		append(ngSectionBlock(binary.LittleEndian), bytes.Repeat([]byte{6, 0, 0, 0, 0, 0, 0, 3}, 1<<20)...),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, data := range inputs {
		fuzzRead(t, data)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("allocated %d KiB", grown>>10)
	}
}

// FuzzFeed: a line of a feeder is refused, or gives a message that its own text gives again.
func FuzzFeed(f *testing.F) {
	for _, line := range []string{"192.0.2.7:17:YWJj", "[2001:db8::7]:6:YWJj\n", "2001:db8::7:17:x", "::ffff:192.0.2.7:17:x", "fe80::1%eth0:17:x", "192.0.2.7:256:x", "192.0.2.7:17:", "192.0.2.7:17:a b", "::", "1:2:3:4"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m := parseFeed(line)
		if m.err != nil {
			if m.err != errFeed || m.body != nil || m.event.Src.IsValid() {
				t.Fatalf("%q: %+v", line, m)
			}
			return
		}
		src := m.event.Src.Addr()
		if !src.IsValid() || src.Is4In6() || src.Zone() != "" || m.event.Src.Port() != 0 || m.event.Origin != parse.OriginSocket {
			t.Fatalf("%q: event %+v", line, m.event)
		}
		if len(m.body) == 0 || len(m.body) > maxMessage || bytes.ContainsAny(m.body, ": \t\r\n\v\f\x00") || !bytes.Contains(line, m.body) {
			t.Fatalf("%q: body %q", line, m.body)
		}
		again := parseFeed(fmt.Appendf(nil, "%s:%d:%s", src, m.event.Proto, m.body))
		if again.err != nil || again.event.Src != m.event.Src || again.event.Proto != m.event.Proto || !bytes.Equal(again.body, m.body) {
			t.Fatalf("%q, then %+v", line, again)
		}
	})
}

// FuzzNFLOG cuts a datagram of NFLOG into its messages: that ends, stays within the datagram,
// and counts as lost what is missing between the numbers of two packets.
func FuzzNFLOG(f *testing.F) {
	packet := udpFrame("one")[14:]
	attr := func(kind uint16, value []byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	message := func(sequence uint32) []byte {
		body := []byte{unix.AF_INET, 0, 0, 9}
		body = append(body, attr(attrSequence, binary.BigEndian.AppendUint32(nil, sequence))...)
		body = append(body, attr(10, []byte("DROP\x00"))...)
		body = append(body, attr(9, packet)...)
		b := binary.NativeEndian.AppendUint32(nil, uint32(netlinkHead+len(body)))
		b = binary.NativeEndian.AppendUint16(b, nflogPacket)
		return append(append(b, make([]byte, netlinkHead-len(b))...), body...)
	}
	f.Add(message(1), uint8(0))
	f.Add(append(message(1), message(2)...), uint8(3))
	f.Add(append(message(7), message(3)[:40]...), uint8(200))
	f.Add([]byte{16, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, datagram []byte, missing uint8) {
		n := &NFLOG{rest: bytes.Clone(datagram)}
		if err := n.use(uint32(parse.LinkNFLOG)); err != nil {
			t.Fatal(err)
		}
		var ev parse.Event
		for messages := 0; len(n.rest) >= netlinkHead; messages++ {
			before := len(n.rest)
			frame, err := n.message(t.Context())
			if err != nil || len(n.rest) >= before || len(frame) > before-netlinkHead {
				t.Fatalf("message %d: %d bytes, %d of %d left, %v", messages, len(frame), len(n.rest), before, err)
			}
			if frame == nil {
				continue
			}
			n.sequence(frame)
			if err := n.decode(frame, &ev); err != nil && !isSkip(err) {
				t.Fatal(err)
			}
		}
		// What the kernel sends next is numbered from here.
		n.next, n.begun = n.next+1, true
		lost := n.lost.Load()
		n.sequence(message(n.next + uint32(missing))[netlinkHead:])
		if got := n.lost.Load() - lost; got != uint64(missing) {
			t.Fatalf("%d lost, want %d", got, missing)
		}
	})
}
