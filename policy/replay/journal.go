package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrLocked reports that another process has the journal open.
	ErrLocked = errors.New("in use by another process")
	// ErrTooLarge reports a journal beyond its bound.
	ErrTooLarge = errors.New("larger than a journal may be")
)

// defaultMaxSize bounds a journal unless [Options.MaxSize] does: some five million
// messages.
const defaultMaxSize = 1 << 30

// compactMin is the least size from which on a journal is compacted while it is in use.
const compactMin = 1 << 20

// A Journal is an append-only text file, one line a message, that this process alone
// writes. It holds no records in memory; a [Replica] reads them through a [Snapshot].
//
// After a failed flush the state of the file on disk is unknown: the next Append writes
// a new file first.
//
// Its methods may be called from several goroutines.
type Journal struct {
	opts Options
	path string   // "": in memory
	sums *os.File // md5sums in the same directory; nil: none

	mu      sync.Mutex
	file    file
	size    int64 // of the complete lines in file
	sum     sum   // of these
	floor   int64 // size after the last compaction
	horizon time.Time
	begun   time.Time // see [set.begun]
	newest  int64     // see [set.newest]
	exact   bool      // newest is that of the last message, not an earlier one
	oldest  int64     // least keep value in the file
	line    []byte
	broken  error      // the last flush failed
	state   *stateFile // nil: none
	lost    string     // why the file that was opened is not complete; "": it is
}

// Open opens the journal at path, creating it if need be, and locks it. With an empty
// path it is in memory, without a file that a process could open. The file may be a cache
// of 1.9 or 2.6, to which is appended; a file md5sums in the same directory is read as
// well. An incomplete last line is cut off. ctx can end the reading of a long file.
//
// If the journal is not what [Options.State] describes, messages sent until now are refused. So
// they are by one in memory, without ageing those alone that are sent by our time.
func Open(ctx context.Context, path string, opts Options) (*Journal, error) {
	return openWith(ctx, path, opts, (*Journal).compareState)
}

// openWith is Open with a function that compares the file with what is known of it.
func openWith(ctx context.Context, path string, opts Options, compare func(*Journal) error) (*Journal, error) {
	j := &Journal{opts: opts, path: path}
	j.opts.MaxSize = cmp.Or(opts.MaxSize, defaultMaxSize)
	opened, err := j.openFile()
	if err != nil {
		return nil, err
	}
	j.file = opened
	if err := j.begin(ctx, compare); err != nil {
		return nil, errors.Join(err, j.abandon())
	}
	j.saveState()
	if j.state != nil {
		if err := j.state.begin(); err != nil {
			return nil, errors.Join(err, j.abandon())
		}
	}
	return j, nil
}

func (j *Journal) openFile() (file, error) {
	if j.path == "" {
		return memoryFile()
	}
	return openLocked(j.path)
}

// begin reads the file, repairs its tail, and drops old records.
func (j *Journal) begin(ctx context.Context, compare func(*Journal) error) error {
	var err error
	if j.size, err = j.fileSize(); err != nil {
		return err
	}
	if j.size > j.opts.MaxSize {
		return fmt.Errorf("%s: %w: %d bytes, at most %d; moved away, it is replaced by a new one", j.path, ErrTooLarge, j.size, j.opts.MaxSize)
	}
	if err := j.openSums(); err != nil {
		return err
	}
	if err := compare(j); err != nil {
		return err
	}
	l, err := j.scan(ctx)
	if err != nil {
		return err
	}
	if err := j.repairTail(l); err != nil {
		return err
	}
	if j.size == 0 {
		if err := j.writeHeader(); err != nil {
			return err
		}
	}
	return j.settle(ctx)
}

// settle brings the horizon into range and drops old records.
func (j *Journal) settle(ctx context.Context) error {
	s := set{opts: j.opts, horizon: j.horizon, begun: j.begun, newest: j.newest}
	changed := s.clampHorizon(j.opts.Now)
	j.horizon, j.begun = s.horizon, s.begun
	switch now := cmp.Or(j.opts.Now, time.Now()); {
	case j.lost != "":
		j.raiseHorizon(now, j.lost)
		changed = true
	case j.path == "" && j.state != nil:
		if j.begun = beginning(now); j.opts.Aging {
			j.horizon = horizonAt(now.Truncate(time.Second), j.newest)
		}
		changed = true
	}
	cutoff := j.opts.cutoff(j.opts.Now)
	if changed || j.oldest < cutoff.Unix() {
		return j.compact(ctx, cutoff)
	}
	j.floor = j.size
	return nil
}

// scan reads the file without keeping its records.
func (j *Journal) scan(ctx context.Context) (*loader, error) {
	l := newLoader(&set{opts: j.opts})
	j.oldest = forever
	l.visit = func(_ []byte, r *record) error {
		j.oldest = min(j.oldest, r.keep)
		j.newest = max(j.newest, r.accepted(j.opts.MaxAge))
		return nil
	}
	if err := l.load(ctx, j.section()); err != nil {
		return nil, err
	}
	l.notice(j.path)
	j.horizon, j.begun, j.size, j.newest = l.set.horizon, l.set.begun, l.offset, max(j.newest, l.set.newest)
	return l, nil
}

