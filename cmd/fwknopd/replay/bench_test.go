package replay

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/policy/openssl"
	"fwknopd/policy/spa"
)

const (
	benchKey  = "perf-rijndael-key"
	benchHMAC = "perf-hmac-key-1234"
	benchTime = 1700000000
)

// frame returns a UDP packet in an Ethernet frame, without checksums.
func frame(src [4]byte, dport uint16, payload []byte) []byte {
	f := make([]byte, 42+len(payload))
	f[12] = 8
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(payload)))
	copy(ip[12:], src[:])
	copy(ip[16:], []byte{10, 10, 10, 10})
	binary.BigEndian.PutUint16(ip[20:], 40000)
	binary.BigEndian.PutUint16(ip[22:], dport)
	binary.BigEndian.PutUint16(ip[24:], uint16(8+len(payload)))
	copy(ip[28:], payload)
	return f
}

// writeCapture writes a pcap of frames that are 100 microseconds apart.
func writeCapture(t testing.TB, frames [][]byte) string {
	t.Helper()
	return writeCaptureAt(t, benchTime, frames)
}

// writeCaptureAt does so for frames from a time on.
func writeCaptureAt(t testing.TB, start uint32, frames [][]byte) string {
	t.Helper()
	le := binary.LittleEndian
	b := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0}
	for i, f := range frames {
		us := uint32(i * 100)
		b = le.AppendUint32(le.AppendUint32(b, start+us/1e6), us%1e6)
		b = append(le.AppendUint32(le.AppendUint32(b, uint32(len(f))), uint32(len(f))), f...)
	}
	name := filepath.Join(t.TempDir(), "bench.pcap")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// traffic returns n valid SPA packets, each with the given number of noise frames.
func traffic(t testing.TB, n, noise int) [][]byte {
	t.Helper()
	rnd := rand.NewChaCha8([32]byte{1})
	key := spa.Key{Passphrase: []byte(benchKey), HMACKey: []byte(benchHMAC)}
	var frames [][]byte
	for i := range n {
		src := [4]byte{100, 64, byte(i >> 8), byte(i)}
		m := spa.Message{User: "perf", Time: benchTime, Version: "3.0.0", Type: spa.Access,
			Text: fmt.Sprintf("100.64.%d.%d,tcp/22", byte(i>>8), byte(i))}
		wire, err := spa.Encode(&m, key, spa.EncodeOptions{Rand: rnd})
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame(src, 62201, wire))
		for j := range noise {
			frames = append(frames, frame([4]byte{11, byte(j), 2, 3}, uint16(1024+j), bytes.Repeat([]byte{byte(j)}, 40+j)))
		}
	}
	return frames
}

// benchConf is the configuration of the benchmarks.
func benchConf(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	c, a := filepath.Join(dir, "fwknopd.conf"), filepath.Join(dir, "access.conf")
	for name, text := range map[string]string{
		c: "ENABLE_SPA_PACKET_AGING N\n",
		a: "SOURCE ANY\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 30\nMAX_GRANTS 65536\nKEY " + benchKey + "\nHMAC_KEY " + benchHMAC + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"-c", c, "-a", a}
}

// BenchmarkReplay includes everything: start, reading, deciding, a line per decision.
func BenchmarkReplay(b *testing.B) {
	for _, bb := range []struct {
		name     string
		n, noise int
	}{{"valid", 20000, 0}, {"99% noise", 1000, 99}} {
		b.Run(bb.name, func(b *testing.B) {
			frames := traffic(b, bb.n, bb.noise)
			args := append(benchConf(b), writeCapture(b, frames))
			for b.Loop() {
				if code := Replay(args, nil, io.Discard, io.Discard); code != exitOK {
					b.Fatal(code)
				}
			}
			b.ReportMetric(float64(b.Elapsed()/time.Nanosecond)/float64(b.N)/float64(len(frames)), "ns/frame")
		})
	}
}

// BenchmarkEnter enters grants for as many clients in the table of those that are open.
func BenchmarkEnter(b *testing.B) {
	const clients = 20000
	e := entryFor(1, 30, 22)
	e.Grant.Stanza = 1
	for b.Loop() {
		open := openGrants{limits: map[int]int{1: 1 << 16}}
		for i := range clients {
			e.Grant.Src = netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})
			e.Src = netip.AddrPortFrom(e.Grant.Src, 40000)
			if open.enter(e, time.Unix(benchTime, int64(i))) != nil {
				b.Fatal("refused")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed()/time.Nanosecond)/float64(b.N)/clients, "ns/grant")
}

// BenchmarkCryptography does to the packets of BenchmarkReplay/valid what their keys ask for, and
// nothing else: HMAC, key derivation, AES-CBC, inner digest, and the digest of the replay cache.
// It is what a replay is compared with.
func BenchmarkCryptography(b *testing.B) {
	frames := traffic(b, 20000, 0)
	const prefix, macLen = "U2FsdGVkX1", 43
	texts, raws := make([][]byte, len(frames)), make([][]byte, len(frames))
	for i, f := range frames {
		wire := append([]byte(prefix), f[42:]...)
		texts[i] = wire[:len(wire)-macLen]
		raw, err := base64.RawStdEncoding.DecodeString(string(texts[i]))
		if err != nil {
			b.Fatal(err)
		}
		raws[i] = raw
	}
	mac := hmac.New(sha256.New, []byte(benchHMAC))
	var key openssl.Key
	var room, sum, plain []byte
	const salt, data = len(openssl.Magic), len(openssl.Magic) + openssl.SaltSize
	for b.Loop() {
		for i, raw := range raws {
			mac.Reset()
			mac.Write(texts[i])
			sum = mac.Sum(sum[:0])
			room = key.Derive([]byte(benchKey), raw[salt:data], room)
			block, err := aes.NewCipher(key.Key[:])
			if err != nil {
				b.Fatal(err)
			}
			plain = append(plain[:0], raw[data:]...)
			cipher.NewCBCDecrypter(block, key.IV[:]).CryptBlocks(plain, plain)
			_ = sha256.Sum256(plain[:len(plain)-macLen])
			_ = sha256.Sum256(plain)
		}
	}
	b.ReportMetric(float64(b.Elapsed()/time.Nanosecond)/float64(b.N)/float64(len(frames)), "ns/frame")
}
