package ingest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The end of a context ends the reads for it, and none for the next context.
func TestReadCancelerWithAnotherContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var last time.Time
		e := &readCanceler{deadline: func(at time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			last = at
			return nil
		}}
		ends := func() bool {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return !last.IsZero()
		}
		for range 100 {
			first, cancel := context.WithCancel(t.Context())
			ok(t, e.watch(first))
			cancel()
			second, cancelSecond := context.WithCancel(t.Context())
			ok(t, e.watch(second))
			if ends() {
				t.Fatal("the end of the context before ends a read")
			}
			cancelSecond()
			if !ends() {
				t.Fatal("the end of its context does not end a read")
			}
		}
	})
}
