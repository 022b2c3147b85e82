package daemon

import (
	"cmp"
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// The words for a service manager, sd_notify(3); without one they go nowhere.

// notifyReady also says what the worker waits for.
func (k *keeper) notifyReady() {
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady+"\n"+statusLine(k.waiting()))
}

func notifyStatus(waiting string) { _, _ = daemon.SdNotify(false, statusLine(waiting)) }

func stopping() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) }

func statusLine(waiting string) string { return "STATUS=" + cmp.Or(waiting, "at work") }

func reloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	_, _ = daemon.SdNotify(false, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
}
