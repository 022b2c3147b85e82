package ingest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pollInterval is how often a path is looked at where the kernel tells nothing:
// network file systems, inotify limits reached, a directory that is missing.
const pollInterval = 250 * time.Millisecond

const (
	dirEvents  = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	fileEvents = unix.IN_MODIFY
)

// A watcher wakes its owner when something may have happened to a path: the open
// files it was given were written to, or names that begin like the path's came or
// went in its directory. It is inotify by itself, because fsnotify can neither
// leave out the other files of a directory, of which /var/log has busy ones, nor
// keep its eye on a file that was renamed.
type watcher struct {
	inotify *os.File // nil: polling
	closed  chan struct{}
	stem    string
	dirs    map[string]dirWatch
	buf     [4096]byte
	dirty   bool // the directory changed since the owner last asked
}

// A dirWatch is a watched directory and the names in it that matter: those that
// begin with prefix, if it holds the path, or the one directory that does.
type dirWatch struct {
	wd     int32
	prefix string
	child  string
}

// newWatcher watches path. poll makes it poll always.
func newWatcher(path string, poll bool) *watcher {
	w := &watcher{closed: make(chan struct{}), stem: stem(path), dirs: make(map[string]dirWatch), dirty: true}
	if poll || remote(filepath.Dir(path)) {
		return w
	}
	if fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC); err == nil {
		w.inotify = os.NewFile(uintptr(fd), "inotify")
	}
	return w
}

// stem is what the names of a log's generations have in common: "kern" for
// kern.log, kern.log.1 and kern-20261122.log.
func stem(path string) string {
	base := filepath.Base(path)
	if i := strings.IndexByte(base, '.'); i > 0 {
		return base[:i]
	}
	return base
}

// remote says whether dir is on a file system that other machines write to,
// unseen by inotify.
func remote(dir string) bool {
	const cifs, smb2, v9fs = 0xff534d42, 0xfe534d42, 0x01021997
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, cifs, smb2, v9fs:
		return true
	}
	return false
}

// watchPath makes sure that the directories a path leads through are watched: its
// own, and that of each symbolic link's target, and the parents of these, as a
// directory that is removed does not tell while a file of it is open.
func (w *watcher) watchPath(path string) (complete bool) {
	if w.inotify == nil {
		return false
	}
	complete = true
	prefix := w.stem
	for range 8 { // links
		dir := filepath.Dir(path)
		complete = w.watchDir(dir, dirWatch{prefix: prefix}) && complete
		if parent := filepath.Dir(dir); parent != dir {
			w.watchDir(parent, dirWatch{child: dir})
		}
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path, prefix = target, "" // a link's target may have any name
	}
	return complete
}

func (w *watcher) watchDir(dir string, d dirWatch) bool {
	if old, ok := w.dirs[dir]; ok && (d.child != "" || old.child == "") {
		return true
	}
	wd, err := unix.InotifyAddWatch(w.fd(), dir, dirEvents)
	if err != nil {
		return false
	}
	d.wd = int32(wd)
	w.dirs[dir] = d
	return true
}

func (w *watcher) fd() int { return fileFD(w.inotify) }

// fileFD returns the descriptor of f without the side effect of f.Fd, which makes
// it block; -1 if f is closed.
func fileFD(f *os.File) int {
	n := -1
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { n = int(fd) })
	}
	return n
}

// watchFile wakes the owner when the open file f is written to, whatever its name
// is by then. It reports false if that cannot be had.
func (w *watcher) watchFile(f *os.File) (wd int, ok bool) {
	if w.inotify == nil {
		return 0, false
	}
	wd, err := unix.InotifyAddWatch(w.fd(), "/proc/self/fd/"+strconv.Itoa(fileFD(f)), fileEvents)
	return wd, err == nil
}

func (w *watcher) unwatchFile(wd int) {
	_, _ = unix.InotifyRmWatch(w.fd(), uint32(wd)) // the kernel drops it with the last link anyway
}

// wait returns when something may have happened, or d has passed; d of 0 means
// for ever. It returns the context's error, or os.ErrClosed after close.
func (w *watcher) wait(ctx context.Context, d time.Duration) error {
	if w.inotify == nil {
		return w.poll(ctx, d)
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	if err := w.inotify.SetReadDeadline(deadline); err != nil {
		return err
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
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closed:
		return os.ErrClosed
	case <-t.C:
		w.dirty = true
		return nil
	}
}

// events says whether one of the events in b concerns the path.
func (w *watcher) events(b []byte) (ours bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		end := unix.SizeofInotifyEvent + int(ev.Len)
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:end]), "\x00")
		b = b[end:]
		if ev.Mask&unix.IN_MODIFY != 0 {
			ours = true
		} else if w.dirEvent(ev.Wd, ev.Mask, name) {
			w.dirty, ours = true, true
		}
	}
	return ours
}

// dirEvent says whether an event of a directory concerns the path, and forgets
// directories that are no longer what they were, so that watchPath takes their
// successors.
func (w *watcher) dirEvent(wd int32, mask uint32, name string) bool {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		clear(w.dirs)
		return true
	}
	for dir, d := range w.dirs {
		switch {
		case d.wd != wd:
		case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED) != 0:
			w.forget(dir)
			return true
		case d.child == filepath.Join(dir, name):
			w.forget(d.child)
			return true
		case d.child == "":
			return strings.HasPrefix(name, d.prefix)
		}
	}
	return false
}

func (w *watcher) forget(dir string) {
	if d, ok := w.dirs[dir]; ok {
		delete(w.dirs, dir)
		_, _ = unix.InotifyRmWatch(w.fd(), uint32(d.wd)) // may be gone already
	}
}

// close ends a wait. It may be called from another goroutine, once.
func (w *watcher) close() {
	close(w.closed)
	if w.inotify != nil {
		w.inotify.Close()
	}
}