// repairTail repairs what follows the last newline: a record without its newline gets
// one, an incomplete line is cut off. Nothing was granted on an incomplete line, since
// it was not synced.
func (j *Journal) repairTail(l *loader) error {
	switch {
	case l.tail == 0:
		return nil
	case l.whole:
		j.notice("%s: added the missing newline of the last line", j.path)
		_, err := j.file.Write([]byte("\n"))
		j.size += l.tail + 1
		return errors.Join(err, j.flush())
	}
	j.notice("%s: cut off a damaged tail of %d bytes at offset %d", j.path, l.tail, l.offset)
	return errors.Join(j.file.Truncate(l.offset), j.flush())
}

// writeHeader writes the header of a new journal and syncs its directory entry.
func (j *Journal) writeHeader() error {
	n, err := j.file.Write([]byte(header))
	if err != nil {
		return err
	}
	j.size = int64(n)
	return errors.Join(j.flush(), j.syncDir())
}

// Append writes the records with the time now, and returns when they are durable. On an
// error none of them may be acted on.
func (j *Journal) Append(now time.Time, list []Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := errors.Join(j.ready(), j.state.begun()); err != nil {
		return err
	}
	j.line = j.line[:0]
	for i := range list {
		j.line = appendLine(j.line, now, &list[i])
	}
	if j.size+int64(len(j.line)) > j.opts.MaxSize {
		j.tryCompact(now)
		if j.size+int64(len(j.line)) > j.opts.MaxSize {
			return fmt.Errorf("%s: %w: %d bytes", j.path, ErrTooLarge, j.size)
		}
	}
	if err := j.write(j.line); err != nil {
		return err
	}
	for i := range list {
		r := list[i].record(now)
		j.oldest, j.newest = min(j.oldest, r.keep), max(j.newest, r.accepted(j.opts.MaxAge))
	}
	j.saveState()
	if j.size >= max(compactMin, 2*j.floor) {
		j.tryCompact(now)
	}
	return nil
}

// write appends text in one call and flushes it. A partial write is truncated.
func (j *Journal) write(text []byte) error {
	n, err := j.file.Write(text)
	if err == nil {
		j.size += int64(n)
		return j.flush()
	}
	if n > 0 {
		if undo := j.file.Truncate(j.size); undo != nil {
			j.broken = fmt.Errorf("half a line could not be taken back: %w", undo)
		}
	}
	return err
}

func (j *Journal) flush() error {
	j.broken = j.file.Datasync()
	return j.broken
}

// ready replaces the file if its state on disk is unknown, or another program has changed
// it. What was granted was flushed, and so can be read. j.mu must be held.
func (j *Journal) ready() error {
	if j.broken == nil {
		j.broken = j.verify()
	}
	if j.broken == nil {
		return nil
	}
	if err := j.compact(context.Background(), time.Time{}); err != nil {
		return fmt.Errorf("%w, after: %w", err, j.broken)
	}
	return nil
}

// Configure replaces the options, for a reload.
func (j *Journal) Configure(opts Options) {
	j.mu.Lock()
	defer j.mu.Unlock()
	maxSize := j.opts.MaxSize
	j.opts = opts
	j.opts.MaxSize = cmp.Or(opts.MaxSize, maxSize)
}

// Close closes the journal. Records that are not durable were reported as such.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.closeState(), j.closeFiles())
}

// abandon closes a journal that was not opened to its end. What is known of it stays.
func (j *Journal) abandon() error {
	var err error
	if j.state != nil {
		err = errors.Join(j.state.begun(), j.state.file.Close())
	}
	return errors.Join(err, j.closeFiles())
}

func (j *Journal) closeFiles() error {
	if j.sums != nil {
		j.sums.Close()
	}
	return j.file.Close()
}

func (j *Journal) fileSize() (int64, error) {
	st, err := j.file.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (j *Journal) notice(format string, args ...any) {
	if j.opts.Notice != nil {
		j.opts.Notice(fmt.Sprintf(format, args...))
	}
}

// syncDir syncs the directory entry of the journal.
func (j *Journal) syncDir() error {
	if j.path == "" {
		return nil
	}
	dir, err := os.Open(filepath.Dir(j.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// openSums opens the file md5sums of 1.9. One that another user may have put there is
// left out.
func (j *Journal) openSums() error {
	if j.path == "" {
		return nil
	}
	path := filepath.Join(filepath.Dir(j.path), "md5sums")
	sums, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK): // EMLINK on FreeBSD
		j.notice("%s is left out: it is a symbolic link", path)
		return nil
	case err != nil:
		return err
	}
	size, err := checkFile(sums)
	switch {
	case err != nil:
		j.notice("%s is left out: %v", path, err)
	case size > j.opts.MaxSize:
		j.notice("%s is left out: %v: %d bytes", path, ErrTooLarge, size)
	default:
		j.sums = sums
		return nil
	}
	return sums.Close()
}

// record returns the record of r as the loader would.
func (r *Record) record(seen time.Time) record {
	rec := record{seen: seen.UnixMicro(), keep: forever, sent: r.Sent}
	if r.Sent != 0 {
		rec.keep = max(seen.Unix(), r.Sent)
	}
	return rec
}
