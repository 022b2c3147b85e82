package replay

import "golang.org/x/sys/unix"

// fdatasync is fsync(2): golang.org/x/sys does not have the other one for FreeBSD.
func fdatasync(fd int) error { return unix.Fsync(fd) }
