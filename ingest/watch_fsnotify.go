//go:build freebsd || fsnotify

package ingest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// unheardInterval bounds each wait: fsnotify begins to watch a new file only after it has
// reported it, and what is written in between is missed.
const unheardInterval = time.Second

// A watcher wakes its owner when something may have changed at a path: names that begin
// like the file's came or went in its directory, or such a file was written to. It is
// fsnotify, which is kqueue on FreeBSD. A path that leads through symbolic links is
// polled. Files that come and go between two looks are not counted.
type watcher struct {
	path     string
	real     string            // where it leads to, without links
	dir      string            // that is watched, "" for none
	notify   *fsnotify.Watcher // nil: polling
	closed   chan struct{}
	came     int  // files at the path that have to be opened: not known
	dirty    bool // the directory changed since the owner last cleared this
	pending  bool // there was an event since the last wait
	overflow bool // there were more events than are kept
}

// newWatcher watches path. poll makes it poll always.
func newWatcher(path string, poll bool) *watcher {
	w := &watcher{path: path, real: path, closed: make(chan struct{}), dirty: true}
	w.resolve()
	if !poll {
		w.notify, _ = fsnotify.NewBufferedWatcher(1024) // else it polls
	}
	return w
}

// resolve looks where the path leads to. While it leads nowhere, it is where it was.
func (w *watcher) resolve() {
	if real, err := filepath.EvalSymlinks(w.path); err == nil {
		w.real = real
	}
}

// watchPath makes sure that the directory of the file is watched, and returns where the
// path leads to. It reports false if something of it is not watched.
func (w *watcher) watchPath() (real string, complete bool) {
	w.resolve()
	if w.notify == nil {
		return w.real, false
	}
	if dir := filepath.Dir(w.real); dir != w.dir {
		if w.dir != "" {
			_ = w.notify.Remove(w.dir) // it may be gone
		}
		if w.dir = dir; w.notify.Add(dir) != nil {
			w.dir = ""
		}
	}
	return w.real, w.dir != "" && w.real == w.path
}

// watchFile reports whether a write to the open file f wakes the owner: fsnotify watches
// all files of the directory.
func (w *watcher) watchFile(f *os.File) (wd int, ok bool) {
	return 0, w.notify != nil && filepath.Dir(f.Name()) == w.dir
}

func (w *watcher) unwatchFile(int) {}

// drain takes the events that are there, without waiting, and reports whether the
// directory changed.
func (w *watcher) drain() (changed bool) {
	if w.notify == nil {
		return false
	}
	dirty := w.dirty
	w.dirty = false
	for {
		select {
		case ev, ok := <-w.notify.Events:
			if !ok { // closed
				return false
			}
			w.pending = w.event(ev) || w.pending
			continue
		case _, ok := <-w.notify.Errors:
			if !ok {
				return false
			}
			w.lost()
		default:
		}
		break
	}
	changed, w.dirty = w.dirty, w.dirty || dirty
	return changed
}

// wait returns when something may have happened since it last returned, or d has passed;
// d of 0 means for ever, which it does not take literally. It returns the context's
// error, or os.ErrClosed after close.
func (w *watcher) wait(ctx context.Context, d time.Duration) error {
	var events chan fsnotify.Event
	var errs chan error
	most := pollInterval
	if w.notify != nil {
		events, errs, most = w.notify.Events, w.notify.Errors, unheardInterval
	}
	if w.pending {
		w.pending = false
		return ctx.Err()
	}
	if d == 0 || d > most {
		d = most
	}
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.closed:
			return os.ErrClosed
		case <-t.C:
			w.dirty = true
			return nil
		case ev, ok := <-events:
			if !ok {
				return os.ErrClosed
			}
			if w.event(ev) {
				return nil
			}
		case _, ok := <-errs:
			if !ok {
				return os.ErrClosed
			}
			w.lost()
			return nil
		}
	}
}

// event reports whether ev concerns the path.
func (w *watcher) event(ev fsnotify.Event) bool {
	const gone = fsnotify.Remove | fsnotify.Rename
	if ev.Name == w.dir {
		if ev.Op&gone != 0 { // another one of its name may come
			_ = w.notify.Remove(w.dir)
			w.dir, w.dirty = "", true
		}
		return ev.Op&gone != 0
	}
	if !strings.HasPrefix(filepath.Base(ev.Name), stem(w.real)) {
		return false
	}
	w.dirty = w.dirty || ev.Op&(gone|fsnotify.Create) != 0
	return true
}

// lost is for events that are not known.
func (w *watcher) lost() { w.dirty, w.pending, w.overflow = true, true, true }

// close ends a wait. It may be called from another goroutine, once.
func (w *watcher) close() {
	close(w.closed)
	if w.notify != nil {
		w.notify.Close()
	}
}
