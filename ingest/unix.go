package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"fwknopd/parse"
)

// maxFeed is the longest line of a feeder: a message with an address and a
// protocol in front.
const maxFeed = maxMessage + 64

// datagramSuffix is what the name of the datagram socket has more than that of the
// stream socket; one path cannot be both.
const datagramSuffix = ".dgram"

var (
	errFeed     error = badRecord("not of the form address:protocol:payload")
	errLongFeed error = badRecord("line too long")
)

// A UnixServer is a Source of messages that a local program received in its own
// way (AUTH_MODE SOCKET, fwknop_serv): lines "address:protocol:payload", the
// protocol being a number, over connections to a stream socket, or one per
// datagram to a second socket beside it. It never answers.
type UnixServer struct {
	*messageQueue
	listener *net.UnixListener
	packets  *net.UnixConn
}

// openUnix makes the stream socket, for its owner only. A socket that a dead process left
// is replaced, that of a living one is not.
func openUnix(path string) (*os.File, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := privately(func(private *net.ListenConfig) (net.Listener, error) {
		return private.Listen(context.Background(), "unix", path)
	})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	stream, ok := l.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("%s: not a unix socket", path)
	}
	stream.SetUnlinkOnClose(false)
	return stream.File()
}

// openUnixDatagrams makes the datagram socket beside the one at path.
func openUnixDatagrams(path string) (*os.File, error) {
	path += datagramSuffix
	if err := removeStale(path); err != nil {
		return nil, err
	}
	c, err := privately(func(private *net.ListenConfig) (net.PacketConn, error) {
		return private.ListenPacket(context.Background(), "unixgram", path)
	})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	packets, ok := c.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("%s: not a unix socket", path)
	}
	return packets.File()
}

// newUnixServer makes a source of the two sockets.
func newUnixServer(path string, stream, datagrams *os.File, problem func(Problem)) (*UnixServer, error) {
	defer stream.Close()
	defer datagrams.Close()
	l, err := net.FileListener(stream)
	if err != nil {
		return nil, err
	}
	c, err := net.FilePacketConn(datagrams)
	if err != nil {
		l.Close()
		return nil, err
	}
	ul, ok := l.(*net.UnixListener)
	uc, ok2 := c.(*net.UnixConn)
	if !ok || !ok2 {
		return nil, errors.Join(fmt.Errorf("%s: not unix sockets", path), l.Close(), c.Close())
	}
	s := &UnixServer{newMessageQueue(path, problem), ul, uc}
	s.active.Go(func() { s.accept(ul, s.serve) })
	s.active.Go(s.receive)
	return s, nil
}

// removeStale removes a socket that no process listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // nothing there, or bind will return the error
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s: exists and is no socket", path)
	}
	for _, network := range []string{"unix", "unixgram"} {
		if c, err := net.Dial(network, path); err == nil {
			c.Close()
			return fmt.Errorf("%s: another process listens there", path)
		}
	}
	return os.Remove(path)
}

// serve reads the lines of a connection; each has its two seconds.
func (s *UnixServer) serve(c net.Conn) {
	r := bufio.NewReaderSize(c, maxFeed)
	for {
		_ = c.SetReadDeadline(time.Now().Add(connectionTime))
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.put(message{err: errLongFeed})
			return
		}
		if len(bytes.TrimSpace(line)) > 0 && !s.put(parseFeed(line)) || err != nil {
			return
		}
	}
}

func (s *UnixServer) receive() {
	buf := make([]byte, maxFeed+1)
	for {
		n, err := s.packets.Read(buf)
		switch {
		case isClosed(err):
			return
		case err != nil:
			continue
		case n > maxFeed:
			s.put(message{err: errLongFeed})
		default:
			s.put(parseFeed(buf[:n]))
		}
	}
}

// parseFeed reads address:protocol:payload. The payload has no colon, blank or control
// character (a datagram may have line ends in it); an IPv6 address has colons, so it is
// read from its end.
func parseFeed(line []byte) message {
	line = bytes.TrimSpace(line)
	i := bytes.LastIndexByte(line, ':')
	if i < 0 {
		return message{err: errFeed}
	}
	head, body := line[:i], line[i+1:]
	j := bytes.LastIndexByte(head, ':')
	if j < 0 || len(body) == 0 || len(body) > maxMessage || bytes.ContainsFunc(body, func(c rune) bool { return c <= ' ' }) {
		return message{err: errFeed}
	}
	src, err := netip.ParseAddr(string(bytes.Trim(head[:j], "[]")))
	proto, err2 := strconv.ParseUint(string(head[j+1:]), 10, 8)
	if err != nil || err2 != nil || src.Zone() != "" {
		return message{err: errFeed}
	}
	ev := parse.Event{Time: time.Now(), Origin: parse.OriginSocket, Proto: parse.Proto(proto), Src: netip.AddrPortFrom(src.Unmap(), 0)}
	return message{event: ev, body: bytes.Clone(body)}
}

// Close ends a Next that waits in another goroutine, and all connections. The sockets stay
// in the file system: the next process that opens them replaces them.
func (s *UnixServer) Close() error {
	s.shut(func() {
		s.listener.Close()
		s.packets.Close()
	})
	return nil
}
