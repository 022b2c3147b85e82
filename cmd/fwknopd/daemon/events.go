package daemon

import (
	"errors"
	"fmt"
	"os/user"
	"strings"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// handleEvent logs a monitor event: as a message, in the old daemon's format, and as an
// object in the event log.
func (d *daemon) handleEvent(ev monitor.Event) {
	switch ev.Kind {
	case monitor.Granted, monitor.Extended, monitor.Kept, monitor.CommandRan:
		d.records.carriedOut()
	}
	d.health.event(&ev)
	if ev.Grant.Src.IsValid() {
		d.fleet.openChanged()
	}
	stanza, name := d.conf().Access.TitleOf(0, report.EventStanza(&ev))
	text := report.EventText(&ev, hostname(), stanza)
	d.events.write(report.EventJSON(&ev, name), text)
	d.logCompat(&ev)
	if text == "" {
		return
	}
	if errors.Is(ev.Err, privsep.ErrRestart) {
		d.logf(info, "%v", ev.Err)
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

// logCompat logs a monitor event the way the old daemon did.
func (d *daemon) logCompat(ev *monitor.Event) {
	c := &d.compat
	c.Server, c.Access, c.Credential = d.conf().Server, d.conf().Access, credentialText26
	if d.fw != nil {
		c.Chain = d.chainOf
	}
	for _, line := range c.Event(ev) {
		d.logf(info, "%s", line)
	}
}

// chainOf returns the name of the chain for a role, or the name of a firewall that has
// no such chains.
func (d *daemon) chainOf(role enforce.Role) string {
	if !strings.Contains(d.fw.Name, "iptables") {
		return d.fw.Name
	}
	if c := firewall.Chains(d.conf().Server)[role]; c.To != "" {
		return c.To
	}
	return iptables.Defaults[role].To
}

// credentialText26 names the user and group that a command runs as.
func credentialText26(st *conf.Stanza) string {
	if st.CmdUser == "" {
		return ""
	}
	u, err := user.Lookup(st.CmdUser)
	if err != nil {
		return ""
	}
	group, gid := st.CmdGroup, u.Gid
	if group == "" {
		group = st.CmdUser
	} else if n, err := command.GroupID(group); err == nil {
		gid = fmt.Sprint(n)
	}
	return fmt.Sprintf(" setuid/setgid user/group to %s/%s (UID=%s,GID=%s)", st.CmdUser, group, u.Uid, gid)
}

// severityOf returns the severity of the message for an event. A grant that other rules
// still block is a warning.
func severityOf(ev *monitor.Event) severity {
	switch ev.Kind {
	case monitor.Granted, monitor.Extended:
		if len(ev.Blocked) == 0 {
			return info
		}
	case monitor.Cut:
		if ev.Connections.Open == 0 {
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
	stanza, _ := d.conf().Access.TitleOf(0, g.Stanza)
	d.logf(sev, "%s", report.ExternalText(&g, stanza, opening, result, err))
}
