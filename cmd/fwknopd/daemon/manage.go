package daemon

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// The words for a service manager, sd_notify(3); without one they go nowhere.

func notifyReady() { _, _ = daemon.SdNotify(false, daemon.SdNotifyReady) }
func stopping()    { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) }

func reloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	_, _ = daemon.SdNotify(false, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
}
