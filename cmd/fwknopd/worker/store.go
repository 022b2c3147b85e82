package worker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/replay"
)

// openStore returns the store of a configuration, which is the current one if its path
// is the same.
func (w *worker) openStore(ctx context.Context, l *config.Loaded) (replay.Store, error) {
	if w.store != nil && w.storePath == engine.DigestFile(l.Server) {
		return w.store, nil
	}
	notice := func(text string) { w.out.putf(privsep.RecordWarning, "%s", text) }
	if engine.DigestFile(l.Server) == "" {
		return replay.NewMemory(engine.StoreOptions(l.Server, time.Now(), notice)), nil
	}
	file, err := w.open(ctx, privsep.FileJournal)
	if err != nil {
		return nil, err
	}
	var old io.Reader
	sums, err := w.open(ctx, privsep.FileOldSums)
	switch {
	case err == nil:
		defer sums.Close()
		old = sums
	case !errors.Is(err, fs.ErrNotExist):
		file.Close()
		return nil, err
	}
	return replay.OpenFile(file, old, engine.StoreOptions(l.Server, time.Now(), notice))
}

// A chainedStore also looks up messages in the stores used before it: a change of the
// digest file does not make old messages fresh.
type chainedStore struct {
	replay.Store
	previous replay.Store
}

// Add implements replay.Store.
func (c chainedStore) Add(p *replay.Packet) (replay.First, bool, error) {
	if first, seen, err := c.previous.Seen(p); seen || err != nil {
		return first, false, err
	}
	return c.Store.Add(p)
}

// Seen implements replay.Store.
func (c chainedStore) Seen(p *replay.Packet) (replay.First, bool, error) {
	if first, seen, err := c.previous.Seen(p); seen || err != nil {
		return first, seen, err
	}
	return c.Store.Seen(p)
}

// chainStores returns store, with previous looked up before it unless that is nil.
func chainStores(store, previous replay.Store) replay.Store {
	if previous == nil {
		return store
	}
	return chainedStore{store, previous}
}

// previousStores returns the stores that were in use before store, nil if there were
// none.
func (w *worker) previousStores(store replay.Store) replay.Store {
	if w.store == nil || w.store == store {
		return w.previous
	}
	return chainStores(w.store, w.previous)
}

// closeUnused closes store unless it is the current one. A closed store can still be
// searched.
func (w *worker) closeUnused(store replay.Store) {
	if j, ok := store.(*replay.Journal); ok && store != w.store {
		if err := j.Close(); err != nil {
			w.out.putf(privsep.RecordWarning, "%v", err)
		}
	}
}
