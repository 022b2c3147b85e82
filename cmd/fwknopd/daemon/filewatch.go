package daemon

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the configuration must be quiet after a change: editors and
// tools write in several steps.
const settle = 500 * time.Millisecond

// A fileWatch tells when one of the configuration files changes. It watches their
// folders: editors replace files.
type fileWatch struct {
	w     *fsnotify.Watcher
	names map[string]bool
	out   chan struct{}
	set   chan []string
}

// watchFiles begins to watch the files of the configuration.
func (d *daemon) watchFiles() (*fileWatch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	f := &fileWatch{w: w, out: make(chan struct{}, 1), set: make(chan []string, 1)}
	f.watch(d.conf().Files)
	d.files = f
	go f.run()
	return f, nil
}

func (f *fileWatch) watch(names []string) {
	f.names = make(map[string]bool)
	for _, name := range names {
		f.names[filepath.Clean(name)] = true
		_ = f.w.Add(filepath.Dir(name)) // a folder that cannot be watched is not
	}
}

// follow watches other files from now on.
func (f *fileWatch) replace(names []string) {
	select {
	case f.set <- names:
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
		case names := <-f.set:
			f.watch(names)
		case <-quiet:
			quiet = nil
			select {
			case f.out <- struct{}{}:
			default:
			}
		}
	}
}

// changes is nil, and never says anything, without a watch.
func (f *fileWatch) changes() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.out
}

// Close stops watching.
func (f *fileWatch) Close() error { return f.w.Close() }
