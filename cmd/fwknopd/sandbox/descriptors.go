// Package sandbox takes rights away from a process of the daemon that it does not need.
package sandbox

import (
	"math"

	"golang.org/x/sys/unix"
)

// FleetRights are what a fleet process may do beside talking to a network.
type FleetRights struct {
	Write []string // directories: it may read and write files below
	Read  []string // files, and directories below which it may read files; those that are missing are left out
	Local bool     // it may have unix sockets
}

const (
	firstDescriptor = 3 // after standard input, output and error
	closeOnExecFlag = 4 // CLOSE_RANGE_CLOEXEC, the same on Linux and FreeBSD
	// maxDescriptor is the last one that is looked for by number, on a kernel that has no
	// close_range or does not know the flag.
	maxDescriptor = 1<<16 - 1
)

// CloseOnExec keeps the descriptors that this process inherited from the programs that
// it starts: what the caller of the daemon left open is not for the worker, nor for
// commands. Descriptors that the program passes on purpose are not affected.
func CloseOnExec() {
	if _, _, errno := unix.Syscall(unix.SYS_CLOSE_RANGE, firstDescriptor, math.MaxUint32, closeOnExecFlag); errno == 0 {
		return
	}
	closeOnExecEach()
}

// closeOnExecEach does the same descriptor by descriptor.
func closeOnExecEach() {
	for fd := firstDescriptor; fd <= maxDescriptor; fd++ {
		unix.CloseOnExec(fd) // fails for a number that is not in use
	}
}
