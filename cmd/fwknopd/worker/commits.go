package worker

import (
	"sync"

	"fwknopd/ingest"
)

// Commits tell sources whose records come again unless they are committed what is decided for good:
// the digests of a batch are durable and the monitor has answered its grants, as those of all batches
// before it.
type commits struct {
	mu   sync.Mutex
	open []*batchCommit // oldest first
}

// A batchCommit is one batch.
type batchCommit struct {
	of      *commits
	src     *sources
	places  []ingest.State // behind the batch, of each source
	waiting int            // for so many grants, and for its end
	failed  bool           // it is never decided for good: the monitor is gone, or digests are not durable
}

// begin begins a batch up to the places that the sources have now; nil if no source wants to know.
func (c *commits) begin(src *sources) *batchCommit {
	if len(src.committers) == 0 {
		return nil
	}
	b := &batchCommit{of: c, src: src, places: src.Stats().States(), waiting: 1}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, b)
	return b
}

// wait has the batch wait for one more [batchCommit.done].
func (b *batchCommit) wait() {
	if b == nil {
		return
	}
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.waiting++
}

// done says that one thing the batch waited for is decided for good, or failed.
func (b *batchCommit) done(failed bool) {
	if b == nil {
		return
	}
	c := b.of
	c.mu.Lock()
	defer c.mu.Unlock()
	b.waiting--
	b.failed = b.failed || failed
	for len(c.open) > 0 && c.open[0].waiting == 0 {
		first := c.open[0]
		c.open = c.open[1:]
		if !first.failed { // else a later batch includes it
			first.commit()
		}
	}
}

func (b *batchCommit) commit() {
	for i, source := range b.src.committers {
		source.Commit(b.places[i])
	}
}
