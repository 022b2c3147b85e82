package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// begin opens what is at the path and goes to where reading starts.
func (f *Follower) begin() error {
	defer f.markOlder(time.Now())
	real, watched := f.watch.watchPath()
	f.siblings.moved(real)
	f.blind = !watched
	file, st, err := f.openPath()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if resume := f.opt.Resume; resume.Inode != 0 && resume.Valid() {
		return f.resume(resume, file, st)
	}
	if g := f.add(file, st); !f.opt.FromStart {
		return g.skip(st.size)
	}
	return nil
}

// markOlder remembers the files beside the path that are older than t: none of them
// was at the path since.
func (f *Follower) markOlder(t time.Time) {
	for _, c := range f.siblings.candidates() {
		if c.fileID.born <= t.UnixNano() {
			f.siblings.markKnown(c.fileID)
		}
		c.f.Close()
	}
	f.checked = t
}

// resume goes on where a former Follower stopped: in the file at the path, or in
// the one beside it that it has become since, and then in those that followed.
func (f *Follower) resume(s State, file *os.File, st fileStat) error {
	if st.ino == s.Inode && st.dev == s.Dev && s.begins(file, st) {
		return f.add(file, st).skip(s.Offset)
	}
	var from *rotatedFile
	for _, c := range f.siblings.candidates() {
		h := &c.head
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
		f.reportProblem(errors.New("the file that reading stopped in is gone; reading what is there now from its start"))
	}
	f.add(file, st)
	return nil
}

// begins reports whether a file holds the place s, which must be valid.
func (s *State) begins(f *os.File, st fileStat) bool {
	h := readHead(f)
	if st.size < s.Offset || s.HeadN > h.n {
		return false
	}
	h.n = s.HeadN
	return h.hash() == s.Head
}

// openPath opens what is at the path, or has it opened by opt.Open.
func (f *Follower) openPath() (*os.File, fileStat, error) {
	file, st, err := openStat(f.path)
	if f.opt.Open == nil || !errors.Is(err, fs.ErrPermission) {
		return file, st, err
	}
	if file, err = f.opt.Open(); err != nil {
		return nil, fileStat{}, err
	}
	if st, err = statFile(file); err != nil {
		file.Close()
	}
	return file, st, err
}

// errNotRegular means that what is at a path cannot be followed.
var errNotRegular = errors.New("not a regular file")

// openStat opens a regular file. A pipe that took its place after it was looked at does not keep
// us waiting for a writer.
func openStat(path string) (*os.File, fileStat, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileStat{}, err
	}
	st, err := statFile(file)
	if err == nil && !st.regular {
		err = fmt.Errorf("%s: %w", path, errNotRegular)
	}
	if err != nil {
		file.Close()
	}
	return file, st, err
}

// checkPath takes up what happened at the path, and reports whether there is more to read
// than there was.
func (f *Follower) checkPath() bool {
	f.watch.drain()
	real, watched := f.watch.watchPath()
	now := time.Now()
	f.noteMove(real)
	f.checked = now
	more := f.compare()
	if g := f.last(); g != nil {
		watched = watched && g.watched
	}
	f.blind = !watched
	return f.reportUnread() || more
}

// noteMove takes up that the path leads elsewhere than at the last call: what was beside the
// file there before the path was last checked is no rotated file of ours.
func (f *Follower) noteMove(real string) {
	if f.siblings.moved(real) {
		f.opened = 0
		f.markOlder(f.checked.Add(-clockTick))
	}
}

// compare compares what is at the path with the newest file, and reports
// whether there is more to read than there was.
func (f *Follower) compare() bool {
	g := f.last()
	st, err := f.statCurrent()
	switch {
	case err != nil || !st.regular:
		return false // removed, or between two names: its open descriptor still reads
	case g == nil || st.fileID != g.id:
		return f.replaced(g)
	case f.truncated(g, st):
		return f.startAgain(g)
	}
	g.size = st.size
	f.noteSiblings(g)
	return st.size > g.off
}

// statCurrent returns the stat of what is at the path. Where that takes rights that we do
// not have, it is opened for us.
func (f *Follower) statCurrent() (fileStat, error) {
	st, err := statPath(f.path)
	if f.opt.Open == nil || !errors.Is(err, fs.ErrPermission) {
		return st, err
	}
	file, st, err := f.openPath()
	if err == nil {
		err = file.Close()
	}
	return st, err
}

// replaced takes up what is at the path now, and what was there for a moment.
func (f *Follower) replaced(before *rotatedFile) bool {
	file, st, err := f.openPath()
	if err != nil {
		return false
	}
	f.noteMove(f.watch.real) // the directory may have been replaced since checkPath looked
	f.opened++
	if i := slices.IndexFunc(f.files, func(old *rotatedFile) bool { return old.id == st.fileID }); i >= 0 { // it was given its name back
		file.Close()
		old := f.files[i]
		f.recoverMissed(before, old)
		f.mu.Lock()
		f.files = append(slices.Delete(f.files, i, i+1), old)
		f.mu.Unlock()
		return true
	}
	g := f.newRotatedFile(file, st)
	f.recoverMissed(before, g)
	f.push(g)
	for _, l := range f.closedFiles {
		if l.id == st.fileID && l.begins(file, st) {
			_ = g.skip(l.Offset) // what cannot be read is read from its start
		}
	}
	return true
}

