package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// send sends one UDP datagram from a namespace.
func send(t testing.TB, ns *netlab.NS, to netip.Addr, port int, payload string) {
	t.Helper()
	ns.Do(func() {
		c, err := net.Dial("udp", net.JoinHostPort(to.String(), fmt.Sprint(port)))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, payload)
	})
}

func mustFilter(t testing.TB, expr string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(expr)
	ok(t, err)
	return f
}

func listen(t testing.TB, ns *netlab.NS, name string, opt LiveOptions) *Live {
	t.Helper()
	var l *Live
	var err error
	ns.Do(func() { l, err = Capture(name, opt) })
	ok(t, err)
	return l
}

func TestLive(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	for _, name := range []string{netlab.ServerIf, AnyInterface} {
		t.Run(name, func(t *testing.T) {
			p := newTap(t, listen(t, lab.Server, name, LiveOptions{Filter: mustFilter(t, "udp port 62201"), Promiscuous: true}))
			send(t, lab.Client, lab.Server.V4, 62201, "four")
			p.want("four")
			send(t, lab.Client, lab.Server.V6, 62201, "six")
			p.want("six")
			send(t, lab.Client, lab.Server.V4, 62202, "filtered out")
			send(t, lab.Server, lab.Client.V4, 62201, "outgoing")
			p.quiet()
		})
	}
	t.Run("any direction", func(t *testing.T) {
		p := newTap(t, listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201"), AnyDirection: true}))
		send(t, lab.Server, lab.Client.V4, 62201, "outgoing")
		p.want("outgoing")
	})
	t.Run("loopback once", func(t *testing.T) {
		lab.Server.Run(t, "ip link set lo up")
		p := newTap(t, listen(t, lab.Server, "lo", LiveOptions{Filter: mustFilter(t, "udp port 62201")}))
		send(t, lab.Server, netip.MustParseAddr("127.0.0.1"), 62201, "to myself")
		p.want("to myself")
	})
}

// TestCaptureSendsNothing: a process that was handed a capture socket cannot send frames
// through it.
func TestCaptureSendsNothing(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	expr := mustFilter(t, "udp port 62201")
	var handed *os.File
	var err error
	lab.Server.Do(func() { handed, err = openCapture(netlab.ServerIf, LiveOptions{Filter: expr}) })
	ok(t, err)
	defer handed.Close()
	p := newTap(t, listen(t, lab.Client, netlab.ClientIf, LiveOptions{Filter: expr}))
	frame := udpFrame("injected")
	raw, err := handed.SyscallConn()
	ok(t, err)
	ok(t, raw.Control(func(fd uintptr) {
		if n, err := unix.Write(int(fd), frame); n > 0 {
			t.Errorf("write: %d bytes sent, %v", n, err)
		}
		_ = unix.Send(int(fd), frame, 0) // succeeds without effect
	}))
	p.quiet()
	// The same frame through a socket that is not for receiving only.
	lab.Server.Do(func() {
		w, err := wireOf(netlab.ServerIf, handed)
		ok(t, err)
		conn, err := w.listen(LiveOptions{Filter: expr})
		ok(t, err)
		defer conn.Close()
		raw, err := conn.SyscallConn()
		ok(t, err)
		ok(t, raw.Control(func(fd uintptr) { _, err = unix.Write(int(fd), frame) }))
		ok(t, err)
	})
	p.want("injected")
}

// TestLiveEvent compares a live event with that of the same packet in a capture.
func TestLiveEvent(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	l := listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201")})
	defer l.Close()
	raw, err := l.conn.SyscallConn()
	ok(t, err)
	var ev parse.Event
	received := hasKernelTime(t, raw, func() { send(t, lab.Client, lab.Server.V4, 62201, "payload") }, func() time.Time {
		ok(t, l.Next(t.Context(), &ev))
		return ev.Time
	})
	if !received {
		t.Error("no packet has the time at which the kernel received it")
	}
	if ev.Src.Addr() != lab.Client.V4 || ev.Dst != netip.AddrPortFrom(lab.Server.V4, 62201) || ev.Proto != parse.UDP || ev.Len != 35 || ev.TTL != 64 || string(ev.Payload) != "payload" {
		t.Errorf("event %+v", ev)
	}
}

// hasKernelTime sends until a packet that waits in the socket comes with a time from before it
// was asked for: a kernel that was asked for times has them from a moment later on.
func hasKernelTime(t *testing.T, conn syscall.RawConn, send func(), next func() time.Time) bool {
	t.Helper()
	for end := time.Now().Add(wait.Timeout); time.Now().Before(end); {
		send()
		n, err := 0, error(nil)
		ok(t, conn.Control(func(fd uintptr) {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(wait.Timeout.Milliseconds()))
		}))
		if n != 1 {
			t.Fatalf("nothing is received: %v", err)
		}
		if asked, at := time.Now(), next(); at.Before(asked) && asked.Sub(at) < wait.Timeout {
			return true
		}
	}
	return false
}

