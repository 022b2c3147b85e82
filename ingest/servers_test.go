package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/fixtures/wait"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

func TestUDPServer(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			s := listenUDP(t, addr)
			defer s.Close()
			hosts := []string{"127.0.0.1"}
			if addr == ":0" {
				hosts = append(hosts, "127.0.0.2", "::1")
			}
			for _, host := range hosts {
				c, err := net.Dial("udp", net.JoinHostPort(host, fmt.Sprint(s.LocalAddr().Port())))
				if err != nil {
					t.Skip(err) // no IPv6
				}
				defer c.Close()
				fmt.Fprint(c, "payload")
				var ev parse.Event
				ok(t, s.Next(t.Context(), &ev))
				want := parse.Event{
					Time: ev.Time, Src: addrPortOf(c.LocalAddr()), Dst: addrPortOf(c.RemoteAddr()), Proto: parse.UDP,
					Origin: parse.OriginSocket, Len: 35, TTL: 64, Payload: []byte("payload"),
				}
				if host == "::1" {
					want.Len = 55
				}
				if fmt.Sprint(ev) != fmt.Sprint(want) {
					t.Errorf("got  %v\nwant %v", ev, want)
				}
			}
		})
	}
}

// listenUDP opens and reads a UDP server in one process.
func listenUDP(t testing.TB, addr string) *UDPServer {
	t.Helper()
	return listenUDPFor(t, addr, filter.Payload{})
}

// listenUDPFor is listenUDP for some payloads only.
func listenUDPFor(t testing.TB, addr string, p filter.Payload) *UDPServer {
	t.Helper()
	f, err := openUDP(addr, p)
	ok(t, err)
	s, err := newUDPServer(f, p, nil)
	ok(t, err)
	return s
}

func listenTCP(t testing.TB, addr string) *TCPServer {
	t.Helper()
	f, err := openTCP(addr)
	ok(t, err)
	s, err := newTCPServer(f, nil)
	ok(t, err)
	return s
}

func listenUnix(t testing.TB, path string) *UnixServer {
	t.Helper()
	stream, err := openUnix(path)
	ok(t, err)
	packets, err := openUnixDatagrams(path)
	ok(t, err)
	s, err := newUnixServer(path, stream, packets, nil)
	ok(t, err)
	return s
}

