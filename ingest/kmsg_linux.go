package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// openKMSG opens the ring buffer. Reading it takes the right once, when it is opened.
func openKMSG() (*os.File, error) {
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (it takes CAP_SYSLOG, and ProtectKernelLogs=no in a unit of systemd)", err)
	}
	return f, err
}

// A kmsgFile is the device itself.
type kmsgFile struct {
	*os.File
	raw syscall.RawConn
}

func (f *kmsgFile) read(buf []byte, wait bool) (n int, waited bool, err error) {
	failed := f.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), buf)
		again := wait && errors.Is(err, unix.EAGAIN)
		waited = waited || again
		return !again
	})
	if failed != nil {
		return 0, waited, failed
	}
	return max(n, 0), waited, err
}

func (f *kmsgFile) seek(whence int) error {
	_, err := f.File.Seek(0, whence)
	return err
}

// uptime is the time since boot without that in suspension, as the kernel stamps its
// messages.
func uptime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return time.Duration(ts.Nano())
}
