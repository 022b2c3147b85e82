package daemon

import (
	"cmp"
	"fmt"
	"strings"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/policy/conf"
)

// maxWaits is the maximum length in bytes of what a worker may report that it waits
// for.
const maxWaits = 512

// setWaiting records what the worker reports to wait for, and notifies the service
// manager.
func (d *daemon) setWaiting(list []string) {
	text := privsep.Sanitize(strings.Join(list, "; "))
	d.mu.Lock()
	changed := d.waitReason != text
	d.waitReason = text[:min(len(text), maxWaits)]
	d.mu.Unlock()
	if changed && d.ready.Load() {
		notifyStatus(text)
	}
}

// waiting returns what the worker waits for, "" for nothing.
func (d *daemon) waiting() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waitReason
}

// unconfined returns why the worker is not wholly confined (SANDBOX), "" if it is.
func (d *daemon) unconfined() string {
	if d.conf().Server.Sandbox == conf.SandboxOff {
		return "SANDBOX is off: the worker has the rights of its user"
	}
	if text := sandbox.Missing(); text != "" {
		return "SANDBOX: " + text
	}
	return ""
}

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