func addrPortOf(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

func TestUDPServerLimits(t *testing.T) {
	s := listenUDP(t, "127.0.0.1:0")
	c, err := net.Dial("udp", s.LocalAddr().String())
	ok(t, err)
	defer c.Close()
	p := newTap(t, s)
	long := strings.Repeat("x", maxMessage)
	for _, m := range []string{long + "x", strings.Repeat("y", 9000), long} {
		fmt.Fprint(c, m)
	}
	p.want(long)
	if n := s.Stats().Counts(); n.Records != 3 || n.Malformed != 2 {
		t.Errorf("counts %+v", n)
	}
	if _, err := openUDP(s.LocalAddr().String(), filter.Payload{}); err == nil {
		t.Error("the port was taken twice")
	}
	ok(t, s.Close())
	if err := <-p.err; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
}

// TestUDPServerLost overflows the receive buffer and checks that the loss is counted.
func TestUDPServerLost(t *testing.T) {
	s := listenUDP(t, "127.0.0.1:0")
	defer s.Close()
	ok(t, s.conn.SetReadBuffer(64<<10))
	c, err := net.Dial("udp", s.LocalAddr().String())
	ok(t, err)
	defer c.Close()
	const sent = 1000
	for range sent {
		fmt.Fprint(c, strings.Repeat("x", 1000))
	}
	var ev parse.Event
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for s.Next(ctx, &ev) == nil {
	}
	fmt.Fprint(c, "last")
	ok(t, s.Next(t.Context(), &ev))
	if n := s.Stats().Counts(); n.Lost == 0 || n.Lost+n.Events != sent+1 {
		t.Errorf("counts %+v", n)
	}
}

func TestUDPServerAllocatesNothing(t *testing.T) {
	s := listenUDP(t, "127.0.0.1:0")
	defer s.Close()
	c, err := net.Dial("udp", s.LocalAddr().String())
	ok(t, err)
	defer c.Close()
	var ev parse.Event
	payload := []byte("payload")
	if n := testing.AllocsPerRun(100, func() { c.Write(payload); s.Next(t.Context(), &ev) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTCPServer(t *testing.T) {
	s := listenTCP(t, "127.0.0.1:0")
	p := newTap(t, s)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.LocalAddr().String())
		ok(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial()
	fmt.Fprint(c, "closed")
	c.Close()
	p.want("closed")

	c = dial()
	fmt.Fprint(c, "left open")
	p.want("left open")
	before := s.Stats().Counts()
	if b, err := io.ReadAll(c); len(b) > 0 {
		t.Errorf("answered %q, %v", b, err)
	}

	c = dial()
	c.Close() // a port scan
	c = dial()
	fmt.Fprint(c, strings.Repeat("x", maxMessage+1))
	c.Close()
	p.quiet()
	if n := s.Stats().Counts(); n.Records != before.Records+1 || n.Malformed != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestTCPServerTimes: a message ends when its sender pauses, and every connection ends in time.
func TestTCPServerTimes(t *testing.T) {
	for name, c := range map[string]struct {
		parts int
		pause time.Duration
		want  string
		end   time.Duration
	}{
		"in parts": {3, quietTimeout - 1, "xxx", 3*quietTimeout - 2},
		"pause":    {2, quietTimeout + 1, "x", quietTimeout},
		"too slow": {100, quietTimeout - 1, strings.Repeat("x", int(connectionTime/(quietTimeout-1))+1), connectionTime},
		"silent":   {0, 0, "", connectionTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &TCPServer{messageQueue: newMessageQueue("pipe", nil)}
				s.in = make(chan message, 1)
				client, server := net.Pipe()
				var writer sync.WaitGroup
				writer.Go(func() {
					for range c.parts {
						if _, err := fmt.Fprint(client, "x"); err != nil {
							return // it was closed
						}
						time.Sleep(c.pause)
					}
				})
				start := time.Now()
				s.serve(server)
				took := time.Since(start)
				server.Close()
				writer.Wait()
				close(s.in)
				got := string((<-s.in).body)
				if got != c.want || took.Round(time.Microsecond) != c.end.Round(time.Microsecond) {
					t.Errorf("%q after %v, want %q after %v", got, took, c.want, c.end)
				}
			})
		})
	}
}

func TestTCPServerConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	s := &TCPServer{newMessageQueue("tcp", nil), l}
	stays := func(net.Conn) { <-s.ctx.Done() } // however long it takes to open the others
	s.active.Go(func() { s.accept(l, stays) })
	for range maxConnections + 10 {
		c, err := net.Dial("tcp", s.LocalAddr().String())
		ok(t, err)
		defer c.Close()
	}
	wait.For(t, "10 connections refused", func() bool { return s.Stats().Counts().Lost == 10 })
	ok(t, s.Close()) // with all of them open
}

func TestUnixServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fwknopd.sock")
	s := listenUnix(t, path)
	p := newTap(t, s)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	say := func(network, path, text string) {
		c, err := net.Dial(network, path)
		ok(t, err)
		defer c.Close()
		io.WriteString(c, text)
	}
	say("unix", path, "192.0.2.7:17:payload")
	p.want("payload")
	say("unix", path, "192.0.2.7:17:one\r\n2001:db8::7:6:two\n\n")
	p.want("one", "two")
	say("unixgram", path+datagramSuffix, "[2001:db8::7]:17:datagram\n")
	p.want("datagram")
	for _, bad := range []string{"nonsense", "192.0.2.7:payload", "192.0.2.7:999:x", "gate:17:x", "192.0.2.7:17:", "192.0.2.7:17:a b", "fe80::1%eth0:17:x", "192.0.2.7:17:" + strings.Repeat("x", maxMessage+1)} {
		say("unixgram", path+datagramSuffix, bad)
	}
	say("unix", path, strings.Repeat("x", 2*maxFeed))
	p.quiet()
	if n := s.Stats().Counts(); n.Records != 13 || n.Malformed != 9 {
		t.Errorf("counts %+v", n)
	}
	if _, err := openUnix(path); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("second server: %v", err)
	}
	ok(t, s.Close())
	ok(t, listenUnix(t, path).Close()) // in place of the sockets that are left
}

func TestFeed(t *testing.T) {
	m := parseFeed([]byte("::ffff:192.0.2.7:17:payload\n"))
	if m.err != nil || m.event.Src != netip.MustParseAddrPort("192.0.2.7:0") || m.event.Proto != parse.UDP || string(m.body) != "payload" {
		t.Errorf("got %+v", m)
	}
}

func TestUnixServerReplacesStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fwknopd.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	ok(t, err)
	l.SetUnlinkOnClose(false)
	l.Close()
	s := listenUnix(t, path)
	ok(t, s.Close())
	ok(t, os.Remove(path))
	ok(t, os.WriteFile(path, []byte("precious"), 0o600))
	if _, err := openUnix(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file in the way: %v", err)
	}
}

