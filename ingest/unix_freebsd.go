package ingest

import (
	"net"

	"golang.org/x/sys/unix"
)

// privately makes a socket that only its owner may connect to. FreeBSD does not allow
// fchmod on a socket without a name, so the umask of the process is set meanwhile.
func privately[S any](make func(*net.ListenConfig) (S, error)) (S, error) {
	defer unix.Umask(unix.Umask(0o177))
	return make(new(net.ListenConfig))
}
