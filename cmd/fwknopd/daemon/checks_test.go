package daemon

import (
	"io"
	"testing"
)

// A fresh start ends the worker that was started, not whoever has its number now.
func TestStartAfresh(t *testing.T) {
	k := keeperOf(t, "", io.Discard)
	k.startAfresh() // there is none yet
	kills := 0
	k.worker = &workerProcess{pid: 1 << 30, kill: func() error { kills++; return nil }}
	k.startAfresh()
	if kills != 1 {
		t.Errorf("killed %d times", kills)
	}
}
