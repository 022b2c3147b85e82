package daemon

import (
	"context"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
)

// ownProgram returns a path of the running program that is valid even if its file has
// been replaced.
func ownProgram() (string, error) { return "/proc/self/exe", nil }

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

// established reports for each grant whether a connection through it is alive.
type established = func(context.Context, []enforce.Grant) ([]bool, error)

// cutFunc is the type of Cut in [monitor.Config].
type cutFunc = func(context.Context, []enforce.Grant, func() []enforce.Grant) ([]enforce.Connections, error)

// openConntrack opens the kernel's connection tracking table.
func openConntrack(ports []uint16) (_ established, done func(), err error) {
	table, err := conntrack.Open(ports)
	if err != nil {
		return nil, nil, err
	}
	return table.Established, func() { table.Close() }, nil
}

// openCut returns what ends connections, see [monitor.Config], and has what they send rejected
// by the firewall, unless that is nil. need: an error if the tables of connections cannot be
// read.
func openCut(need bool, guard enforce.Guard, fw *firewall.Firewall) (cut cutFunc, done func(), err error) {
	table := new(conntrack.Table)
	if need {
		if table, err = conntrack.Open(nil); err != nil {
			return nil, nil, err
		}
	}
	table.Guard = guard
	if fw != nil {
		table.Reject = fw.Reject
	}
	return table.Cut, func() { table.Close() }, nil
}

// residentMemory returns the bytes of memory of this process, 0 if the system does not say.
func residentMemory() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(f[1], 10, 64) // 0 is right for an error
	return pages * uint64(os.Getpagesize())
}
