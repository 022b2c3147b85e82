package daemon

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

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

// changes returns the channel of changes; nil if f is nil.
func (f *fileWatch) changes() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.changed
}

// Close stops watching.
func (f *fileWatch) Close() error { return f.w.Close() }