// TestLiveTag sends tagged frames, whose tag the kernel takes off.
func TestLiveTag(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	p := newTap(t, listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201"), Promiscuous: true}))
	frame := slices.Concat(udpFrame("")[:12], []byte{0x81, 0, 0, 7}, udpFrame("tagged")[12:])
	lab.Client.Do(func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		ifi, err := net.InterfaceByName(netlab.ClientIf)
		if err != nil {
			t.Error(err)
			return
		}
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
			t.Error(err)
		}
	})
	p.want("tagged")
}

// TestLiveTunnel listens to an interface without Ethernet headers.
func TestLiveTunnel(t *testing.T) {
	netlab.Need(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip(err) // containers often have none
	}
	lab := netlab.New(t)
	var tun int
	var err error
	lab.Server.Do(func() {
		if tun, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		req, _ := unix.NewIfreq("tun9")
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(tun, unix.TUNSETIFF, req)
	})
	ok(t, err)
	defer unix.Close(tun)
	lab.Server.Run(t, "ip link set tun9 up")
	for _, name := range []string{"tun9", AnyInterface} {
		p := newTap(t, listen(t, lab.Server, name, LiveOptions{Filter: mustFilter(t, "udp port 62201")}))
		_, err = unix.Write(tun, udpPacket("tunnelled"))
		ok(t, err)
		p.want("tunnelled")
	}
}

// TestLiveInterfaceComesAndGoes takes the interface down, up, away, and makes it anew.
func TestLiveInterfaceComesAndGoes(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	problems := make(chan string, 100)
	l := listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201"), Problem: func(p Problem) { problems <- p.Err.Error() }})
	events := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	finished := make(chan error, 1)
	go lab.Server.Do(func() { // opening again must happen in the namespace
		var ev parse.Event
		for {
			err := l.Next(ctx, &ev)
			if err == nil {
				events <- string(ev.Payload)
			} else if !isSkip(err) {
				finished <- err
				return
			}
		}
	})
	expect := func(name string) {
		t.Helper()
		for end := time.Now().Add(wait.Timeout); time.Now().Before(end); { // neighbours must find each other first
			send(t, lab.Client, lab.Server.V4, 62201, name)
			select {
			case got := <-events:
				if got == name {
					return
				}
			case <-time.After(250 * time.Millisecond):
			}
		}
		t.Fatalf("no %q", name)
	}
	away := func() { // waits until that is reported
		t.Helper()
		for {
			select {
			case got := <-problems:
				if strings.HasSuffix(got, "waiting for it") {
					return
				}
			case <-time.After(wait.Timeout):
				t.Fatal("nothing was reported")
			}
		}
	}
	expect("before")
	lab.Server.Run(t, "ip link set "+netlab.ServerIf+" down")
	away()
	lab.Server.Run(t, "ip link set "+netlab.ServerIf+" up")
	expect("up again")
	for i := range 2 {
		lab.Server.Run(t, "ip link del "+netlab.ServerIf)
		away()
		linkUp(t, lab)
		expect(fmt.Sprintf("made anew %d", i))
	}
	cancel()
	if err := <-finished; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	ok(t, l.Close())
}

