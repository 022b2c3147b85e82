package daemon

import (
	"os"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
)

// handleEvent logs a monitor event: as a message, in the old daemon's format, and as an
// object in the event log.
func (d *daemon) handleEvent(ev monitor.Event) {
	d.events.write(report.EventJSON(&ev))
	d.logCompat(&ev)
	text := report.EventText(&ev, hostname())
	if text == "" {
		return
	}
	switch sev := severityOf(&ev); ev.Kind {
	case monitor.Extended, monitor.Kept, monitor.Adopted, monitor.Postponed, monitor.ClockStep, monitor.Lost:
		d.logf(sev, "%s", text)
	case monitor.WorkerGaveUp:
		d.fatalf("%s", text)
	default:
		d.alertf(sev, "%s", text)
	}
	if ev.Kind == monitor.WorkerDied {
		d.saveStderr(ev.Err)
	}
}

// severityOf returns the severity of the message for an event. A grant that other rules
// still block is a warning.
func severityOf(ev *monitor.Event) severity {
	switch ev.Kind {
	case monitor.Granted, monitor.Extended:
		if len(ev.Blocked) == 0 {
			return info
		}
	case monitor.Adopted, monitor.Expired, monitor.Revoked, monitor.Postponed, monitor.CommandRan:
		return info
	}
	return warning
}

// externalRan logs how a configured command ended.
func (d *daemon) externalRan(g enforce.Grant, opening bool, result command.Result, err error) {
	sev := info
	if err != nil || result.TimedOut || result.Status != 0 {
		sev = warning
	}
	d.logf(sev, "%s", report.ExternalText(&g, opening, result, err))
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}
