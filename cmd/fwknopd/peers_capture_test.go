package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fwknopd/policy/spa"
)

// cDaemon is where Debian installs the C daemon.
const cDaemon = "/usr/sbin/fwknopd"

// replayBesideC compares the speed of replay with that of the C daemon reading a capture
// in its test mode, in which it also stores and opens nothing. Each packet has a number
// of noise frames.
func replayBesideC(t *testing.T, b *bench, packets, noise int) {
	wantPeer(t, cDaemon)
	version := firstLine(cDaemon, "-V")
	if !strings.HasPrefix(version, "fwknopd server 2.") {
		t.Skipf("%s is not the C daemon: %s", cDaemon, version)
	}
	if os.Getuid() != 0 {
		t.Skip("the C daemon wants root")
	}
	dir := t.TempDir()
	server, access, capture := filepath.Join(dir, "fwknopd.conf"), filepath.Join(dir, "access.conf"), filepath.Join(dir, "spa.pcap")
	key := spa.Key{Passphrase: []byte("a-rijndael-key"), HMACKey: []byte("a-hmac-key")}
	// The C daemon reads a hundred packets and then sleeps, unless told otherwise.
	writeFile(t, server, "ENABLE_SPA_PACKET_AGING N;\nPCAP_INTF lo;\nPCAP_DISPATCH_COUNT 100000;\nPCAP_LOOP_SLEEP 1;\n")
	stanza := fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 30\nKEY %s\nHMAC_KEY %s\n", key.Passphrase, key.HMACKey)
	writeFile(t, access, stanza)
	own := filepath.Join(dir, "own.conf") // in which as many clients may have a grant at a time
	writeFile(t, own, stanza+"MAX_GRANTS 65536\n")
	writeSPA(t, capture, packets, noise, key)
	frames := packets * (1 + noise)
	b.beside(t, comparison{
		work: fmt.Sprintf("replay of %d frames, %d %% of them valid", frames, 100/(1+noise)), units: frames, unit: "frame", peer: version,
		ours: job{args: []string{"replay", "-c", server, "-a", own, capture}, says: " granted spa.granted ", times: packets},
		theirs: job{args: []string{cDaemon, "-f", "-t", "-c", server, "-a", access, "-r", dir, "-p", filepath.Join(dir, "pid"),
			"--pcap-file", capture, "-C", strconv.Itoa(packets)}, says: "test mode enabled", times: packets},
	})
}

// osCaptureFrames is the size of the capture for the measurement of --os.
const osCaptureFrames = 100_000

// osCaptureBesideP0f compares the speed of --os with p0f 3 on a capture of SYNs.
func osCaptureBesideP0f(t *testing.T, b *bench) {
	wantPeer(t, "p0f")
	capture := filepath.Join(t.TempDir(), "syn.pcap")
	writeSYNs(t, capture, osCaptureFrames)
	b.beside(t, comparison{
		work: fmt.Sprintf("`--os` of a capture of %d SYNs", osCaptureFrames), units: osCaptureFrames, unit: "SYN", peer: strings.Trim(firstLine("p0f", "-h"), "- "),
		ours:   job{args: []string{"--os", capture}, says: fmt.Sprintf("%d SYNs", osCaptureFrames), times: 1},
		theirs: job{args: []string{"p0f", "-r", capture}, says: "(syn) ]-", times: osCaptureFrames},
	})
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeSPA writes a capture of SPA packets, each with the given number of noise frames.
func writeSPA(t *testing.T, name string, packets, noise int, key spa.Key) {
	random := rand.NewChaCha8([32]byte{1})
	writePcap(t, name, packets*(1+noise), func(i int) []byte {
		src := [4]byte{100, 64, byte(i >> 8), byte(i)}
		if i%(1+noise) != 0 {
			return packet(src, 17, udp(uint16(1024+i%60000), make([]byte, 40+i%400)))
		}
		m := spa.Message{User: "user", Time: captureTime, Version: "3.0.0", Type: spa.Access,
			Text: fmt.Sprintf("100.64.%d.%d,tcp/22", src[2], src[3])}
		wire, err := spa.Encode(&m, key, spa.EncodeOptions{Rand: random})
		if err != nil {
			t.Fatal(err)
		}
		return packet(src, 17, udp(62201, wire))
	})
}

// writeSYNs writes a capture of SYNs as Linux sends them.
func writeSYNs(t *testing.T, name string, frames int) {
	writePcap(t, name, frames, func(i int) []byte {
		tcp := []byte{0, 0, 0, 22, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 2, 0xfa, 0xf0, 0, 0, 0, 0,
			2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}
		binary.BigEndian.PutUint16(tcp, uint16(1024+i%60000))
		binary.BigEndian.PutUint32(tcp[28:], uint32(i+1))
		return packet([4]byte{100, 64 + byte(i>>16)&31, byte(i >> 8), byte(i)}, 6, tcp)
	})
}

const captureTime = 1_700_000_000

// writePcap writes frames that are 100 microseconds apart.
func writePcap(t *testing.T, name string, frames int, frame func(i int) []byte) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, le := bufio.NewWriter(f), binary.LittleEndian
	w.Write([]byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0})
	for i := range frames {
		b, us := frame(i), uint32(i*100)
		head := le.AppendUint32(le.AppendUint32(nil, captureTime+us/1e6), us%1e6)
		w.Write(le.AppendUint32(le.AppendUint32(head, uint32(len(b))), uint32(len(b))))
		w.Write(b)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// packet is IPv4 over Ethernet, without checksums, to 10.10.10.10.
func packet(src [4]byte, proto byte, payload []byte) []byte {
	b := make([]byte, 34, 34+len(payload))
	b[12] = 8 // EtherType 0x0800
	ip := b[14:]
	ip[0], ip[5], ip[6], ip[8], ip[9] = 0x45, 1, 0x40, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(payload)))
	copy(ip[12:], src[:])
	copy(ip[16:], []byte{10, 10, 10, 10})
	return append(b, payload...)
}

func udp(port uint16, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b, 40000)
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return append(b, payload...)
}
