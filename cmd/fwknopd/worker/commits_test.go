package worker

import (
	"context"
	"slices"
	"testing"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// A committed is a source that notes what is committed.
type committed struct {
	ingest.Source
	places []int64
}

func (c *committed) Commit(s ingest.State) { c.places = append(c.places, s.Offset) }

func (c *committed) Next(context.Context, *parse.Event) error { return nil }

// TestCommits: a batch is committed when its digests are durable and its grants are answered, after
// the batches before it, and not if the monitor is gone.
func TestCommits(t *testing.T) {
	log, err := ingest.Read(nil, ingest.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	src := &committed{Source: log}
	s := newSources(make([]privsep.SourceSpec, 1), []ingest.Source{src})
	var c commits
	begin := func(place int64) *batchCommit {
		b := c.begin(s)
		b.places = []ingest.State{{Offset: place}}
		return b
	}
	expect := func(places ...int64) {
		t.Helper()
		if !slices.Equal(src.places, places) {
			t.Errorf("committed %v, want %v", src.places, places)
		}
	}
	one, two, three, four := begin(1), begin(2), begin(3), begin(4)
	one.wait()
	one.done(false) // durable
	expect()
	two.done(false)
	expect()
	one.done(false) // its grant is answered
	expect(1, 2)
	three.wait()
	three.done(false)
	four.done(true)
	expect(1, 2)
	three.done(false)
	expect(1, 2, 3)
	if len(c.open) != 0 {
		t.Error(c.open)
	}

	none := c.begin(newSources(nil, []ingest.Source{log}))
	none.wait()
	none.done(false)
	if none != nil {
		t.Error("a batch without a source that wants to know")
	}
}
