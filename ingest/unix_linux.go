package ingest

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// privately makes a socket that only its owner may connect to. It has that mode before it
// has a name: in a folder that others may write to, the name may lead elsewhere a moment
// later.
func privately[S any](make func(*net.ListenConfig) (S, error)) (S, error) {
	return make(&net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}})
}
