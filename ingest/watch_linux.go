//go:build !fsnotify

package ingest

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	selfEvents = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	nameEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE
	fileEvents = unix.IN_MODIFY
)

// A watcher wakes its owner when something may have changed at a path: the open
// files it was given were written to, a link or directory that the path leads
// through changed, or names that begin like the file's came or went in its directory.
// It is inotify by itself, because fsnotify can neither leave out the other files of a
// directory, of which /var/log has busy ones, nor keep its eye on a file that was
// renamed.
type watcher struct {
	route
	visitors
	inotify  *os.File // nil: polling
	raw      syscall.RawConn
	closed   chan struct{}
	buf      [4096]byte
	take     func(fd uintptr) // reads events into buf, made once
	taken    int
	dirty    bool // the directory changed since the owner last cleared this
	pending  bool // there was an event since the last wait
	overflow bool // there were more events than the kernel keeps
}

// newWatcher watches path. poll makes it poll always.
func newWatcher(path string, poll bool) *watcher {
	w := &watcher{route: newRoute(path), closed: make(chan struct{}), dirty: true}
	if poll || remote(w.real) {
		return w
	}
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return w
	}
	w.inotify = os.NewFile(uintptr(fd), "inotify")
	w.raw, _ = w.inotify.SyscallConn() // there is no error for a file that is open
	w.take = func(fd uintptr) { w.taken, _ = unix.Read(int(fd), w.buf[:]) }
	return w
}

// watchPath makes sure that all that the path leads through is watched, and returns
// where it leads to. It reports false if something of it cannot be watched.
func (w *watcher) watchPath() (real string, complete bool) {
	if w.inotify == nil {
		w.resolve()
		return w.real, false
	}
	if w.stale || !w.complete {
		was := w.real
		w.follow(fileFD(w.inotify))
		if w.real != was {
			w.visitors = visitors{}
		}
	}
	return w.real, w.complete
}

// watchFile wakes the owner when the open file f is written to, whatever its name
// is by then. It reports false if that cannot be had.
func (w *watcher) watchFile(f *os.File) (wd int, ok bool) {
	if w.inotify == nil {
		return 0, false
	}
	wd, err := unix.InotifyAddWatch(fileFD(w.inotify), "/proc/self/fd/"+strconv.Itoa(fileFD(f)), fileEvents)
	return wd, err == nil
}

func (w *watcher) unwatchFile(wd int) {
	_, _ = unix.InotifyRmWatch(fileFD(w.inotify), uint32(wd)) // the kernel drops it with the last link anyway
}

// drain takes the events that are there, without waiting, and reports whether the
// directory changed.
func (w *watcher) drain() (changed bool) {
	if w.inotify == nil {
		return false
	}
	dirty := w.dirty
	w.dirty = false
	for w.raw.Control(w.take) == nil && w.taken > 0 {
		w.pending = w.events(w.buf[:w.taken]) || w.pending
	}
	changed, w.dirty = w.dirty, w.dirty || dirty
	return changed
}

// wait returns when something may have happened since it last returned, or d has
// passed; d of 0 means for ever. It returns the context's error, or os.ErrClosed
// after close.
func (w *watcher) wait(ctx context.Context, d time.Duration) error {
	if w.inotify == nil {
		return w.poll(ctx, d)
	}
	if w.pending {
		w.pending = false
		return ctx.Err()
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	if err := w.inotify.SetReadDeadline(deadline); err != nil {
		return os.ErrClosed // there is no other reason, and it has no error of its own
	}
	stop := context.AfterFunc(ctx, func() { w.inotify.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		n, err := w.inotify.Read(w.buf[:])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		if w.events(w.buf[:n]) {
			return nil
		}
	}
}

func (w *watcher) poll(ctx context.Context, d time.Duration) error {
	if d == 0 || d > pollInterval {
		d = pollInterval
	}
	if err := pause(ctx, w.closed, d); err != nil {
		return err
	}
	w.dirty = true
	return nil
}

// events reports whether one of the events in b concerns the path.
func (w *watcher) events(b []byte) (ours bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		end := unix.SizeofInotifyEvent + int(ev.Len)
		name := b[unix.SizeofInotifyEvent:end]
		b = b[end:]
		if ev.Mask&unix.IN_MODIFY != 0 {
			ours = true
		} else if w.dirEvent(ev, unix.ByteSliceToString(name)) {
			w.dirty, ours = true, true
		}
	}
	return ours
}

// dirEvent reports whether an event of a directory concerns the path.
func (w *watcher) dirEvent(ev *unix.InotifyEvent, name string) bool {
	d := w.dirs[ev.Wd]
	switch {
	case ev.Mask&unix.IN_Q_OVERFLOW != 0:
		w.stale, w.overflow = true, true
		w.visitors = visitors{}
		return true
	case d == nil:
		return false
	case ev.Mask&nameEvents == 0: // it was removed or renamed itself
		w.stale = true
		return true
	}
	matters := d.holds(name)
	if d.leads(name) {
		w.stale, matters = true, true
	}
	if matters && d.stem != "" && ev.Mask&unix.IN_ISDIR == 0 {
		w.visit(name, name == w.base(), ev.Mask, ev.Cookie)
	}
	return matters
}

// close ends a wait. It may be called from another goroutine, once.
func (w *watcher) close() {
	close(w.closed)
	if w.inotify != nil {
		w.inotify.Close()
	}
}
