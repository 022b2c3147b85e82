package parse

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestLogLineAllocatesNothing runs every dialect, shipper and locale and every kind of
// record through one event. Messages with JSON escapes outgrow its scratch space once at most.
func TestLogLineAllocatesNothing(t *testing.T) {
	lines := append(fileLines(t, "../fixtures/netfilter/os/dialects.log"), fileLines(t, "../fixtures/netfilter/os/malformed.log")...)
	lines = append(lines, fileLines(t, "../fixtures/netfilter/kernel/mark-uid-ipv6.dmesg")...)
	for _, d := range dialects {
		lines = append(lines, []byte(d.head+synRecord+d.tail))
	}
	for _, s := range shippers {
		lines = append(lines, []byte(s.object()))
	}
	for _, u := range ulogdObjects {
		lines = append(lines, []byte(u.object))
	}
	for name := range strings.Lines(names) {
		name, _, _ = strings.Cut(name, "\t")
		lines = append(lines, []byte(name+" 03 04:05:06 gate kernel: "+synRecord), []byte("["+name+" 11月  3 04:05:06 2026] "+synRecord))
	}
	lines = append(lines,
		[]byte(`{"_TRANSPORT":"kernel","MESSAGE":"\u0044ROP `+synRecord+`"}`),
		[]byte(`{"_TRANSPORT":"kernel","MESSAGE":`+string(bytes.ReplaceAll(fmt.Append(nil, []byte(synRecord)), []byte(" "), []byte(",")))+`}`),
	)
	berlin := time.FixedZone("CET", 3600)
	for _, ref := range []time.Time{logRef, logRef.In(berlin)} {
		for _, line := range lines {
			var ev Event
			LogLine(line, ref, &ev)
			if n := testing.AllocsPerRun(5, func() { LogLine(line, ref, &ev) }); n != 0 {
				t.Errorf("%v allocations for %.300s", n, line)
			}
		}
	}
}

// BenchmarkLogLine times each dialect, some kinds of record, and a mix.
func BenchmarkLogLine(b *testing.B) {
	for _, d := range dialects {
		benchLines(b, d.name, []byte(d.head+synRecord+d.tail))
	}
	head := "Jul  3 04:05:06 gate kernel: "
	benchLines(b, "UDP", []byte(head+"X IN=eth0 OUT= "+ip4Part+"PROTO=UDP SPT=53126 DPT=161 LEN=40 "))
	benchLines(b, "ICMP", []byte(head+"X IN=eth0 OUT= "+ip4Part+"PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=2 "))
	benchLines(b, "IPv6", []byte(head+"X IN=eth0 OUT= "+ip6Part+tcpPart+"OPT (020405A00402080A27C064C7000000000103030A) "))
	benchLines(b, "not ours", []byte("Jul  3 04:05:06 gate sshd[1234]: Failed password for invalid user admin from 192.0.2.7 port 4242 ssh2"))
	benchLines(b, "mix", mix()...)
}

func benchLines(b *testing.B, name string, lines ...[]byte) {
	b.Run(name, func(b *testing.B) {
		var ev Event
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			LogLine(lines[i%len(lines)], logRef, &ev)
		}
	})
}

// mix is what a busy firewall logs: 60 % SYNs with options, 25 % UDP, 5 % ICMP, and
// 10 % lines of other programs, of changing widths so that no branch is foreseen.
func mix() [][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	options := []string{"020405B4", "020405B40402080A001046E40000000001030300", "020405B401010402", "02040200010303060101080AB73D873B00000000"}
	lines := make([][]byte, 8192)
	for i := range lines {
		pre := fmt.Sprintf("Jul %2d %02d:%02d:%02d gate ", 1+i%28, i%24, i%60, i%60)
		ip := fmt.Sprintf("kernel: DROP IN=eth0 OUT= MAC=00:a0:cc:28:42:5a:00:01:5c:22:2e:42:08:00 SRC=%d.%d.%d.%d DST=10.10.10.10 LEN=60 TOS=0x00 PREC=0x00 TTL=%d ID=%d ",
			1+rnd.IntN(222), rnd.IntN(256), rnd.IntN(256), 1+rnd.IntN(254), 30+rnd.IntN(98), rnd.IntN(65536))
		if rnd.IntN(2) == 0 {
			ip += "DF "
		}
		port := rnd.IntN(65536)
		switch r := rnd.IntN(100); {
		case r < 60:
			pre += ip + fmt.Sprintf("PROTO=TCP SPT=%d DPT=22 WINDOW=%d RES=0x00 SYN URGP=0 OPT (%s) ", port, rnd.IntN(65536), options[rnd.IntN(len(options))])
		case r < 85:
			pre += ip + fmt.Sprintf("PROTO=UDP SPT=%d DPT=62201 LEN=%d ", port, 9+rnd.IntN(400))
		case r < 90:
			pre += ip + fmt.Sprintf("PROTO=ICMP TYPE=8 CODE=0 ID=%d SEQ=%d ", port, i)
		default:
			pre += fmt.Sprintf("sshd[%d]: Failed password for invalid user admin from 192.0.2.7 port %d ssh2", port, port)
		}
		lines[i] = []byte(pre)
	}
	return lines
}
