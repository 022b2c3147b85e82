// Package safepath opens files as OpenSSH's StrictModes does: it finds what lets users
// other than root and our own replace or modify a file, in the file and in each folder
// and symbolic link that its path leads through.
//
// Names are resolved one by one, each in the open folder before it, and owner and mode
// are those of the opened folders and file. So nothing can be exchanged between the
// check and the use.
//
// Entry points: [Open] for configuration, [OpenData] for logs, [CheckOwn] for what the
// program wrote itself.
package safepath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Fault is what lets others than root and our own user replace or modify a file.
type Fault struct {
	Path string // the file, or a folder or symbolic link on the way to it
	Text string // what is wrong, with the command that mends it
	Link bool   // it is a symbolic link of another user
}

// String implements fmt.Stringer.
func (f Fault) String() string { return f.Path + ": " + f.Text }

// Open opens a file or folder for reading, without waiting if it is a pipe. It returns
// the faults of the folders and links on the way, outermost first, and of what it opened.
func Open(name string) (file *os.File, way, own []Fault, err error) {
	w := walk{dir: -1, rest: names(name)}
	if !filepath.IsAbs(name) {
		here, err := os.Getwd()
		if err != nil {
			return nil, nil, nil, err
		}
		w.rest = append(names(here), w.rest...)
	}
	defer w.close()
	fd, err := w.run()
	if err != nil {
		return nil, nil, nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, nil, nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), w.faults, faults(name, &st), nil
}

// Check returns all faults of a file or folder. One that cannot be opened has none.
func Check(name string) []Fault {
	f, way, own, err := Open(name)
	if err != nil {
		return nil
	}
	f.Close()
	return append(way, own...)
}

// OpenData opens a file that holds data, not configuration: those who write it may own it.
// A symbolic link that another user made is refused, for it may lead to what that user must
// not read, or to one of his own files in place of another's.
func OpenData(name string) (*os.File, error) {
	f, way, _, err := Open(name)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(way, func(fault Fault) bool { return fault.Link }); i >= 0 {
		f.Close()
		return nil, errors.New(way[i].String())
	}
	return f, nil
}

// CheckOwn returns an error unless an open file is one that the program made: a regular
// file of root or of our user, without a second name. Others can give a file such a name in
// a folder that they may write to.
func CheckOwn(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s: not a regular file", f.Name())
	case !trusted(st.Uid):
		return fmt.Errorf("%s: belongs to %s", f.Name(), userName(st.Uid))
	case st.Nlink > 1:
		return fmt.Errorf("%s: has a second name (hard link)", f.Name())
	}
	return nil
}

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// A walk resolves a path name by name.
type walk struct {
	dir    int      // the folder so far, open; -1: none
	path   string   // its path, without symbolic links
	rest   []string // to go
	links  int
	faults []Fault
}

func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// run returns the descriptor of what the path leads to.
func (w *walk) run() (int, error) {
	if err := w.enter(unix.AT_FDCWD, "/", "/"); err != nil {
		return -1, err
	}
	for len(w.rest) > 0 {
		name := w.rest[0]
		w.rest = w.rest[1:]
		var st unix.Stat_t
		if err := unix.Fstatat(w.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return -1, err
		}
		switch {
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			if err := w.follow(name, &st); err != nil {
				return -1, err
			}
		case len(w.rest) == 0:
			return w.open(name)
		default:
			if err := w.enter(w.dir, name, filepath.Join(w.path, name)); err != nil {
				return -1, err
			}
		}
	}
	return w.open(".")
}

// open opens name in the folder so far. A link that has taken the place of a file since is
// an error.
func (w *walk) open(name string) (int, error) {
	return unix.Openat(w.dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// enter opens the folder name in dir and continues in it.
func (w *walk) enter(dir int, name, path string) error {
	fd, err := unix.Openat(dir, name, search|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.close()
	w.dir, w.path = fd, path
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	for _, fault := range faults(path, &st) {
		if !slices.Contains(w.faults, fault) { // a path may lead through a folder twice
			w.faults = append(w.faults, fault)
		}
	}
	return nil
}

// follow continues with the target of a symbolic link. Its owner counts because in a
// folder like /tmp any user can make one.
func (w *walk) follow(name string, st *unix.Stat_t) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	if path := filepath.Join(w.path, name); !trusted(st.Uid) {
		text := fmt.Sprintf("is a symbolic link that belongs to %s, not to root: chown -h root %s", userName(st.Uid), path)
		w.faults = append(w.faults, Fault{path, text, true})
	}
	var target [unix.PathMax]byte
	n, err := unix.Readlinkat(w.dir, name, target[:])
	if err != nil {
		return err
	}
	w.rest = append(names(string(target[:n])), w.rest...)
	if n > 0 && target[0] == '/' {
		return w.enter(unix.AT_FDCWD, "/", "/")
	}
	return nil
}

func (w *walk) close() {
	if w.dir >= 0 {
		unix.Close(w.dir)
	}
	w.dir = -1
}

// faults returns what owner and mode of a file or folder let others do.
func faults(path string, st *unix.Stat_t) (found []Fault) {
	if !trusted(st.Uid) {
		found = append(found, Fault{Path: path, Text: fmt.Sprintf("belongs to %s, not to root: chown root %s", userName(st.Uid), path)})
	}
	if st.Mode&0o022 != 0 && !harmless(st) {
		found = append(found, Fault{Path: path, Text: fmt.Sprintf("may be written by others than its owner (mode %#o): chmod go-w %s", uint32(st.Mode)&0o7777, path)})
	}
	return found
}

// trusted reports whether what belongs to a user is as good as our own.
func trusted(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// harmless reports whether it does no harm that others may write to st: a folder of root
// in which they can replace only their own files, as /tmp, or, for a user other than
// root, a folder of his own that his group may write to, as with umask 002.
func harmless(st *unix.Stat_t) bool {
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false
	}
	if st.Uid == 0 {
		return st.Mode&unix.S_ISVTX != 0
	}
	return int(st.Uid) == os.Geteuid() && st.Mode&0o002 == 0
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("%s (uid %s)", u.Username, id)
	}
	return "uid " + id
}
