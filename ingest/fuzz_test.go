package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// fuzzRead reads data and holds what every input promises: it ends, its counts add
// up, and no input makes the reader keep more than a bounded amount.
func fuzzRead(t *testing.T, data []byte) {
	r, err := Read([]string{Stdin}, ReadOptions{Ref: testRef, Stdin: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	var got reading
	if err := readAll(t, r, &got); err != nil {
		return // an input of no use; the error says why
	}
	if int(got.counts.Records) > len(data)+1 && got.counts.Bytes == uint64(len(data)) && !bytes.HasPrefix(data, []byte{0x1f}) {
		t.Fatalf("%d records in %d bytes", got.counts.Records, len(data))
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
		fl, err := FollowLog(path, FollowOptions{Resume: s})
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
