package ingest

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
)

// repeat is an endless input: front once, then body again and again.
type repeat struct {
	front, body []byte
	at          int
}

func (r *repeat) Read(b []byte) (int, error) {
	if len(r.front) > 0 {
		n := copy(b, r.front)
		r.front = r.front[n:]
		return n, nil
	}
	n := copy(b, r.body[r.at:])
	r.at = (r.at + n) % len(r.body)
	return n, nil
}

var benchInputs = map[string]func() io.Reader{
	"Pcap": func() io.Reader {
		all := buildPcap(strings.Split(strings.Repeat("dead ", 1000), " ")...)
		return &repeat{front: all[:24], body: all[24:]}
	},
	"Pcapng": func() io.Reader {
		le := binary.AppendByteOrder(binary.LittleEndian)
		return &repeat{
			front: append(ngSectionBlock(le), ngInterfaceBlock(le, 1)...),
			body:  ngPacketBlock(le, 0, uint64(time.Second), udpFrame("dead")),
		}
	},
	"Log": func() io.Reader {
		return &repeat{body: []byte(strings.Repeat(logLine(7)+"\n", 1000))}
	},
	"OtherLines": func() io.Reader {
		return &repeat{body: []byte(strings.Repeat(strings.Repeat("another program's line ", 12)+"\n", 1000))}
	},
}

func benchReader(t testing.TB, input io.Reader) *Reader {
	r, err := Read([]string{Stdin}, ReadOptions{Ref: testRef, Stdin: input})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReadAllocatesNothing(t *testing.T) {
	for name, input := range benchInputs {
		r := benchReader(t, input())
		var ev parse.Event
		if n := testing.AllocsPerRun(5000, func() { _ = r.Next(t.Context(), &ev) }); n != 0 {
			t.Errorf("%s: %v allocations a record", name, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for name, input := range benchInputs {
		b.Run(name, func(b *testing.B) {
			r, ctx := benchReader(b, input()), b.Context()
			var ev parse.Event
			b.ReportAllocs()
			for b.Loop() {
				_ = r.Next(ctx, &ev)
			}
			b.ReportMetric(float64(r.Stats().Counts().Bytes)/float64(r.Stats().Counts().Records), "B/record")
		})
	}
}