// truncated reports whether the file of g lost its content: it is shorter than what
// was read of it, or begins otherwise.
func (f *Follower) truncated(g *rotatedFile, st fileStat) bool {
	return st.size < g.off || !g.intact()
}

// startAgain goes on with the copy of what g was, and then with its file from the
// start.
func (f *Follower) startAgain(g *rotatedFile) bool {
	file, st, err := f.openPath()
	if err != nil || st.fileID != g.id {
		if err == nil {
			file.Close()
		}
		return false // replaced this very moment: the next look sees it
	}
	f.swap(g, nil, fileID{})
	again, opened := f.newRotatedFile(file, st), f.opened
	f.recoverMissed(g, again)
	copied := g.head.blank() && f.opened > opened // what g had before it had a record
	if g.gone && g.size > g.off && !copied {
		f.lost.Add(1)
		f.reportProblem(fmt.Errorf("truncated with at least %d bytes unread, and no copy to read them from", g.size-g.off))
	}
	f.push(again)
	return true
}

// swap takes another file in place of that of g, whose own begins anew.
func (f *Follower) swap(g *rotatedFile, file *os.File, id fileID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.f.Close()
	g.gone, g.watched, g.id = file == nil, false, id
	if file != nil {
		g.f = file
	}
}

// recoverMissed takes up the files between before and current, the one now at the path
// or nil: files beside it that are new since the last call of noteSiblings. One that begins
// like before is a copy of it; if before lost its file, the copy takes its place. The head of
// current was read before this check: what it had then is found when it is truncated.
func (f *Follower) recoverMissed(before, current *rotatedFile) {
	for _, c := range f.between(before, current) {
		switch {
		case before == nil || !c.head.related(&before.head):
			f.add(c.f, c.fileStat)
			f.opened++
		case before.gone && c.size >= before.off:
			f.siblings.markKnown(c.fileID)
			f.swap(before, c.f, c.fileID)
		default:
			f.siblings.markKnown(c.fileID)
			c.f.Close()
		}
	}
}

// recoverEarlier takes up, in front of g, what was at g's path since g was opened and is
// in a copy now: g was written, copied and truncated before a byte of it was read.
func (f *Follower) recoverEarlier(g *rotatedFile) (found bool) {
	for _, c := range f.between(nil, g) {
		before := f.newRotatedFile(c.f, c.fileStat)
		before.until = time.Now().Add(lateWrites)
		f.mu.Lock()
		f.put(slices.Index(f.files, g), before)
		f.mu.Unlock()
		found = true
	}
	if found {
		f.at = -1 // begin with the oldest again
	}
	return found
}

// between returns the files beside the path that have content from before that of current:
// copies of before, and rotated files of their own. A copy of what is in current now, or was
// when its head was read, is none of them, nor is what came after that copy: current is
// truncated next, or was already. before and current may be nil.
func (f *Follower) between(before, current *rotatedFile) (found []candidate) {
	var id fileID
	var head head
	if current != nil {
		id, head = current.id, current.head
	}
	var copied int64 // when current was
	for _, c := range f.siblings.candidatesBefore(id) {
		now := head
		if current != nil {
			now = readHead(current.f) // after the copy, as the file may be truncated at any time
		}
		if c.head.related(&head) {
			copied = c.mtime
		}
		ofBefore := before != nil && before.gone && c.head.related(&before.head)
		ofCurrent := copied != 0 && c.mtime > copied || c.head.related(&head) || c.head.related(&now)
		if c.head.blank() || c.head.packed() || ofCurrent && !ofBefore {
			c.f.Close()
			continue
		}
		found = append(found, c)
	}
	return found
}

// noteSiblings remembers the files beside the path while all is quiet there, so that
// they are not taken for missed files later. A copy being made is left out.
func (f *Follower) noteSiblings(g *rotatedFile) {
	if !f.watch.dirty || !g.untouched() {
		return
	}
	f.watch.dirty = false
	waiting := make(map[fileID]time.Time)
	for _, c := range f.siblings.candidates() {
		h := &c.head
		since, waits := f.siblings.empty[c.fileID]
		switch {
		case !f.stillCurrent(g): // or what was read may be what was here a moment ago
			f.watch.dirty = true
		case h.blank() && !waits: // a copy begins empty
			waiting[c.fileID] = time.Now()
		case h.blank() && time.Since(since) < copyBegins:
			waiting[c.fileID] = since
		case g.mayCopy(&c): // taken up when g has its first record
		case h.blank() || !h.related(&g.head):
			f.siblings.markKnown(c.fileID)
		}
		c.f.Close()
	}
	f.siblings.empty = waiting
	f.watch.dirty = f.watch.dirty || len(waiting) > 0
}

// stillCurrent reports whether g is at the path and has been since it was last read.
func (f *Follower) stillCurrent(g *rotatedFile) bool {
	st, err := statPath(f.path)
	return err == nil && st.fileID == g.id && g.untouched()
}
