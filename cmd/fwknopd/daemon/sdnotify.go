package daemon

import (
	"cmp"
	"fmt"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Messages to the service manager, sd_notify(3); without one they have no effect.

// notifyReady reports readiness and what the worker waits for.
func (d *daemon) notifyReady() {
	_, _ = sd.SdNotify(false, sd.SdNotifyReady+"\n"+statusLine(d.waiting()))
}

func notifyStatus(waiting string) { _, _ = sd.SdNotify(false, statusLine(waiting)) }

func notifyStopping() { _, _ = sd.SdNotify(false, sd.SdNotifyStopping) }

func statusLine(waiting string) string { return "STATUS=" + cmp.Or(waiting, "at work") }

func notifyReloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	_, _ = sd.SdNotify(false, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, now.Nano()/1000))
}
