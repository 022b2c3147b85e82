package ingest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
)

func tapPcap(t *testing.T, path string, opt FollowOptions) *tap {
	t.Helper()
	f, err := followPcap(path, opt)
	ok(t, err)
	return newTap(t, f)
}

// record returns one record of a capture that buildPcap made.
func record(payload string) string { return string(buildPcap(payload)[24:]) }

func TestFollowPcapGrowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spa.pcap")
	p := tapPcap(t, path, FollowOptions{})
	appendTo(t, path, "")
	p.quiet()
	header := string(buildPcap())
	appendTo(t, path, header[:9]) // torn in the file header
	p.quiet()
	appendTo(t, path, header[9:])
	p.quiet()
	whole := record("one") + record("two")
	for i := range len(whole) { // torn everywhere
		appendTo(t, path, whole[i:i+1])
	}
	p.want("one", "two")
}

func TestFollowPcapStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spa.pcap")
	appendTo(t, path, string(buildPcap("one", "two"))+record("half")[:20])
	p := tapPcap(t, path, FollowOptions{})
	p.quiet()
	appendTo(t, path, record("half")[20:]+record("three"))
	p.want("half", "three")
	tapPcap(t, path, FollowOptions{FromStart: true}).want("one", "two", "half", "three")
}

func TestFollowPcapRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spa.pcap")
	appendTo(t, path, string(buildPcap("one")))
	p := tapPcap(t, path, FollowOptions{FromStart: true})
	p.want("one")
	appendTo(t, path, record("two"))
	ok(t, os.Rename(path, path+".1"))
	be := binary.AppendByteOrder(binary.BigEndian)
	next := buildPcapHeader(be, 0xa1b23c4d, 0, uint32(parse.LinkRaw))
	appendTo(t, path, string(appendPcapRecord(be, true, next, captureStart, udpPacket("raw"))))
	p.want("two", "raw")
	appendTo(t, path+".1", record("late"))
	p.want("late")
	// The same name, truncated and written anew by another program.
	ok(t, os.WriteFile(path, buildPcap("anew"), 0o600))
	p.want("anew")
	ok(t, os.Remove(path))
	appendTo(t, path, string(buildPcap("removed")))
	p.want("removed")
}

// TestFollowPcapBriefGenerations has several captures at the path between two looks, the
// last of them without a packet: all files of a program begin with the same header.
func TestFollowPcapBriefGenerations(t *testing.T) {
	le := binary.AppendByteOrder(binary.LittleEndian)
	for name, header := range map[string]string{"pcap": string(buildPcap()), "pcapng": string(ngSectionBlock(le)) + string(ngInterfaceBlock(le, 1))} {
		packet := record
		if name == "pcapng" {
			packet = func(payload string) string { return string(ngPacketBlock(le, 0, 1, udpFrame(payload))) }
		}
		for _, poll := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "spa.pcap")
			appendTo(t, path, header)
			p := tapPcap(t, path, FollowOptions{Poll: poll})
			p.quiet()
			var want []string
			for i := range 4 {
				want = append(want, fmt.Sprint("packet ", i))
				appendTo(t, path, packet(want[i]))
				nextTick(t, path)
				ok(t, os.Rename(path, fmt.Sprint(path, ".", 4-i)))
				appendTo(t, path, header)
			}
			p.want(want...)
			appendTo(t, path, packet("last"))
			p.want("last")
		}
	}
}

func TestFollowPcapng(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spa.pcapng")
	le := binary.AppendByteOrder(binary.LittleEndian)
	appendTo(t, path, string(ngSectionBlock(le))+string(ngInterfaceBlock(le, 1))+string(ngPacketBlock(le, 0, 1, udpFrame("old"))))
	p := tapPcap(t, path, FollowOptions{})
	block := string(ngPacketBlock(le, 0, 1, udpFrame("new")))
	appendTo(t, path, block[:30])
	p.quiet()
	appendTo(t, path, block[30:])
	p.want("new")
}

// TestFollowPcapRawIP has what ulogd writes under a link type of its own.
func TestFollowPcapRawIP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ulogd.pcap")
	le := binary.AppendByteOrder(binary.LittleEndian)
	b := buildPcapHeader(le, 0xa1b2c3d4, 65535, 1)
	appendTo(t, path, string(appendPcapRecord(le, false, b, captureStart, udpPacket("raw"))))
	tapPcap(t, path, FollowOptions{FromStart: true, RawIP: true}).want("raw")
}

func TestFollowPcapResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spa.pcap")
	appendTo(t, path, string(buildPcap("one", "two", "three")))
	f, err := followPcap(path, FollowOptions{FromStart: true})
	ok(t, err)
	var ev parse.Event
	ok(t, f.Next(t.Context(), &ev))
	state := f.Stats().State()
	f.Close()
	ok(t, os.Rename(path, path+".1"))
	nextTick(t, path+".1")
	ok(t, os.WriteFile(path, appendPcapRecord(binary.LittleEndian, false, buildPcap(), captureStart.Add(time.Hour), udpFrame("four")), 0o600))
	tapPcap(t, path, FollowOptions{Resume: state}).want("two", "three", "four")
}

func TestFollowPcapGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spa.pcap")
	problems := make(chan string, 10)
	p := tapPcap(t, path, FollowOptions{ReadOptions: ReadOptions{Problem: func(p Problem) { problems <- p.Err.Error() }}})
	appendTo(t, path, strings.Repeat("this is no capture ", 100))
	if got := <-problems; got != errNoMagic.Error() {
		t.Errorf("problem %q", got)
	}
	appendTo(t, path, record("no"))
	p.quiet()
	ok(t, os.Rename(path, path+".bad"))
	appendTo(t, path, string(buildPcap("good")))
	p.want("good")
}
