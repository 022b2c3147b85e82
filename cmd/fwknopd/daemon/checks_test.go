package daemon

import (
	"io"
	"testing"
)

// A fresh start ends the worker that was started, not whoever has its number now.
func TestStartAfresh(t *testing.T) {
	d := newTestDaemon(t, "", io.Discard)
	d.restartWorker() // there is none yet
	kills := 0
	d.worker = &workerProcess{pid: 1 << 30, kill: func() error { kills++; return nil }}
	d.restartWorker()
	if kills != 1 {
		t.Errorf("killed %d times", kills)
	}
}
