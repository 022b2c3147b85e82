package worker

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/policy/replay"
)

// Changes of DIGEST_FILE or ENABLE_DIGEST_PERSISTENCE do not make old messages fresh,
// and the unused file is closed.
func TestChainedStores(t *testing.T) {
	w := &worker{out: newRecordWriter(&stalledPipe{})}
	dir := t.TempDir()
	file := func(name string) replay.Store {
		j, err := replay.Open(filepath.Join(dir, name), replay.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	stores := []func() replay.Store{
		func() replay.Store { return file("a") },
		func() replay.Store { return replay.NewMemory(replay.Options{}) },
		func() replay.Store { return file("b") },
		func() replay.Store { return file("a") },
	}
	message := func(n int) *replay.Packet {
		return &replay.Packet{Plaintext: fmt.Appendf(nil, "message %d", n), Time: time.Now(), Sent: time.Now()}
	}
	for n, open := range stores {
		store := open()
		before := w.previousStores(store)
		all, old := chainStores(store, before), w.store
		w.store, w.previous = store, before
		w.closeUnused(old)
		for m := range n {
			if _, fresh, err := all.Add(message(m)); fresh || err != nil {
				t.Errorf("store %d: message %d is fresh, %v", n, m, err)
			}
			if _, seen, err := all.Seen(message(m)); !seen || err != nil {
				t.Errorf("store %d: message %d was not seen, %v", n, m, err)
			}
		}
		if _, fresh, err := all.Add(message(n)); !fresh || err != nil {
			t.Errorf("store %d: a new message is not fresh, %v", n, err)
		}
		if again := w.previousStores(store); again != w.previous {
			t.Errorf("store %d: a reload without a change forgets", n)
		}
	}
	w.store.(*replay.Journal).Close()
}
