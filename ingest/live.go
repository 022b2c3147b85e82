package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

const (
	// liveBuffer is what the kernel may queue for us: a burst of some ten thousand
	// packets. 4 MiB lost 4 % of 150,000 packets a second, 32 MiB none.
	liveBuffer = 32 << 20
	// defaultSnaplen keeps any packet whole.
	defaultSnaplen = 65535
	// AnyInterface stands for all interfaces at once.
	AnyInterface = "any"
)

// LiveOptions say how an interface is listened to.
type LiveOptions struct {
	// Filter runs in the kernel, in place before the first packet. nil: all.
	Filter *filter.Filter
	// Promiscuous also sees packets that are for other hosts. Not for AnyInterface.
	Promiscuous bool
	// AnyDirection also sees packets that this host sends.
	AnyDirection bool
	// Snaplen is how many bytes of a frame are kept. 0: all.
	Snaplen int
	// Wait has an interface that is not there yet waited for, as one that was removed
	// is; without it [Capture] fails with [ErrNoInterface].
	Wait bool
	// Away, if not nil, is told why nothing can be captured at present, and "" when
	// capture goes on, from the goroutine that calls Next (the first time from that
	// of Capture). Without it Problem is.
	Away func(reason string)
	// Problem, if not nil, is told of malformed frames.
	Problem func(Problem)
	// Socket, if not nil, gets each socket from somebody who may open it with
	// [OpenCapture]; no rights are needed here then.
	Socket func() (*os.File, error)
}

// A Live is a Source of the frames that reach an interface. It survives that the
// interface goes down, is removed and made anew. Counts.Lost are the frames that
// the kernel dropped because we were too slow.
//
// VLAN tags that the kernel took off stay off: a frame is filtered and decoded as
// what it carries.
type Live struct {
	books
	opt     LiveOptions
	cooked  bool
	decoder *parse.Decoder
	reason  string // why nothing is captured, "" while it is

	mu     sync.Mutex // guards conn against Close
	conn   socket     // nil until the interface is there
	batch  *batch     // of conn
	links  *linkWatch
	closed bool
}

// Capture opens an interface, or AnyInterface. It needs CAP_NET_RAW. What opens
// decides what is seen: frames on Ethernet and loopback, IP packets on tunnels,
// PPP and AnyInterface.
func Capture(name string, opt LiveOptions) (*Live, error) {
	l := &Live{books: books{name: name, problem: opt.Problem}, opt: opt}
	links, err := watchLinks(name)
	if err != nil {
		return nil, fmt.Errorf("%s: watch interfaces: %w", name, err)
	}
	l.links = links
	switch err := l.open(); {
	case err == nil:
	case opt.Wait && missing(name):
		l.away(waitsFor)
	default:
		links.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// open gets the socket, with the filter in place.
func (l *Live) open() error {
	w, err := wireOf(l.name)
	if err != nil {
		return err
	}
	l.cooked = w.cooked
	if l.decoder, err = parse.NewDecoder(w.link()); err != nil {
		return err
	}
	conn, err := l.socket(w)
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return err
	}
	batch := newBatch(raw, l.opt.snaplen(), conn.SetReadDeadline)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.batch != nil {
		l.batch.release()
	}
	l.conn, l.batch = conn, batch
	l.links.attend(w.Index, conn)
	if l.closed {
		conn.Close()
		return os.ErrClosed
	}
	return nil
}

func (l *Live) socket(w wire) (socket, error) {
	if l.opt.Socket != nil {
		return l.opt.Socket()
	}
	return w.listen(l.opt)
}

// OpenCapture opens the socket of a [Live] for a process that may not: see
// LiveOptions.Socket. Its filter is locked.
func OpenCapture(name string, opt LiveOptions) (*os.File, error) {
	w, err := wireOf(name)
	if err != nil {
		return nil, err
	}
	conn, err := w.listen(opt)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return duplicate(conn, name, func(fd int) error {
		return os.NewSyscallError("lock filter", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1))
	})
}

