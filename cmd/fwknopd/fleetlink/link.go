package fleetlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/codec"
)

// A message is one datagram of a SOCK_SEQPACKET socket: a byte for its kind, and the content, a value
// in the form of package codec or JSON.
const (
	kindClaim  = 'c' // claimMessage, of the worker
	kindAnswer = 'a' // answerMessage, to the worker

	kindAnnounce = 'n' // Announcement, of the worker
	kindHeard    = 'h' // Heard, to the worker

	kindConfig  = 'C' // Config in JSON, of the monitor: the first message
	kindLink    = 'L' // linkMessage, of the monitor, with one end of a socket
	kindAsk     = 'S' // of the monitor: the status is wanted
	kindStatus  = 's' // Status in JSON, to the monitor
	kindReady   = 'r' // to the monitor: the configuration is in use
	kindFailed  = 'f' // noticeMessage, to the monitor: why the process is about to end
	kindQuorum  = 'q' // quorumMessage, to the monitor
	kindMessage = 't' // noticeMessage, to the monitor: to be logged
	kindOrder   = 'o' // relayMessage with an [Order], of the monitor and to it
	kindDone    = 'd' // relayMessage with a [Done], of the monitor and to it
	kindStored  = 'k' // relayMessage with an [Order] of the monitor's, to it: the fleet has stored it
	kindLate    = 'l' // LateOrder, to the monitor
	kindTaken   = 'T' // of the monitor: the LateOrder is dealt with, the next one may come
)

// MaxMessage bounds a message, in bytes.
const MaxMessage = 64 << 10

// Errors of a [Link].
var (
	errTooLong = fmt.Errorf("longer than %d bytes", MaxMessage)
	errKind    = errors.New("a message of no known kind")
	errFiles   = errors.New("another number of descriptors than the message has")
)

// A Link sends and receives messages. One goroutine may receive while several send.
type Link struct {
	conn *net.UnixConn
	in   []byte
	oob  []byte        // nil: descriptors are not taken
	wait time.Duration // how long a message may wait for its reader; 0: as long as that lives
	mu   sync.Mutex
	out  []byte
}

// NewLink returns the link over a SOCK_SEQPACKET socket, which it takes over.
func NewLink(conn *net.UnixConn) *Link {
	return &Link{conn: conn, in: make([]byte, MaxMessage+1), wait: ClaimTime}
}

// linkUntil returns the link over a socket, which it takes over, and a context in which it is served: the link
// is closed when that ends, and both end with end.
func linkUntil(ctx context.Context, conn *net.UnixConn) (l *Link, serving context.Context, end func()) {
	l = NewLink(conn)
	serving, cancel := context.WithCancel(ctx)
	context.AfterFunc(serving, func() { l.Close() })
	return l, serving, func() { cancel(); l.Close() }
}

// Send sends a message whose content is a value in the form of package codec; nil: none.
func (l *Link) Send(kind byte, v any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := append(l.out[:0], kind), error(nil)
	if v != nil {
		b, err = codec.Encode(b, v)
	}
	if l.out = b; err != nil {
		return err
	}
	return l.send(b, nil)
}

// sendBytes sends a message with content as it is.
func (l *Link) sendBytes(kind byte, content []byte) error {
	return l.send(append([]byte{kind}, content...), nil)
}

// sendFile sends a message with a descriptor, which stays open here.
func (l *Link) sendFile(kind byte, v any, f *os.File) error {
	b, err := codec.Encode([]byte{kind}, v)
	if err != nil {
		return err
	}
	return l.send(b, unix.UnixRights(int(f.Fd())))
}

func (l *Link) send(b, oob []byte) error {
	if len(b) > MaxMessage {
		return errTooLong
	}
	if l.wait > 0 { // a process that reads nothing more keeps none of the others
		if err := l.conn.SetWriteDeadline(time.Now().Add(l.wait)); err != nil {
			return err
		}
	}
	if oob == nil { // by write(2): a worker may not use sendmsg(2)
		_, err := l.conn.Write(b)
		return err
	}
	_, _, err := l.conn.WriteMsgUnix(b, oob, nil)
	return err
}

// Receive returns the next message, whose content is valid until the next call; io.EOF if the other
// end has closed the link.
func (l *Link) Receive() (kind byte, content []byte, err error) {
	n, err := l.conn.Read(l.in)
	switch {
	case err != nil:
		return 0, nil, err
	case n > MaxMessage:
		return 0, nil, errTooLong
	}
	return l.in[0], l.in[1:n], nil
}

// receiveFiles is Receive with the descriptors that came along, at most one of which is kept.
func (l *Link) receiveFiles() (kind byte, content []byte, f *os.File, err error) {
	if l.oob == nil {
		l.oob = make([]byte, unix.CmsgSpace(4))
	}
	n, oobn, flags, _, err := l.conn.ReadMsgUnix(l.in, l.oob)
	switch {
	case err != nil:
		return 0, nil, nil, err
	case n == 0:
		return 0, nil, nil, io.EOF
	}
	f, err = fileOf(l.oob[:oobn])
	switch {
	case err == nil && flags&unix.MSG_CTRUNC != 0:
		err = errFiles
	case err == nil && n > MaxMessage:
		err = errTooLong
	}
	if err != nil && f != nil {
		f.Close()
		f = nil
	}
	return l.in[0], l.in[1:n], f, err
}

// fileOf returns the descriptor in a control message; nil if there is none.
func fileOf(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(list) != 1 {
		return nil, errFiles
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil {
		return nil, err
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	if len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, errFiles
	}
	return os.NewFile(uintptr(fds[0]), "link"), nil
}

// Close ends the link.
func (l *Link) Close() error { return l.conn.Close() }

// Pair returns both ends of a new link: a connection and, to be passed on, a file.
func Pair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "link")
	if ours, err = Conn(os.NewFile(uintptr(fds[0]), "link")); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Conn returns the connection of an end of a link, and closes the file.
func Conn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("the descriptor is no unix socket")
	}
	return u, nil
}
