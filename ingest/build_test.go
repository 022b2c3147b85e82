package ingest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A frame of Ethernet, IPv4, UDP 192.0.2.7:54616 > 198.51.100.1:62201, the payload
// being what a test wants to find again.
func udpFrame(payload string) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}
	return append(b, udpPacket(payload)...)
}

func udpPacket(payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 7, 198, 51, 100, 1, 0xd5, 0x58, 0xf2, 0xf9, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(28+len(payload)))
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload)))
	return append(b, payload...)
}

// captureStart is the time of the first record of every built capture.
var captureStart = time.Date(2026, 11, 22, 7, 46, 5, 376279000, time.UTC)

func buildPcapHeader(order binary.AppendByteOrder, magic, snaplen, link uint32) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, snaplen)
	return order.AppendUint32(b, link)
}

func appendPcapRecord(order binary.AppendByteOrder, nano bool, b []byte, t time.Time, frame []byte) []byte {
	frac := t.Nanosecond()
	if !nano {
		frac /= 1000
	}
	b = order.AppendUint32(b, uint32(t.Unix()))
	b = order.AppendUint32(b, uint32(frac))
	b = order.AppendUint32(b, uint32(len(frame)))
	b = order.AppendUint32(b, uint32(len(frame)))
	return append(b, frame...)
}

// buildPcap returns a little-endian microsecond capture of one frame per payload,
// a second apart.
func buildPcap(payloads ...string) []byte {
	b := buildPcapHeader(binary.LittleEndian, 0xa1b2c3d4, 262144, 1)
	for i, p := range payloads {
		b = appendPcapRecord(binary.LittleEndian, false, b, captureStart.Add(time.Duration(i)*time.Second), udpFrame(p))
	}
	return b
}

// ngBlock wraps a block's body.
func ngBlock(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(12 + len(body))
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, n)
	b = append(b, body...)
	return order.AppendUint32(b, n)
}

func ngSectionBlock(order binary.AppendByteOrder) []byte {
	b := order.AppendUint32(nil, ngOrderMagic)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0)
	return ngBlock(order, ngSection, append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
}

func ngInterfaceBlock(order binary.AppendByteOrder, link uint16, options ...byte) []byte {
	b := order.AppendUint16(nil, link)
	b = order.AppendUint16(b, 0)
	b = order.AppendUint32(b, 0)
	return ngBlock(order, ngInterface, append(b, options...))
}

func ngPacketBlock(order binary.AppendByteOrder, iface uint32, stamp uint64, frame []byte) []byte {
	b := order.AppendUint32(nil, iface)
	b = order.AppendUint32(b, uint32(stamp>>32))
	b = order.AppendUint32(b, uint32(stamp))
	b = order.AppendUint32(b, uint32(len(frame)))
	b = order.AppendUint32(b, uint32(len(frame)))
	return ngBlock(order, ngEnhanced, append(b, frame...))
}

// logLine is a Netfilter record of a SYN, its source port being n.
func logLine(n int) string {
	return fmt.Sprintf("Nov 22 07:46:05 gate kernel: [  123.456789] DROP IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 "+
		"SRC=192.0.2.7 DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=%d DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 "+
		"OPT (020405B40402080A000000010000000001030307) ", n)
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
