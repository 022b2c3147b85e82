package control

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// maxSunPath is what fits into a sockaddr_un with its zero byte.
const maxSunPath = 103

// peerUID is the user at the other end of a socket: who listened, or who connected.
func peerUID(fd int) (int, error) {
	peer, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(peer.Uid), nil
}

// shorten refuses a path that does not fit into a socket address: there is no other name
// for it.
func shorten(path string) (name string, release func(), err error) {
	if len(path) > maxSunPath {
		return "", nil, fmt.Errorf("%s: longer than the %d bytes of a socket's name", path, maxSunPath)
	}
	return path, func() {}, nil
}

// listenPrivate makes a socket that only its owner may connect to. The mode of a socket
// that has no name yet cannot be changed here, so the process's mask has to do.
func listenPrivate(name string) (net.Listener, error) {
	defer unix.Umask(unix.Umask(0o177))
	return net.Listen("unix", name)
}
