package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// liveBuffer is what the kernel may queue for us: a burst of some ten thousand
// packets. 4 MiB lost 4 % of 150,000 packets a second, 32 MiB none.
const liveBuffer = 32 << 20

// openCapture opens the socket of a [Live] for a process that may not: see
// LiveOptions.Socket. Its filter is locked, and nothing can be sent through it.
func openCapture(name string, opt LiveOptions) (*os.File, error) {
	links, err := openLinks()
	if err != nil {
		return nil, err
	}
	defer links.Close()
	w, err := wireOf(name, links)
	if err != nil {
		return nil, err
	}
	conn, err := w.listen(opt)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return duplicate(conn, name, func(fd int) error {
		if err := receiveOnly(fd); err != nil {
			return err
		}
		return os.NewSyscallError("lock filter", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1))
	})
}

// isCapture reports whether a socket of openCapture belongs to the interface that has the name
// of the source now, and no error waits in it, as after the interface was down.
func isCapture(s *Spec, file *os.File) bool {
	w, err := wireOf(s.Path, file)
	if err != nil {
		return false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	good := false
	ctl := raw.Control(func(fd uintptr) {
		failed, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || failed != 0 {
			return
		}
		addr, _ := unix.Getsockname(int(fd)) // nil with an error
		bound, ok := addr.(*unix.SockaddrLinklayer)
		good = ok && bound.Ifindex == w.Index
	})
	return ctl == nil && good
}

// clearError drops the error that waits in a socket that was opened while its interface was
// down.
func clearError(conn socket) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) })
}

// receiveOnly has a packet socket send nothing, which shutdown(2) cannot do: a socket
// with a ring for transmission sends what is in the ring and ignores what is written to
// it. This ring stays empty; a process that may not map memory of files cannot fill it.
func receiveOnly(fd int) error {
	page := uint32(os.Getpagesize())
	ring := unix.TpacketReq{Block_size: page, Block_nr: 1, Frame_size: page, Frame_nr: 1}
	return os.NewSyscallError("transmission ring", unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &ring))
}

// A wire is an interface and how its packets are read.
type wire struct {
	*net.Interface      // the zero one for all
	cooked         bool // without the link header
}

// wireOf returns the interface of that name. It asks through a socket of any family.
func wireOf(name string, through socket) (wire, error) {
	if name == AnyInterface {
		return wire{&net.Interface{}, true}, nil
	}
	var req interfaceRequest
	err := req.send(through, name, unix.SIOCGIFINDEX)
	if errors.Is(err, unix.ENODEV) {
		return wire{}, errNoInterface
	}
	if err != nil {
		return wire{}, err
	}
	ifi := &net.Interface{Index: int(req.Uint32()), Name: name}
	ethernet, err := framed(name, through)
	return wire{ifi, !ethernet}, err
}

// An interfaceRequest is a question about an interface, netdevice(7).
type interfaceRequest struct{ *unix.Ifreq }

func (r *interfaceRequest) send(through socket, name string, what uint) error {
	var err error
	if r.Ifreq, err = unix.NewIfreq(name); err != nil {
		return fmt.Errorf("name of an interface: %w", err)
	}
	raw, err := through.SyscallConn()
	if err != nil {
		return err
	}
	ctl := raw.Control(func(fd uintptr) { err = unix.IoctlIfreq(int(fd), what, r.Ifreq) })
	return errors.Join(ctl, os.NewSyscallError("ioctl", err))
}

func (w wire) link() parse.LinkType {
	if w.cooked {
		return parse.LinkRaw
	}
	return parse.LinkEthernet
}

// listen makes a socket as set in opt.
func (w wire) listen(opt LiveOptions) (*packet.Conn, error) {
	kind := packet.Raw
	if w.cooked {
		kind = packet.Datagram
	}
	program, err := opt.Filter.LiveProgram(w.link(), opt.Payload)
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

// framed reports whether the frames of an interface begin with an Ethernet header:
// its type is ARPHRD_ETHER or ARPHRD_LOOPBACK. Tunnels and PPP have other headers
// or none.
func framed(name string, through socket) (bool, error) {
	var req interfaceRequest
	if err := req.send(through, name, unix.SIOCGIFHWADDR); err != nil {
		return false, fmt.Errorf("type of interface: %w", err)
	}
	kind := req.Uint16() // sa_family of the address
	return kind == unix.ARPHRD_ETHER || kind == unix.ARPHRD_LOOPBACK, nil
}

// A liveReader reads the packet socket of a wire.
type liveReader struct {
	*batch
	decoder *parse.Decoder
	cooked  bool
	both    bool // directions
}

func newLiveReader(w wire, conn socket, opt *LiveOptions) (*liveReader, error) {
	decoder, err := parse.NewDecoder(w.link())
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &liveReader{newBatch(raw, opt.snaplen(), conn.SetReadDeadline), decoder, w.cooked, opt.AnyDirection}, nil
}

// next decodes the next frame, of n bytes.
func (r *liveReader) next(ctx context.Context, ev *parse.Event) (n int, err error) {
	for {
		d, err := r.batch.next(ctx)
		if err != nil {
			return 0, err
		}
		from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(d.from))
		if from.Pkttype == unix.PACKET_OUTGOING && !r.both {
			continue
		}
		return len(d.data), r.decode(from, d, ev)
	}
}

func (r *liveReader) decode(from *unix.RawSockaddrLinklayer, d datagram, ev *parse.Event) error {
	if r.cooked {
		if proto := hostOrder(from.Protocol); proto != unix.ETH_P_IP && proto != unix.ETH_P_IPV6 {
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
	return r.decoder.Frame(d.data, stampOf(stamp), ev)
}

// errNotIP is a cooked packet of another protocol.
var errNotIP error = &notOurs{"not an IP packet"}

// dropped is how many frames the kernel dropped since the last call.
func (r *liveReader) dropped(fd int) uint64 {
	stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(stats.Drops)
}
