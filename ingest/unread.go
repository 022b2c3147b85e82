package ingest

import (
	"errors"
	"fmt"
)

// A left is where a file was left when it was closed: a link may lead to it again.
type left struct {
	id fileID
	State
}

// leave remembers the place in g, of which nothing more is expected.
func (f *Follower) leave(g *rotatedFile) {
	if g.gone {
		return
	}
	if len(f.left) == maxGenerations {
		f.left = f.left[1:]
	}
	f.left = append(f.left, left{g.id, g.state()})
}

// settle counts the files that came to the path and were gone before they could be
// opened, and reports whether it found some of them under another name. It does so
// once nothing has happened since the last look.
func (f *Follower) settle() (more bool) {
	if f.watch.came > f.taken {
		before := f.taken
		f.recoverMissed(f.last(), f.current())
		more = f.taken > before
	}
	if f.watch.drain() || f.siblings.more || f.watch.came > f.taken && f.unopened() {
		return more
	}
	if n := f.watch.came - f.taken; n > 0 {
		f.lost.Add(uint64(n))
		f.report(unread(n))
	}
	if f.watch.overflow {
		f.report(errors.New("more happened in the directory than the kernel tells: files may have come and gone unread"))
	}
	f.watch.came, f.taken, f.watch.overflow = 0, 0, false
	return more
}

// current returns the newest generation if it is at the path, or nil.
func (f *Follower) current() *rotatedFile {
	g := f.last()
	if st, err := f.statCurrent(); err != nil || g == nil || st.fileID != g.id {
		return nil
	}
	return g
}

// unopened says that there is a file at the path and it is not the one that is read.
func (f *Follower) unopened() bool {
	st, err := f.statCurrent()
	g := f.last()
	return err == nil && st.regular && (g == nil || st.fileID != g.id)
}

// unread is a number of files that were gone before they could be opened.
type unread int

func (n unread) Error() string {
	if n == 1 {
		return "a file came and went unread: it was removed or replaced before it could be opened"
	}
	return fmt.Sprintf("%d files came and went unread: they were removed or replaced before they could be opened", int(n))
}
