package ingest

import (
	"errors"
	"fmt"
)

// A closedFile is where reading stopped in a file when it was closed: a link may lead to it again.
type closedFile struct {
	id fileID
	State
}

// rememberClosed remembers the place in g, of which nothing more is expected.
func (f *Follower) rememberClosed(g *rotatedFile) {
	if g.gone {
		return
	}
	if len(f.closedFiles) == maxRotated {
		f.closedFiles = f.closedFiles[1:]
	}
	f.closedFiles = append(f.closedFiles, closedFile{g.id, g.state()})
}

// reportUnread counts the files that came to the path and were gone before they could be
// opened, and reports whether it found some of them under another name. It does so
// once nothing has happened since the last checkPath.
func (f *Follower) reportUnread() (more bool) {
	if f.watch.came > f.opened {
		before := f.opened
		f.recoverMissed(f.last(), f.currentFile())
		more = f.opened > before
	}
	if f.watch.drain() || f.siblings.more || f.watch.came > f.opened && f.hasUnopened() {
		return more
	}
	if n := f.watch.came - f.opened; n > 0 {
		f.lost.Add(uint64(n))
		f.reportProblem(unreadFiles(n))
	}
	if f.watch.overflow {
		f.reportProblem(errors.New("more happened in the directory than the kernel tells: files may have come and gone unread"))
	}
	f.watch.came, f.opened, f.watch.overflow = 0, 0, false
	return more
}

// currentFile returns the newest file if it is at the path, or nil.
func (f *Follower) currentFile() *rotatedFile {
	g := f.last()
	if st, err := f.statCurrent(); err != nil || g == nil || st.fileID != g.id {
		return nil
	}
	return g
}

// hasUnopened reports whether there is a file at the path and it is not the one that is read.
func (f *Follower) hasUnopened() bool {
	st, err := f.statCurrent()
	g := f.last()
	return err == nil && st.regular && (g == nil || st.fileID != g.id)
}

// unreadFiles is a number of files that were gone before they could be opened.
type unreadFiles int

func (n unreadFiles) Error() string {
	if n == 1 {
		return "a file came and went unread: it was removed or replaced before it could be opened"
	}
	return fmt.Sprintf("%d files came and went unread: they were removed or replaced before they could be opened", int(n))
}
