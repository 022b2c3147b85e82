package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// Names of linux/netfilter/nfnetlink_log.h.
const (
	subsystem   = 4              // NFNL_SUBSYS_ULOG
	nflogPacket = subsystem << 8 // NFULNL_MSG_PACKET
	netlinkHead = 16             // NLMSG_HDRLEN

	attrSequence = 12
)

// nflogMessage bounds one message: the packet and its attributes.
const nflogMessage = 8 << 10

// An NFLOG is a Source of the packets that Netfilter's NFLOG rules send to a group;
// it needs CAP_NET_ADMIN. Counts.Lost are the packets that the kernel could not
// queue for us.
type NFLOG struct {
	accounting
	frames
	match lineOptions
	conn  socket
	batch *batch
	rest  []byte // of a datagram of several messages
	next  uint32 // sequence number that is expected
	begun bool
}

// openNFLOG binds to a group. A group has one reader.
func openNFLOG(group uint16) (*os.File, error) {
	conn, err := bindNFLOG(group)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return duplicate(conn, fmt.Sprintf("nflog group %d", group), nil)
}

// newNFLOG makes a source of a bound socket. Of opt it uses Match, Filter and Problem.
func newNFLOG(group uint16, conn socket, opt ReadOptions) (*NFLOG, error) {
	n := &NFLOG{accounting: accounting{name: fmt.Sprintf("nflog group %d", group), problem: opt.Problem}, match: opt.lines(), conn: conn}
	n.filter = opt.Filter
	raw, err := conn.SyscallConn()
	if err == nil {
		err = n.use(uint32(parse.LinkNFLOG))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	n.batch = newBatch(raw, nflogMessage, conn.SetReadDeadline)
	return n, nil
}

// Next implements [Source].
func (n *NFLOG) Next(ctx context.Context, ev *parse.Event) error {
	for {
		frame, err := n.message(ctx)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			continue // sequence counts what was lost
		case err != nil:
			return err
		case frame == nil:
			continue
		}
		n.bytes.Add(uint64(len(frame)))
		n.sequence(frame)
		return n.count(n.decode(frame, ev))
	}
}

// Buffered implements [Source].
func (n *NFLOG) Buffered() bool { return len(n.rest) > 0 || n.batch.pending() }

func (n *NFLOG) decode(frame []byte, ev *parse.Event) error {
	if err := n.frame(frame, len(frame), time.Now(), ev); err != nil {
		return err
	}
	if len(n.match.match) > 0 && !n.match.matches(ev.Prefix) {
		return errPrefix
	}
	return nil
}

// message returns the body of the next netlink message, nil if it is not a packet.
func (n *NFLOG) message(ctx context.Context) ([]byte, error) {
	if len(n.rest) < netlinkHead {
		d, err := n.batch.next(ctx)
		if err != nil {
			return nil, err
		}
		n.rest = d.data
	}
	b := n.rest
	if len(b) < netlinkHead {
		n.rest = nil
		return nil, nil
	}
	size := int(binary.NativeEndian.Uint32(b))
	kind := binary.NativeEndian.Uint16(b[4:])
	if size < netlinkHead {
		n.rest = nil
		return nil, nil
	}
	size = min(size, len(b))
	n.rest = b[min((size+3)&^3, len(b)):]
	if kind != nflogPacket {
		return nil, nil
	}
	return b[netlinkHead:size], nil
}

// sequence finds the packet's number and counts those that are missing before it.
func (n *NFLOG) sequence(frame []byte) {
	b := frame[min(4, len(frame)):]
	for len(b) >= 8 {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < 4 {
			return
		}
		if kind == attrSequence {
			seq := binary.BigEndian.Uint32(b[4:])
			if n.begun {
				n.lost.Add(uint64(seq - n.next))
			}
			n.next, n.begun = seq+1, true
			return
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}

// Close ends a Next that waits in another goroutine.
func (n *NFLOG) Close() error {
	n.batch.release()
	return n.conn.Close()
}
