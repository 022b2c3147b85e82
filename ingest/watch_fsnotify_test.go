//go:build freebsd || fsnotify

package ingest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestFollowWatcherClosed: that fsnotify closes its channels is not an event that was lost.
func TestFollowWatcherClosed(t *testing.T) {
	w := newWatcher(filepath.Join(t.TempDir(), "kern.log"), false)
	w.watchPath()
	w.close()
	<-w.notify.Events
	<-w.notify.Errors
	for range 100 { // select takes either channel
		w.drain()
		if err := w.wait(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("wait after close: %v", err)
		}
	}
	if w.overflow {
		t.Error("an overflow is reported")
	}
}
