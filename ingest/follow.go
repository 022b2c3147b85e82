package ingest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fwknopd/parse"
)

const (
	// lateWrites is how long a file that was rotated away is still listened to: a
	// logger goes on writing to it until it reopens it.
	lateWrites = time.Minute
	// maxRotated bounds the files of one path that are open at once.
	maxRotated = 64
	// checkEvery is how many fills of the buffer pass between two looks at the path
	// while a backlog is read and its directory has no events.
	checkEvery = 16
)

// pollInterval is how often a path is looked at where inotify reports nothing:
// network file systems, limits of the kernel reached, a directory that may not be read.
const pollInterval = 250 * time.Millisecond

// copyBegins is how long a file beside the path may be empty and still become a copy of
// what is at the path: a loaded machine takes its time between making and writing it.
const copyBegins = 10 * time.Second

// clockTick is how far the file system's clock may lag behind ours.
const clockTick = 20 * time.Millisecond

// FollowOptions say how a growing file is followed.
type FollowOptions struct {
	ReadOptions
	// FromStart reads what is in the file already. Otherwise only what comes after
	// is read, unless Resume gives the place to go on.
	FromStart bool
	// Resume is where a former Follower stopped, from its State; the zero State is
	// none.
	Resume State
	// Poll looks at the file every 250 ms in place of inotify. A file system that
	// inotify does not serve is polled anyway. What comes and goes between two looks
	// is not noticed then.
	Poll bool
	// RawIP takes the frames of a capture for IP packets whatever link type its header gives,
	// as files of ulogd need.
	RawIP bool
	// Open, if not nil, opens what is at the path when this process may not.
	// Without the right to read a file there is no inotify for it: it is polled.
	Open func() (*os.File, error)
}

// A Follower is an endless Source over a path, however often the file there is
// replaced, truncated or removed.
//
//   - Renamed and made anew: the old file is read to its end, then the new one from
//     its start. The old one is listened to for another minute. Files that came
//     and went between two looks are found beside the path and read in their order.
//   - Copied and truncated (same inode, fewer bytes or another beginning): what was
//     not read yet is read from the copy, if there is one; the file from its start.
//     What is gone is reported with its size, as far as that is known.
//   - Removed or replaced before it could be opened: reported, with the number of files;
//     each counts as one lost record, as how many it held is not known.
//   - Missing, empty, only a file header: waited for.
//   - A symbolic link, or below one: the file it leads to is followed in the same way. A
//     link that leads to another file goes on with that one, from its start or from
//     where it was left.
//   - A last line without its newline, half a record: kept until the rest comes.
//
// It sleeps without waking up until inotify reports an event.
type Follower struct {
	accounting
	path       string
	opt        FollowOptions
	newRecords func(*Follower, *rotatedFile) records

	watch       *watcher
	blind       bool // something relevant is not watched: poll
	siblings    siblings
	at          int // index in files of the one that is read
	fills       int
	opened      int          // files that were opened of those that came to the path
	closedFiles []closedFile // the last files that were closed
	checked     time.Time    // when the path was last checked

	mu     sync.Mutex     // guards changes of what follows, against Close
	files  []*rotatedFile // oldest first; the last is, or was, at the path
	closed bool
}

// followLog follows a Netfilter log, a syslog file. path need not exist yet.
func followLog(path string, opt FollowOptions) (*Follower, error) {
	line := opt.liveLines()
	return follow(path, opt, func(f *Follower, g *rotatedFile) records {
		line := line
		line.onUntimed, line.forged, f.stamps.live = f.noteUntimed, &f.forged, line.live
		return &lines{readBuffer: g.readBuffer, lineOptions: line}
	})
}

// followPcap follows a capture file that tcpdump, ulogd or another program writes.
func followPcap(path string, opt FollowOptions) (*Follower, error) {
	frames := opt.frames()
	frames.rawIP = opt.RawIP
	return follow(path, opt, func(f *Follower, g *rotatedFile) records {
		return &capture{readBuffer: g.readBuffer, frameOptions: frames, problem: f.reportProblem}
	})
}

