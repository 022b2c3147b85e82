package ingest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process that parses packets should have few rights. So each source that needs
// privileges to open has two functions: Open... for the privileged process, and
// ...FromFile, or the Socket option, for the one that reads.

// A socket is the part of a socket that a source uses. *os.File is one.
type socket interface {
	SyscallConn() (syscall.RawConn, error)
	SetReadDeadline(time.Time) error
	Close() error
}

// fileFD returns the descriptor of f without the side effect of f.Fd, which makes
// it block; -1 if f is closed.
func fileFD(f *os.File) int {
	n := -1
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { n = int(fd) })
	}
	return n
}

// errNotHere refuses a source that this system does not have.
var errNotHere = errors.New("not on " + runtime.GOOS)

// duplicate returns another descriptor of conn, which stays open when conn is
// closed; prepare is called with it.
func duplicate(conn socket, name string, prepare func(fd int) error) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var dup error
	err = raw.Control(func(old uintptr) { fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, os.NewSyscallError("dup", dup)); err != nil {
		return nil, err
	}
	if prepare != nil {
		if err := prepare(fd); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// OpenUDP opens the socket of a [UDPServer], see [UDPFromFile].
func OpenUDP(addr string) (*os.File, error) {
	conn, err := listenUDP(addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.File()
}

// UDPFromFile is [ListenUDP] with a socket that [OpenUDP] opened. It takes over the
// file.
func UDPFromFile(f *os.File, opt ServerOptions) (*UDPServer, error) {
	defer f.Close()
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := conn.(*net.UDPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("%s: not a UDP socket", f.Name())
	}
	return newUDPServer(u, opt)
}

// OpenTCP opens the socket of a [TCPServer], see [TCPFromFile].
func OpenTCP(addr string) (*os.File, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// TCPFromFile is [ListenTCP] with a socket that [OpenTCP] opened. It takes over the
// file.
func TCPFromFile(f *os.File, opt ServerOptions) (*TCPServer, error) {
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return newTCPServer(l, opt), nil
}

// OpenUnix opens the stream socket of a [UnixServer], and OpenUnixDatagram the
// other one, see [UnixFromFile].
func OpenUnix(path string) (*os.File, error) {
	l, err := listenUnix(path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	return l.File()
}

// OpenUnixDatagram opens the datagram socket beside the one at path.
func OpenUnixDatagram(path string) (*os.File, error) {
	c, err := listenUnixgram(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.File()
}

// UnixFromFile is [ListenUnix] with sockets that another process opened, which also removes
// them. It takes over the files.
func UnixFromFile(path string, stream, datagrams *os.File, opt ServerOptions) (*UnixServer, error) {
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
	return newUnixServer(path, ul, uc, opt), nil
}

// OpenNFLOG binds the socket of an [NFLOG], see NFLOGOptions.Socket.
func OpenNFLOG(group uint16) (*os.File, error) {
	conn, err := bindNFLOG(group)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return duplicate(conn, fmt.Sprintf("nflog group %d", group), nil)
}

// OpenFIFO opens the pipe of a [FIFO], which it makes if need be, see [FIFOFromFile].
func OpenFIFO(path string) (*os.File, error) { return openFIFO(path) }

// FIFOFromFile is [FollowFIFO] of a pipe that [OpenFIFO] opened. It takes over the file.
func FIFOFromFile(path string, pipe *os.File, opt ReadOptions) *FIFO { return newFIFO(path, pipe, opt) }
