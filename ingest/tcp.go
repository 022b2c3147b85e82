package ingest

import (
	"net"
	"net/netip"
	"os"
	"time"

	"fwknopd/parse"
)

// A TCPServer is a Source of what connections to a TCP port say: one message of at
// most 1500 bytes each, within two seconds. It never answers. Counts.Lost are
// connections refused because too many were open.
type TCPServer struct {
	*messageQueue
	listener net.Listener
}

// openTCP opens a socket at an address such as ":62201" or "192.0.2.1:62201".
func openTCP(addr string) (*os.File, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// newTCPServer makes a source of a socket that [openTCP] opened.
func newTCPServer(f *os.File, problem func(Problem)) (*TCPServer, error) {
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	s := &TCPServer{newMessageQueue("tcp "+l.Addr().String(), problem), l}
	s.active.Go(func() { s.accept(l, s.serve) })
	return s, nil
}

// serve reads the one message of a connection. It ends with the connection, with
// its size or its time, or when the sender has nothing more to say for a moment,
// as clients that keep the connection open would else be served after two seconds.
func (s *TCPServer) serve(c net.Conn) {
	buf := make([]byte, maxMessage+1)
	end := time.Now().Add(connectionTime)
	_ = c.SetReadDeadline(end) // an error shows in Read
	n := 0
	for n < len(buf) {
		m, err := c.Read(buf[n:])
		n += m
		if err != nil {
			break
		}
		if soon := time.Now().Add(quietTimeout); soon.Before(end) {
			_ = c.SetReadDeadline(soon)
		}
	}
	if n == 0 {
		return // a port scan, a health check
	}
	msg := message{body: buf[:min(n, maxMessage)]}
	if n > maxMessage {
		msg.err = errLongMessage
	}
	msg.event = parse.Event{
		Time: time.Now(), Origin: parse.OriginSocket, Proto: parse.TCP, Flags: parse.PSH | parse.ACK,
		Src: addrPort(c.RemoteAddr()), Dst: addrPort(c.LocalAddr()),
	}
	s.put(msg)
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// LocalAddr returns the address that is listened on.
func (s *TCPServer) LocalAddr() netip.AddrPort { return addrPort(s.listener.Addr()) }

// Close ends a Next that waits in another goroutine, and all connections.
func (s *TCPServer) Close() error {
	s.shut(func() { s.listener.Close() })
	return nil
}