func follow(path string, opt FollowOptions, newRecords func(*Follower, *rotatedFile) records) (*Follower, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if st, err := statPath(path); err == nil && !st.regular {
		return nil, fmt.Errorf("%s: %w", path, errNotRegular)
	}
	f := &Follower{
		accounting: accounting{name: path, problem: opt.Problem}, path: path, opt: opt, newRecords: newRecords,
		watch: newWatcher(path, opt.Poll),
	}
	f.siblings, f.place = newSiblings(f.watch.real), f.state
	if err := f.begin(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Next implements [Source].
func (f *Follower) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if f.at < len(f.files) {
			g := f.files[f.at]
			if g.drained() {
				f.at++
				continue
			}
			err := g.records.next(ctx, ev)
			switch {
			case err == nil || isSkip(err):
				return f.count(err)
			case err != io.EOF:
				return err
			}
			f.at++
			continue
		}
		if err := f.idle(ctx); err != nil {
			return err
		}
	}
}

// idle is for when all files are read to their ends: it looks at the path,
// releases files that nothing is expected of, and waits.
func (f *Follower) idle(ctx context.Context) error {
	f.at = 0
	if f.checkPath() {
		return nil
	}
	for range f.retire(time.Now()) {
		f.count(errTorn)
	}
	return f.watch.wait(ctx, f.waitTimeout(time.Now()))
}

// waitTimeout returns how long to wait at most.
func (f *Follower) waitTimeout(now time.Time) time.Duration {
	if f.blind || len(f.siblings.empty) > 0 {
		return pollInterval
	}
	for _, g := range f.files { // the first is the oldest
		if !g.until.IsZero() {
			return max(g.until.Sub(now), time.Millisecond)
		}
	}
	return 0
}

// retire closes files that were replaced a while ago and returns how many
// of them ended inside a record.
func (f *Follower) retire(now time.Time) (torn int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.files[:0]
	for i, g := range f.files {
		if g.until.IsZero() || now.Before(g.until) && len(f.files)-i <= maxRotated {
			kept = append(kept, g)
			continue
		}
		if g.records.rest(nil, false) != io.EOF {
			torn++
		}
		if g.watched {
			f.watch.unwatchFile(g.wd)
		}
		f.rememberClosed(g)
		g.f.Close()
	}
	clear(f.files[len(kept):])
	f.files = kept
	return torn
}

// last returns the file at the path, nil before the first.
func (f *Follower) last() *rotatedFile {
	if len(f.files) == 0 {
		return nil
	}
	return f.files[len(f.files)-1]
}

// newRotatedFile takes an open file, to be read from its start.
func (f *Follower) newRotatedFile(file *os.File, st fileStat) *rotatedFile {
	g := &rotatedFile{f: file, id: st.fileID, size: st.size, blankAt: st.mtime, head: readHead(file), bytesRead: &f.bytes}
	g.readBuffer = &readBuffer{r: &checkingReader{g, f}}
	g.records = f.newRecords(f, g)
	g.wd, g.watched = f.watch.watchFile(file)
	f.siblings.markKnown(st.fileID)
	return g
}

// add takes an open file as the newest file.
func (f *Follower) add(file *os.File, st fileStat) *rotatedFile {
	g := f.newRotatedFile(file, st)
	f.push(g)
	return g
}

// push makes g the newest file.
func (f *Follower) push(g *rotatedFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := f.last(); last != nil && last.until.IsZero() {
		last.until = time.Now().Add(lateWrites)
	}
	f.put(len(f.files), g)
}

// put makes g the file at index i. f.mu must be held.
func (f *Follower) put(i int, g *rotatedFile) {
	f.files = slices.Insert(f.files, i, g)
	if f.closed {
		g.f.Close()
	}
}

// checkingReader reads a file and checks the path every checkEvery fills.
type checkingReader struct {
	*rotatedFile
	f *Follower
}

func (l *checkingReader) Read(b []byte) (int, error) {
	if l.f.fills++; l.f.watch.drain() || l.f.fills%checkEvery == 0 {
		l.f.checkPath()
	}
	if l.head.blank() {
		was := l.head.n
		if !l.begin() || l.head.n > was && l.f.recoverEarlier(l.rotatedFile) {
			return 0, io.EOF // nothing yet, or those first
		}
	}
	return l.rotatedFile.Read(b)
}

// state returns the place of the first record that Next has not returned.
func (f *Follower) state() State {
	g := f.last()
	if f.at < len(f.files) {
		g = f.files[f.at]
	}
	if g == nil {
		return State{}
	}
	return g.state()
}

// Close ends a Next that waits in another goroutine.
func (f *Follower) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	f.watch.close()
	for _, g := range f.files {
		g.f.Close()
	}
	return nil
}
