package daemon

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

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

// settle is how long the configuration must be unchanged before it is reloaded: editors
// and tools write in several steps.
const settle = 500 * time.Millisecond

// A fileWatch reports changes of the configuration files. It watches their directories,
// because editors replace files.
type fileWatch struct {
	w        *fsnotify.Watcher
	names    map[string]bool
	changed  chan struct{}
	replaced chan []string
}

// watchFiles starts watching the configuration files.
func (d *daemon) watchFiles() (*fileWatch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	f := &fileWatch{w: w, changed: make(chan struct{}, 1), replaced: make(chan []string, 1)}
	f.watch(d.conf().Files)
	d.files = f
	go f.run()
	return f, nil
}

// watch sets the watched files to names.
func (f *fileWatch) watch(names []string) {
	f.names = make(map[string]bool)
	for _, name := range names {
		f.names[filepath.Clean(name)] = true
		_ = f.w.Add(filepath.Dir(name)) // a directory that cannot be watched is left out
	}
}

// replace has the files in names watched in place of the current ones.
func (f *fileWatch) replace(names []string) {
	select {
	case f.replaced <- names:
	default:
	}
}

func (f *fileWatch) run() {
	var quiet <-chan time.Time
	for {
		select {
		case ev, ok := <-f.w.Events:
			if !ok {
				return
			}
			if f.names[filepath.Clean(ev.Name)] && ev.Op != fsnotify.Chmod {
				quiet = time.After(settle)
			}
		case _, ok := <-f.w.Errors:
			if !ok {
				return
			}
		case names := <-f.replaced:
			f.watch(names)
		case <-quiet:
			quiet = nil
			f.signal()
		}
	}
}

func (f *fileWatch) signal() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// written reports whether one of the files was written to after t.
func written(names []string, t time.Time) bool {
	now := time.Now()
	return slices.ContainsFunc(names, func(name string) bool {
		st, err := os.Stat(name)
		return err == nil && st.ModTime().After(t) && !st.ModTime().After(now)
	})
}

// changes returns the channel of changes; nil if f is nil.
func (f *fileWatch) changes() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.changed
}

// Close stops watching.
func (f *fileWatch) Close() error { return f.w.Close() }