func TestMerge(t *testing.T) {
	var sources []Source
	var want []string
	for i := range 3 {
		var payloads []string
		for n := range 2000 {
			payloads = append(payloads, fmt.Sprintf("%d-%d", i, n))
		}
		want = append(want, payloads...)
		r, err := Read([]string{writeFile(t, "a.pcap", append(buildPcap(payloads...), 1, 2, 3))}, ReadOptions{})
		ok(t, err)
		sources = append(sources, r)
	}
	m := Merge(sources...)
	defer m.Close()
	got := make(map[byte][]string)
	var ev parse.Event
	for {
		err := m.Next(t.Context(), &ev)
		if err == io.EOF {
			break
		}
		ok(t, err)
		got[ev.Payload[0]] = append(got[ev.Payload[0]], string(ev.Payload))
		if m.Stats().Position().Record != int64(len(got[ev.Payload[0]])) {
			t.Fatalf("position %v", m.Stats().Position())
		}
	}
	if all := slices.Concat(got['0'], got['1'], got['2']); !slices.Equal(all, want) {
		t.Errorf("%d events, want %d in the order of each source", len(all), len(want))
	}
	c := m.Stats().Counts()
	checkBooks(t, c)
	if c.Events != 6000 || c.Malformed != 3 {
		t.Errorf("counts %+v", c)
	}
}

func TestMergeLive(t *testing.T) {
	udp := listenUDP(t, "127.0.0.1:0")
	tcp := listenTCP(t, "127.0.0.1:0")
	fails, err := Read([]string{filepath.Join(t.TempDir(), "missing")}, ReadOptions{})
	ok(t, err)
	m := Merge(udp, tcp, fails)
	var ev parse.Event
	if err := m.Next(t.Context(), &ev); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the source that fails: %v", err)
	}
	p := newTap(t, m)
	for network, addr := range map[string]string{"udp": udp.LocalAddr().String(), "tcp": tcp.LocalAddr().String()} {
		c, err := net.Dial(network, addr)
		ok(t, err)
		fmt.Fprint(c, network)
		c.Close()
		p.want(network)
	}
	ok(t, m.Close())
	if err := <-p.err; !errors.Is(err, os.ErrClosed) && !errors.Is(err, context.Canceled) {
		t.Errorf("after Close: %v", err)
	}
}

// TestMergePlaces stops in the middle of two logs that were read ahead, and goes on.
func TestMergePlaces(t *testing.T) {
	paths := []string{writeFile(t, "a.log", nil), writeFile(t, "b.log", nil)}
	follow := func(places ...State) Source {
		var sources []Source
		for i, path := range paths {
			f, err := followLog(path, FollowOptions{ReadOptions: ReadOptions{Ref: testRef}, FromStart: true, Resume: places[i]})
			ok(t, err)
			sources = append(sources, f)
		}
		udp := listenUDP(t, "127.0.0.1:0")
		return Merge(append(sources, udp)...)
	}
	const lines = 100
	for n := range lines {
		appendTo(t, paths[0], logLine(1000+n)+"\nnot a packet\n")
		appendTo(t, paths[1], logLine(2000+n)+"\n")
	}
	next := [2]int{}
	places := make([]State, 2)
	for round := range 4 {
		m := follow(places...)
		var ev parse.Event
		for next[0]+next[1] < 2*lines*(round+1)/4 {
			ok(t, m.Next(t.Context(), &ev))
			port := int(ev.Src.Port())
			which := port/1000 - 1
			if port%1000 != next[which] {
				t.Fatalf("round %d: %d comes after %d records of its log", round, port, next[which])
			}
			next[which]++
		}
		places = m.Stats().States()
		if len(places) != 3 || places[2] != (State{}) {
			t.Fatalf("places %+v", places)
		}
		ok(t, m.Close())
	}
	if next != [2]int{lines, lines} {
		t.Errorf("records %v", next)
	}
}

func TestMergeOfOne(t *testing.T) {
	s := listenUDP(t, "127.0.0.1:0")
	defer s.Close()
	if Merge(s) != Source(s) {
		t.Error("a single source is wrapped")
	}
}

func BenchmarkMerge(b *testing.B) {
	a, z := benchReader(b, benchInputs["Pcap"]()), benchReader(b, benchInputs["Pcap"]())
	m := Merge(a, z)
	defer m.Close()
	var ev parse.Event
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Next(ctx, &ev); err != nil {
			b.Fatal(err)
		}
	}
}
