package worker

import (
	"context"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/replay"
)

// openStore returns the store of a configuration, which is the current one if its path
// is the same. The journal at another path has the records of the current one: the
// monitor adds them.
func (w *worker) openStore(ctx context.Context, l *config.Loaded) (*replay.Replica, error) {
	notice := func(text string) { w.out.warnf("%s", text) }
	opts := engine.StoreOptions(l.Server, time.Now(), notice)
	if w.store != nil && w.storePath == engine.DigestFile(l.Server) {
		w.store.Configure(opts)
		return w.store, nil
	}
	journal, err := w.client.Open(ctx, privsep.FileJournal) // takes as long as the journal is
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	defer context.AfterFunc(ctx, func() { journal.Close() })()
	store := replay.NewReplica(opts, func(list []replay.Record) func() error { return w.record(ctx, list) })
	return store, store.Load(journal)
}

// record has the monitor write the records to the journal. The grants of the batch depend
// on it.
func (w *worker) record(ctx context.Context, list []replay.Record) (wait func() error) {
	digests := make([]monitor.Digest, len(list))
	for i := range list {
		digests[i] = monitor.Digest(list[i])
	}
	w.commit = w.client.Record(ctx, digests)
	return func() error { return w.commit.Wait(ctx) }
}
