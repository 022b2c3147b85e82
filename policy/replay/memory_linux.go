package replay

import (
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile returns a file without a name.
func memoryFile() (file, error) {
	fd, err := unix.MemfdCreate("fwknopd digests", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return diskFile{os.NewFile(uintptr(fd), "digests in memory")}, nil
}
