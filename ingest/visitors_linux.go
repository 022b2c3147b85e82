//go:build !fsnotify

package ingest

import "golang.org/x/sys/unix"

// visitors are the files that came to a path, by the events of its directory: a
// file that is there for a moment may be gone when it is to be opened. A file that
// is renamed stays the same one, so that one that gets its name back comes once.
type visitors struct {
	came   int // files at the path that have to be opened
	names  map[string]*visitor
	moving *visitor // between two names
	cookie uint32
}

type visitor struct{ came bool }

// visit takes down an event. here is true if the name is the path's own.
func (v *visitors) visit(name string, here bool, mask, cookie uint32) {
	switch {
	case mask&unix.IN_DELETE != 0:
		delete(v.names, name)
	case mask&unix.IN_MOVED_FROM != 0:
		v.moving, v.cookie = v.names[name], cookie
		if v.moving == nil { // from before we watched
			v.moving = &visitor{came: here}
		}
		delete(v.names, name)
	case mask&unix.IN_MOVED_TO != 0 && v.moving != nil && v.cookie == cookie:
		v.arrive(name, here, v.moving)
		v.moving = nil
	default:
		v.arrive(name, here, new(visitor))
	}
}

func (v *visitors) arrive(name string, here bool, file *visitor) {
	if v.names == nil {
		v.names = make(map[string]*visitor)
	}
	v.names[name] = file
	if here && !file.came {
		file.came = true
		v.came++
	}
}
