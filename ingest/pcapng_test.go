package ingest

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

func TestReadPcapng(t *testing.T) {
	micro := uint64(captureStart.UnixMicro())
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		resolution := func(value byte) []byte {
			b := order.AppendUint16(nil, ngOptTsresol)
			b = order.AppendUint16(b, 1)
			return append(b, value, 0, 0, 0, 0, 0, 0, 0)
		}
		data := slices.Concat(
			ngSectionBlock(order),
			ngInterfaceBlock(order, 1),
			ngPacketBlock(order, 0, micro, udpFrame("micro")),
			ngBlock(order, 5, make([]byte, 12)), // statistics
			ngBlock(order, 0x80000001, make([]byte, ngBlockKept+4)),
			ngInterfaceBlock(order, 101, resolution(9)...),
			ngPacketBlock(order, 1, uint64(captureStart.UnixNano()), udpPacket("nano")),
			ngInterfaceBlock(order, 1, resolution(0x80|20)...),
			ngPacketBlock(order, 2, uint64(captureStart.Unix())<<20|1<<19, udpFrame("binary")),
			ngInterfaceBlock(order, 105),
			ngPacketBlock(order, 3, micro, udpFrame("802.11")),
			ngBlock(order, ngSimple, append(order.AppendUint32(nil, uint32(len(udpFrame("simple")))), udpFrame("simple")...)),
			ngSectionBlock(order),
			ngPacketBlock(order, 0, micro, udpFrame("no interface")),
			ngInterfaceBlock(order, 113),
			ngPacketBlock(order, 0, micro, append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 8, 0}, udpPacket("cooked")...)),
		)
		got := read(t, writeFile(t, "a.pcapng", data))
		if want := []string{"micro", "nano", "binary", "simple", "cooked"}; !slices.Equal(got.payloads, want) {
			t.Errorf("%v: got %q, want %q; problems %q", order, got.payloads, want, got.problems)
		}
		half := captureStart.Truncate(time.Second).Add(time.Second / 2)
		if want := []time.Time{captureStart, captureStart, half, {}, captureStart}; !slices.EqualFunc(got.times, want, time.Time.Equal) {
			t.Errorf("%v: times %v", order, got.times)
		}
		if got.counts.Records != 7 || got.counts.NotOurs != 1 || got.counts.Malformed != 1 {
			t.Errorf("%v: counts %+v", order, got.counts)
		}
	}
}

// TestReadGopacketPcapng reads what another implementation writes.
func TestReadGopacketPcapng(t *testing.T) {
	var buf bytes.Buffer
	w, err := pcapgo.NewNgWriter(&buf, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"one", "two"} {
		frame := udpFrame(p)
		info := gopacket.CaptureInfo{Timestamp: captureStart, CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got := read(t, writeFile(t, "a.pcapng", buf.Bytes()))
	if !slices.Equal(got.payloads, []string{"one", "two"}) || !got.times[1].Equal(captureStart) {
		t.Errorf("got %+v", got)
	}
}

func TestReadDamagedPcapng(t *testing.T) {
	le := binary.AppendByteOrder(binary.LittleEndian)
	head := slices.Concat(ngSectionBlock(le), ngInterfaceBlock(le, 1))
	one, two := ngPacketBlock(le, 0, 1, udpFrame("one")), ngPacketBlock(le, 0, 2, udpFrame("two"))
	with := func(b []byte, at int, value uint32) []byte {
		b = slices.Clone(b)
		binary.LittleEndian.PutUint32(b[at:], value)
		return b
	}
	tests := []struct {
		name     string
		data     []byte
		payloads []string
		problem  string
	}{
		{"torn block", slices.Concat(head, one, two[:len(two)-1]), []string{"one"}, "a:2: record cut short by the end of the input"},
		{"block length 2^31", slices.Concat(head, with(one, 4, 1<<31), two), []string{"two"}, "a:1: broken pcapng block"},
		{"block length 8", slices.Concat(head, with(one, 4, 8), two), []string{"two"}, "a:1: broken pcapng block"},
		{"lengths differ", slices.Concat(head, with(one, len(one)-4, 44), two), []string{"two"}, "a:1: broken pcapng block"},
		{"frame longer than its block", slices.Concat(head, with(one, 20, 4000), two), []string{"two"}, "a:1: absurd record length"},
		{"garbage between", slices.Concat(head, []byte("garbage garbage "), two), []string{"two"}, "a:1: broken pcapng block"},
		{"section of no byte order", slices.Concat(with(ngSectionBlock(le), 8, 7), head, one), []string{"one"}, "a:1: broken pcapng block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, writeFile(t, "a", tt.data))
			if !slices.Equal(got.payloads, tt.payloads) || !slices.Equal(got.problems, []string{tt.problem}) {
				t.Errorf("got %q, problems %q", got.payloads, got.problems)
			}
		})
	}
}
