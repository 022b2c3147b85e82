package fleetlink

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// PassFile sends text on any unix socket with a descriptor, which stays open here.
func PassFile(conn *net.UnixConn, text []byte, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { _, _, failed = conn.WriteMsgUnix(text, unix.UnixRights(int(fd)), nil) }); err != nil {
		return err
	}
	return failed
}

// TakeFile reads what there is on any unix socket into text, and the descriptor that came along; nil if
// none did.
func TakeFile(conn *net.UnixConn, text []byte) (n int, f *os.File, err error) {
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(text, oob)
	if err != nil {
		return 0, nil, err
	}
	f, err = fileOf(oob[:oobn])
	return n, f, err
}
