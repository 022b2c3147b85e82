package daemon

import (
	"os"

	"golang.org/x/sys/unix"
)

// sealedFile returns an anonymous file with text that cannot be modified.
func sealedFile(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("fwknopd configuration", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "configuration")
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
