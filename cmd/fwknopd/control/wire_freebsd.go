package control

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// maxSunPath is the longest path in a sockaddr_un, without the terminating zero.
const maxSunPath = 103

// peerUID returns the user id of the process that listened or connected at the other
// end of a socket.
func peerUID(fd int) (int, error) {
	peer, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(peer.Uid), nil
}

// shortSocketPath refuses a path that does not fit into a socket address: FreeBSD has
// no /proc/self/fd to shorten it with.
func shortSocketPath(path string) (name string, release func(), err error) {
	if len(path) > maxSunPath {
		return "", nil, fmt.Errorf("%s: longer than the %d bytes of a socket's name", path, maxSunPath)
	}
	return path, func() {}, nil
}

// listenPrivate creates a socket that only its owner may connect to. FreeBSD does not
// allow fchmod on an unbound socket, so the umask of the process is set meanwhile.
func listenPrivate(name string) (net.Listener, error) {
	defer unix.Umask(unix.Umask(0o177))
	return net.Listen("unix", name)
}
