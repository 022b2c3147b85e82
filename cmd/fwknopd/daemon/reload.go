package daemon

import (
	"cmp"
	"os"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy/conf"
)

// reload reads the configuration again. If it has errors, nothing changes. Grants,
// digests and the state of knock sequences are kept. If quiet is set, an unchanged
// configuration is not logged, and one that is being written is left for later: it may
// have been read in half: the verdict is zero. The worker follows later.
func (d *daemon) reload(quiet bool) (verdict report.Reload) {
	unchanged := time.Now().Add(-settle)
	s, problems := prepare(d.o)
	if quiet && written(d.conf().Files, unchanged) {
		time.AfterFunc(settle, d.files.signal)
		return verdict
	}
	for _, p := range problems {
		d.logf(warning, "%s", p)
	}
	switch {
	case problems.Failed():
		d.events.reopen() // it may have been rotated
		verdict = report.NewReload(time.Now(), 0, problems)
		d.alertf(warning, "%s", verdict.Text())
	case quiet && s.workerConfig.Equal(d.conf().workerConfig):
		return verdict
	default:
		notifyReloading()
		defer d.notifyReady()
		problems = append(problems, d.adopt(s)...)
		verdict = report.NewReload(time.Now(), len(s.Access.Stanzas), problems)
		d.logf(info, "%s", verdict.Text())
	}
	d.keepVerdict(verdict)
	return verdict
}

// adopt puts a configuration in force in place of the one before, and returns what of it is not.
func (d *daemon) adopt(s *setup) (problems conf.Problems) {
	old := d.conf()
	s.atStart = cmp.Or(old.atStart, old.Values)
	for _, keyword := range s.Values.Changed(s.atStart) {
		p := report.NextStart(keyword)
		d.logf(warning, "%s", p.Text)
		problems = append(problems, p)
	}
	s.workerConfig.Generation = old.workerConfig.Generation + 1
	d.mu.Lock()
	d.setup = s
	d.mu.Unlock()
	d.logger.configure(s.Loaded)
	if !d.o.Test || s.Values.IsSet("EVENT_LOG") {
		d.openEvents(s.Server)
	}
	d.nameSources()
	for _, move := range []func() *conf.Problem{d.moveMetrics, func() *conf.Problem { return d.moveFleet(s) }} {
		if p := move(); p != nil {
			problems = append(problems, *p)
		}
	}
	d.mon.Reload(d.workerPolicy())
	d.dropFiles()
	d.mon.Notify(privsep.NoticeReload)
	d.warnUses()
	if files := d.files; files != nil {
		files.replace(s.Files)
	}
	return problems
}

// written reports whether one of the files was written to after t.
func written(names []string, t time.Time) bool {
	now := time.Now()
	return slices.ContainsFunc(names, func(name string) bool {
		st, err := os.Stat(name)
		return err == nil && st.ModTime().After(t) && !st.ModTime().After(now)
	})
}
