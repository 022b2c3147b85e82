package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// begin opens what is at the path and goes to where reading starts.
func (f *Follower) begin() error {
	f.blind = !f.watch.watchPath(f.path)
	file, st, err := openStat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	resume := f.opt.Resume
	if resume != nil && resume.Inode != 0 {
		return f.resume(*resume, file, st)
	}
	g := f.add(file, st)
	f.glance(g)
	if f.opt.FromStart {
		return nil
	}
	return g.skip(st.size)
}

// resume goes on where a former Follower stopped: in the file at the path, or in
// the one beside it that it has become since, and then in those that followed.
func (f *Follower) resume(s State, file *os.File, st fileStat) error {
	if st.ino == s.Inode && st.dev == s.Dev && s.begins(file, st) {
		g := f.add(file, st)
		f.glance(g)
		return g.skip(s.Offset)
	}
	var from *generation
	for _, c := range f.beside.candidates() {
		h := readHead(c.f)
		switch {
		case from == nil && s.begins(c.f, c.fileStat):
			from = f.add(c.f, c.fileStat)
			if err := from.skip(s.Offset); err != nil {
				return err
			}
		case from == nil || h.packed() || h.related(&from.head):
			c.f.Close()
		default: // candidates are in the order in which they were last written to
			f.add(c.f, c.fileStat)
		}
	}
	if from == nil {
		f.report(errors.New("the file that reading stopped in is gone; reading what is there now from its start"))
	}
	f.glance(f.add(file, st))
	return nil
}

// begins says whether a file holds the place s.
func (s *State) begins(f *os.File, st fileStat) bool {
	h := readHead(f)
	if st.size < s.Offset || s.HeadN > h.n || s.HeadN < 0 {
		return false
	}
	h.n = s.HeadN
	return h.hash() == s.Head
}

func openStat(path string) (*os.File, fileStat, error) {
	file, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fileStat{}, err
	}
	st, err := statFile(file)
	if err != nil {
		file.Close()
	}
	return file, st, err
}

// look compares what is at the path with the newest generation, and reports
// whether there is more to read than there was.
func (f *Follower) look() bool {
	f.blind = !f.watch.watchPath(f.path)
	g := f.last()
	st, err := statPath(f.path)
	switch {
	case err != nil || !st.regular:
		return false // removed, or between two names: its open descriptor still reads
	case g == nil || st.fileID != g.id:
		return f.replaced(g)
	case f.truncated(g, st):
		return f.startAgain(g)
	}
	g.size = st.size
	f.glance(g)
	return st.size > g.off
}

// replaced takes up what is at the path now, and what was there for a moment.
func (f *Follower) replaced(before *generation) bool {
	file, st, err := openStat(f.path)
	if err != nil {
		return false
	}
	if before != nil {
		f.missed(before, st.fileID, readHead(file))
	}
	for i, g := range f.gens {
		if g.id == st.fileID { // an old one was given its name back
			file.Close()
			f.mu.Lock()
			f.gens = append(slices.Delete(f.gens, i, i+1), g)
			f.mu.Unlock()
			return true
		}
	}
	f.add(file, st)
	return true
}

// truncated says whether the file of g lost its content: it is shorter than what
// was read of it, or begins otherwise.
func (f *Follower) truncated(g *generation, st fileStat) bool {
	return st.size < g.off || !g.intact()
}

// startAgain goes on with the copy of what g was, and then with its file from the
// start.
func (f *Follower) startAgain(g *generation) bool {
	file, st, err := openStat(f.path)
	if err != nil || st.fileID != g.id {
		if err == nil {
			file.Close()
		}
		return false // replaced this very moment: the next look sees it
	}
	f.swap(g, nil, fileID{})
	f.missed(g, st.fileID, readHead(file))
	if g.gone && g.size > g.off {
		f.lost.Add(1)
		f.report(fmt.Errorf("truncated with at least %d bytes unread, and no copy to read them from", g.size-g.off))
	}
	f.add(file, st)
	return true
}

// swap takes another file in place of that of g, whose own begins anew.
func (f *Follower) swap(g *generation, file *os.File, id fileID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.f.Close()
	g.gone, g.watched, g.id = file == nil, false, id
	if file != nil {
		g.f = file
	}
}

// missed takes up the generations between before and the file now at the path,
// which begins with head: files beside it that are new since the last glance. One
// that begins like before is a copy of it; if before lost its file, the copy
// takes its place.
func (f *Follower) missed(before *generation, now fileID, head head) {
	for _, c := range f.beside.candidates() {
		h := readHead(c.f)
		switch {
		case c.fileID == now || h.n == 0 || h.packed():
		case h.related(&before.head):
			f.beside.know(c.fileID)
			if before.gone && c.size >= before.off {
				f.swap(before, c.f, c.fileID)
				continue
			}
		case h.related(&head): // a copy of what is at the path, which is truncated next
		default:
			f.add(c.f, c.fileStat)
			continue
		}
		c.f.Close()
	}
}

// glance remembers the files beside the path while all is quiet there, so that
// they are not taken for missed generations later. A copy being made is left out.
func (f *Follower) glance(g *generation) {
	if !f.watch.dirty {
		return
	}
	f.watch.dirty = false
	for _, c := range f.beside.candidates() {
		if h := readHead(c.f); h.n > 0 && !h.related(&g.head) {
			f.beside.know(c.fileID)
		}
		c.f.Close()
	}
}
