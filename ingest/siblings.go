package ingest

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// siblings is the directory around a path, and which of its files are known: read,
// being read, or none of ours.
type siblings struct {
	path  string // without links
	dir   fileID // of its directory
	known map[fileID]bool
	more  bool                 // there were more candidates than were opened at once
	empty map[fileID]time.Time // files without content and since when, at the last call of noteSiblings
}

func newSiblings(path string) siblings { return siblings{path: path, known: make(map[fileID]bool)} }

func (b *siblings) markKnown(id fileID) { b.known[id] = true }

// A candidate is an open file that may have been at the path.
type candidate struct {
	fileStat
	f    *os.File
	head head
}

// candidates opens the unknown files beside the path that a rotation could have
// named, in the order in which they were last written to. The caller closes them.
func (b *siblings) candidates() []candidate { return b.candidatesBefore(fileID{}) }

// candidatesBefore is candidates without those that came after the file id. That one is beside the
// path if it was renamed since it was opened there; the next look finds what followed it.
func (b *siblings) candidatesBefore(id fileID) (found []candidate) {
	dir := filepath.Dir(b.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	base, stem := filepath.Base(b.path), stem(b.path)
	present := make(map[fileID]bool)
	b.more = false
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stem) || !e.Type().IsRegular() {
			continue
		}
		file, st, err := b.open(filepath.Join(dir, e.Name()), id)
		if err != nil {
			continue
		}
		twice := present[st.fileID] // renamed while we looked, or linked
		present[st.fileID] = true
		switch {
		case file == nil:
		case e.Name() == base || twice:
			file.Close()
		case len(found) == maxRotated:
			b.more = true
			file.Close()
		default:
			found = append(found, candidate{st, file, readHead(file)})
		}
	}
	if !b.inPlace() { // what was opened may be of either directory
		closeAll(found)
		return nil
	}
	b.forget(present)
	slices.SortFunc(found, inOrder)
	if i := slices.IndexFunc(found, func(c candidate) bool { return c.fileID == id }); i >= 0 {
		closeAll(found[i:])
		found = found[:i]
	}
	return found
}

func closeAll(found []candidate) {
	for _, c := range found {
		c.f.Close()
	}
}

// inOrder compares candidates by when they were last written to. Files of one tick of
// the file system's clock have the same time; then creation decides, and then the number
// that rotation gave them, of which the higher one is the older.
func inOrder(x, y candidate) int {
	return cmp.Or(cmp.Compare(x.mtime, y.mtime), cmp.Compare(x.fileID.born, y.fileID.born),
		cmp.Compare(rotationNumber(y.f.Name()), rotationNumber(x.f.Name())))
}

// rotationNumber is the number at the end of a rotated file's name, "kern.log.2"; 0 if there
// is none.
func rotationNumber(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(name), "."))
	if err != nil {
		return 0
	}
	return n
}

// stem is what the names of a log's rotated files have in common: "kern" for
// kern.log, kern.log.1 and kern-20261122.log.
func stem(path string) string {
	base := filepath.Base(path)
	if i := strings.IndexByte(base, '.'); i > 0 {
		return base[:i]
	}
	return base
}

// forget drops what is known of files that are gone, but only when there are many:
// a file that is renamed while the directory is read may seem to be gone.
func (b *siblings) forget(present map[fileID]bool) {
	const many = 4096
	if len(b.known) < many {
		return
	}
	for id := range b.known {
		if !present[id] {
			delete(b.known, id)
		}
	}
}

// open opens a file unless it is known. The file id is opened all the same.
func (b *siblings) open(path string, id fileID) (*os.File, fileStat, error) {
	st, err := statPath(path)
	if err != nil || b.known[st.fileID] && st.fileID != id {
		return nil, st, err
	}
	return openStat(path)
}

// packed reports whether a file that begins with h is compressed: a rotated file that
// was read before it was packed.
func (h *head) packed() bool {
	for _, magic := range []string{"\x1f\x8b", "BZh", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00"} {
		if bytes.HasPrefix(h.bytes(), []byte(magic)) {
			return true
		}
	}
	return false
}

// moved reports whether the path leads to another file's name than before, or to another
// directory, and remembers that.
func (b *siblings) moved(path string) bool {
	st, err := statPath(filepath.Dir(path))
	if err != nil {
		return false // it is missing: wait and see
	}
	was, dir := b.path, b.dir
	b.path, b.dir = path, st.fileID
	return was != path || dir != st.fileID && dir != fileID{}
}

// inPlace reports whether the directory is the one that moved saw last.
func (b *siblings) inPlace() bool {
	st, err := statPath(filepath.Dir(b.path))
	return err == nil && st.fileID == b.dir
}