// A wire is an interface and how its packets are read.
type wire struct {
	*net.Interface      // the zero one for all
	cooked         bool // without the link header
}

func wireOf(name string) (wire, error) {
	if name == AnyInterface {
		return wire{&net.Interface{}, true}, nil
	}
	if missing(name) {
		return wire{}, ErrNoInterface
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return wire{}, err
	}
	ethernet, err := framed(name)
	return wire{ifi, !ethernet}, err
}

func (w wire) link() parse.LinkType {
	if w.cooked {
		return parse.LinkRaw
	}
	return parse.LinkEthernet
}

// listen makes a socket as opt says.
func (w wire) listen(opt LiveOptions) (*packet.Conn, error) {
	kind := packet.Raw
	if w.cooked {
		kind = packet.Datagram
	}
	program, err := opt.Filter.Program(w.link())
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(w.Interface, kind, unix.ETH_P_ALL, &packet.Config{Filter: program})
	if err != nil {
		return nil, err
	}
	if err := w.prepare(conn, opt); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (w wire) prepare(conn *packet.Conn, opt LiveOptions) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if err := raiseBuffer(raw, liveBuffer); err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { // a kernel before 5.1 has no such stamps
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	}); err != nil {
		return err
	}
	if opt.Promiscuous && w.Index != 0 {
		if err := conn.SetPromiscuous(true); err != nil {
			return err
		}
	}
	if !opt.AnyDirection { // older kernels hand them over all the same, for Next to drop
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
		})
	}
	return nil
}

func (o *LiveOptions) snaplen() int {
	if o.Snaplen <= 0 || o.Snaplen > maxFrame {
		return defaultSnaplen
	}
	return o.Snaplen
}

// framed says whether the frames of an interface begin with an Ethernet header:
// its type is ARPHRD_ETHER or ARPHRD_LOOPBACK. Tunnels and PPP have other headers
// or none.
func framed(name string) (bool, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return false, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return false, os.NewSyscallError("type of interface", err)
	}
	kind := req.Uint16() // sa_family of the address
	return kind == unix.ARPHRD_ETHER || kind == unix.ARPHRD_LOOPBACK, nil
}

// Next implements [Source].
func (l *Live) Next(ctx context.Context, ev *parse.Event) error {
	if l.batch == nil {
		if err := l.await(ctx); err != nil {
			return err
		}
	}
	for {
		d, err := l.batch.next(ctx)
		if err != nil {
			if err = l.recover(ctx, err); err != nil {
				return err
			}
			continue
		}
		from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(d.from))
		if from.Pkttype == unix.PACKET_OUTGOING && !l.opt.AnyDirection {
			continue
		}
		l.bytes.Add(uint64(len(d.data)))
		return l.enter(l.decode(from, d, ev))
	}
}

func (l *Live) decode(from *unix.RawSockaddrLinklayer, d datagram, ev *parse.Event) error {
	if l.cooked {
		proto := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&from.Protocol))[:])
		if proto != unix.ETH_P_IP && proto != unix.ETH_P_IPV6 {
			return errNotIP
		}
	}
	var stamp []byte
	for b := d.control; len(b) > 0; {
		kind, data, rest := cutControl(b)
		if b = rest; kind == stampControl {
			stamp = data
		}
	}
	return l.decoder.Frame(d.data, stampOf(stamp), ev)
}

// errNotIP is a cooked packet of another protocol.
var errNotIP error = notOurs("not an IP packet")

// takeLost adds what the kernel dropped since it was last asked. The caller holds mu.
func (l *Live) takeLost() {
	if l.conn == nil {
		return
	}
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return // it is closed, and was asked before
	}
	_ = raw.Control(func(fd uintptr) {
		if stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			l.lost.Add(uint64(stats.Drops))
		}
	})
}

// Counts implements [Counter].
func (l *Live) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeLost()
	return l.tally.Counts()
}

// Close ends a Next that waits in another goroutine.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.takeLost()
	l.links.close()
	if l.conn == nil {
		return nil
	}
	l.batch.release()
	return l.conn.Close()
}
