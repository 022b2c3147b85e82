package daemon

import (
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// reload reads the configuration again. If it has errors, nothing changes. Grants,
// digests and the state of knock sequences are kept. If quiet is set, an unchanged
// configuration is not logged.
func (d *daemon) reload(quiet bool) {
	s, problems := prepare(d.o)
	for _, p := range problems {
		d.logf(warning, "%s", p)
	}
	if problems.Failed() {
		d.alertf(warning, "the new configuration is refused, the old one stays in force")
		return
	}
	if quiet && s.workerConfig.Equal(d.conf().workerConfig) {
		return
	}
	old := d.conf()
	notifyReloading()
	defer d.notifyReady()
	for _, keyword := range s.Values.Changed(old.Values) {
		d.logf(warning, "%s has changed: that counts from the next start on", keyword)
	}
	d.mu.Lock()
	d.setup = s
	d.mu.Unlock()
	d.logger.configure(s.Loaded)
	if !d.o.Test || s.Values.IsSet("EVENT_LOG") {
		d.events.open(s.Server.EventLog)
	}
	d.mon.Reload(d.workerPolicy())
	d.mon.Notify(privsep.NoticeReload)
	if files := d.files; files != nil {
		files.replace(s.Files)
	}
	d.logf(info, "configuration loaded again: %s", conf.Count(len(s.Access.Stanzas), "stanza"))
}