// TestIsCapture: a socket that was opened before its interface went down or was made anew is not
// taken for a new one.
func TestIsCapture(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	s := &Spec{Mode: "PCAP", Path: netlab.ServerIf}
	open := func() (f *os.File) {
		t.Helper()
		var err error
		lab.Server.Do(func() { f, err = openLive(s) })
		ok(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	is := func(f *os.File) bool {
		is := false
		lab.Server.Do(func() { is = isCapture(s, f) })
		return is
	}
	before := open()
	if !is(before) {
		t.Error("a new socket")
	}
	lab.Server.Run(t, "ip link set "+netlab.ServerIf+" down")
	lab.Server.Run(t, "ip link set "+netlab.ServerIf+" up")
	if is(before) {
		t.Error("the interface was down")
	}
	before = open()
	lab.Server.Run(t, "ip link del "+netlab.ServerIf)
	if is(before) {
		t.Error("the interface is away")
	}
	linkUp(t, lab)
	if is(before) {
		t.Error("another interface has the name")
	}
	if !is(open()) {
		t.Error("a new socket of the new interface")
	}
	any := &Spec{Mode: "PCAP", Path: AnyInterface}
	f, err := openLive(any)
	ok(t, err)
	defer f.Close()
	if !isCapture(any, f) {
		t.Error("a new socket of all interfaces")
	}
}

func TestLiveRefuses(t *testing.T) {
	netlab.Need(t)
	if _, err := Capture("nosuchif0", LiveOptions{}); err == nil || !strings.Contains(err.Error(), "nosuchif0") {
		t.Errorf("missing interface: %v", err)
	}
}

func TestLiveClose(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	p := newTap(t, listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201")}))
	p.quiet()
	ok(t, p.src.Close())
	if err := <-p.err; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
}

// TestLiveFlood counts what arrives of a flood and what a packet costs.
func TestLiveFlood(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	l := listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201")})
	defer l.Close()
	const packets = 100000
	ahead := make(chan struct{}, 500) // of the reader, which is less than the queues of the kernel hold
	go lab.Client.Do(func() {
		c, err := net.Dial("udp", net.JoinHostPort(lab.Server.V4.String(), "62201"))
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		payload := make([]byte, 200)
		for range packets {
			ahead <- struct{}{}
			for {
				if _, err := c.Write(payload); err == nil { // else an earlier one was refused
					break
				}
			}
		}
	})
	var ev parse.Event
	ctx, cancel := context.WithTimeout(t.Context(), wait.Timeout)
	defer cancel()
	var before, after unix.Rusage
	for n := 0; n < packets; n++ {
		ok(t, l.Next(ctx, &ev))
		<-ahead
		if n == 0 {
			unix.Getrusage(unix.RUSAGE_SELF, &before)
		}
	}
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	if c := l.Stats().Counts(); c.Events != packets || c.Lost != 0 {
		t.Errorf("counts %+v", c)
	}
	t.Logf("system time %v for %d packets, the sender's included", time.Duration(after.Stime.Nano()-before.Stime.Nano()), packets)
}

func TestLiveLatency(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	l := listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201")})
	defer l.Close()
	var c net.Conn
	var err error
	lab.Client.Do(func() { c, err = net.Dial("udp", net.JoinHostPort(lab.Server.V4.String(), "62201")) })
	ok(t, err)
	defer c.Close()
	payload := []byte("payload")
	var ev parse.Event
	knock := func() {
		for {
			if _, err := c.Write(payload); err == nil { // else an earlier one was refused
				break
			}
		}
		if err := l.Next(t.Context(), &ev); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%v allocations, those of refusals included", testing.AllocsPerRun(100, knock))
	var all []time.Duration
	for range 200 {
		start := time.Now()
		knock()
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	t.Logf("packet to event: fastest tenth %v, median %v, 99%% %v", all[20], all[100], all[198])
	if all[20] > 300*time.Microsecond { // the others depend on the load of the machine
		t.Errorf("latency of the fastest tenth %v", all[20])
	}
}

// TestUDPServerTime: how long a datagram waits in the socket is no part of its time.
func TestUDPServerTime(t *testing.T) {
	s := listenUDP(t, "127.0.0.1:0")
	defer s.Close()
	c, err := net.Dial("udp", s.LocalAddr().String())
	ok(t, err)
	defer c.Close()
	raw, err := s.conn.SyscallConn()
	ok(t, err)
	var ev parse.Event
	if !hasKernelTime(t, raw, func() { fmt.Fprint(c, "payload") }, func() time.Time {
		ok(t, s.Next(t.Context(), &ev))
		return ev.Time
	}) {
		t.Error("no datagram has the time at which the kernel received it")
	}
}
