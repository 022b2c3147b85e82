//go:build !fsnotify

package ingest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// A route is what a path leads through: directories, symbolic links in them, the
// directories that these lead through, and at last the file.
type route struct {
	path     string
	real     string               // where it leads to, without links
	dirs     map[int32]*dirOnPath // by inotify's watch descriptor
	complete bool                 // all of it is watched
	stale    bool                 // some of it changed: it has to be followed again
}

// A dirOnPath is a watched directory. Of the names in it matter those that the path
// leads through and, in the file's own directory, those that begin like the file's.
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

// resolve looks where the path leads to. While it leads nowhere, it is where it
// was.
func (r *route) resolve() {
	if real, err := filepath.EvalSymlinks(r.path); err == nil {
		r.real = real
	}
}

func (r *route) base() string { return filepath.Base(r.real) }

// remote reports whether a file is in a directory of a file system that other machines
// write to, unseen by inotify.
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

// follow goes the way of the path and has inotify watch it, and what it no longer
// leads through no more.
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

// A walk follows a path name by name. What is watched is looked at after that, so
// that no change is missed.
type walk struct {
	*route
	inotify int
	dir     string   // so far, without links
	rest    []string // to go
	links   int
}

// run reports whether all is watched. A directory that is missing is: its name is.
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
		default: // one that may not be read cannot be watched, and is hardly ever renamed
			w.watch(at, selfEvents, "", "")
		}
		target, err := os.Readlink(at)
		switch {
		case err == nil:
			if w.links++; w.links > maxLinks || !w.watch(w.dir, nameEvents, name, "") {
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

// detour goes on by way of a link.
func (w *walk) detour(target string) {
	if filepath.IsAbs(target) {
		w.dir = "/"
	}
	w.rest = append(parts(target), w.rest...)
}

// watch adds events of a directory to those that are watched, and names to those
// that matter.
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
