package replay

import (
	"os"
	"strings"

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

func fdatasync(fd int) error { return unix.Fdatasync(fd) }

// bootID returns a text that differs after each boot of the machine, "" if it is unknown.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
