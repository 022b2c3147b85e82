//go:build !fsnotify

package ingest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A route is the directories and symbolic links that a path resolves through, and the
// file at its end.
type route struct {
	path     string
	real     string               // the file, without symbolic links
	dirs     map[int32]*dirOnPath // by inotify's watch descriptor
	complete bool                 // all of it is watched
	stale    bool                 // something on it changed: follow must be called again
}

// A dirOnPath is a watched directory. Only events of the names that the path resolves
// through count and, in the file's own directory, of names that begin with its stem.
type dirOnPath struct {
	names []string
	stem  string // empty: not the file's
}

func (d *dirOnPath) leads(name string) bool { return slices.Contains(d.names, name) }

func (d *dirOnPath) holds(name string) bool { return d.stem != "" && strings.HasPrefix(name, d.stem) }

func newRoute(path string) route {
	r := route{path: path, real: path}
	r.resolve()
	return r
}

// resolve sets real, which keeps its value while the path does not exist.
func (r *route) resolve() {
	if real, err := filepath.EvalSymlinks(r.path); err == nil {
		r.real = real
	}
}

func (r *route) base() string { return filepath.Base(r.real) }

// remote reports whether a file is on a file system that other machines may write to:
// inotify does not report their writes.
func remote(path string) bool {
	const cifs, smb2, v9fs = 0xff534d42, 0xfe534d42, 0x01021997
	var st unix.Statfs_t
	if unix.Statfs(filepath.Dir(path), &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, cifs, smb2, v9fs:
		return true
	}
	return false
}

// follow resolves the path, watches the directories on it and removes the watches of those
// that are no longer on it.
func (r *route) follow(inotify int) {
	before := r.dirs
	r.dirs, r.stale = make(map[int32]*dirOnPath), false
	walk := walk{route: r, inotify: inotify, dir: "/", rest: parts(r.path)}
	r.complete = walk.run()
	for wd := range before {
		if r.dirs[wd] == nil {
			_, _ = unix.InotifyRmWatch(inotify, uint32(wd)) // may be gone already
		}
	}
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// A walk resolves a path name by name. Each name is watched before it is read, so that no
// change is missed.
type walk struct {
	*route
	inotify int
	dir     string   // so far, without links
	rest    []string // to go
	links   int
}

// run reports whether the whole path is watched. Of a missing directory it is enough that
// its name in its parent is.
func (w *walk) run() (complete bool) {
	for len(w.rest) > 0 {
		name, last := w.rest[0], len(w.rest) == 1
		w.rest = w.rest[1:]
		at := filepath.Join(w.dir, name) // also for "." and ".."
		watched := true
		switch {
		case name == "." || name == "..":
			w.dir = at
			continue
		case last:
			watched = w.watch(w.dir, nameEvents, name, "")
		case len(w.rest) == 1: // a removed directory gives no event while a file in it is open
			w.watch(w.dir, nameEvents, name, "")
			fallthrough
		default: // without read permission it cannot be watched, which does not matter unless it is renamed
			w.watch(at, selfEvents, "", "")
		}
		target, err := os.Readlink(at)
		switch {
		case err == nil:
			if w.links++; w.links > maxPathLinks || !w.watch(w.dir, nameEvents, name, "") {
				return false
			}
			w.detour(target)
		case last:
			w.real = at
			return watched && w.watch(w.dir, nameEvents, name, stem(at))
		case os.IsNotExist(err):
			return w.watch(w.dir, nameEvents, name, "") && !exists(at)
		default:
			w.dir = at
		}
	}
	return false // it ends in a directory
}

// detour continues with the target of a symbolic link.
func (w *walk) detour(target string) {
	if filepath.IsAbs(target) {
		w.dir = "/"
	}
	w.rest = append(parts(target), w.rest...)
}

// watch adds events to the watch of a directory, and name and stem, if not empty, to the
// names whose events count.
func (w *walk) watch(dir string, events uint32, name, stem string) bool {
	wd, err := unix.InotifyAddWatch(w.inotify, dir, events|selfEvents|unix.IN_MASK_ADD)
	if err != nil {
		return false
	}
	d := w.dirs[int32(wd)]
	if d == nil {
		d = new(dirOnPath)
		w.dirs[int32(wd)] = d
	}
	if name != "" && !d.leads(name) {
		d.names = append(d.names, name)
	}
	if stem != "" {
		d.stem = stem
	}
	return true
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
