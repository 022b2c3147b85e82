package daemon

import (
	"io"
	"testing"

	"fwknopd/enforce/monitor"
)

// A restart kills the worker by its handle, not by a pid that may be in use again.
func TestRestartWorker(t *testing.T) {
	d := newTestDaemon(t, "", io.Discard)
	d.restartWorker() // there is none yet
	kills := 0
	d.worker = &monitor.Worker{Pid: 1 << 30, Kill: func() error { kills++; return nil }}
	d.restartWorker()
	if kills != 1 {
		t.Errorf("killed %d times", kills)
	}
}
