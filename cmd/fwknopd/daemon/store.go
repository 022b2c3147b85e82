package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/replay"
)

// digestFile is where seen messages are kept, "" for memory alone.
func digestFile(l *config.Loaded) string {
	if !l.Server.DigestPersistence {
		return ""
	}
	return l.Server.DigestFile
}

func replayOptions(l *config.Loaded, notice func(string)) replay.Options {
	return replay.Options{Aging: l.Server.Aging, MaxAge: l.Server.MaxAge, Now: time.Now(), Notice: notice}
}

// openStore returns the store of a configuration: the one in use, if it has the
// same.
func (w *worker) openStore(ctx context.Context, l *config.Loaded) (replay.Store, error) {
	if w.store != nil && w.stored == digestFile(l) {
		return w.store, nil
	}
	notice := func(text string) { w.out.putf(recordBad, "%s", text) }
	if digestFile(l) == "" {
		return replay.NewMemory(replayOptions(l, notice)), nil
	}
	file, err := w.open(ctx, fileJournal)
	if err != nil {
		return nil, err
	}
	var old io.Reader
	sums, err := w.open(ctx, fileOldSums)
	switch {
	case err == nil:
		defer sums.Close()
		old = sums
	case !errors.Is(err, fs.ErrNotExist):
		file.Close()
		return nil, err
	}
	return replay.OpenFile(file, old, replayOptions(l, notice))
}

// compact has the journal made smaller when that is worth while: the monitor does so
// whenever it opens it. An error is final, for nothing could be remembered any more;
// the next worker starts over.
func (w *worker) compact(ctx context.Context) error {
	j, ok := w.store.(*replay.Journal)
	if !ok || !j.Due() {
		return nil
	}
	w.store = nil
	if err := j.Close(); err != nil {
		return err
	}
	return w.load(ctx)
}

// offerJournal is the monitor's side: the journal is made, mended and compacted,
// then handed over.
func offerJournal(l *config.Loaded, notice func(string)) func() (*os.File, error) {
	path := digestFile(l)
	return func() (*os.File, error) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		j, err := replay.Open(path, replayOptions(l, notice))
		if err != nil {
			return nil, err
		}
		if err := j.Close(); err != nil {
			return nil, err
		}
		return os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
	}
}
