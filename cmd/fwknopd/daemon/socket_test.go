package daemon

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// A lineWaiter is a terminal that signals when a text is written to it.
type lineWaiter struct {
	text []byte
	seen chan struct{} // has room for one
}

// Write implements io.Writer.
func (h *lineWaiter) Write(b []byte) (int, error) {
	if bytes.Contains(b, h.text) {
		select {
		case h.seen <- struct{}{}:
		default:
		}
	}
	return len(b), nil
}

// A busy worker ends when the socket to its monitor is closed, without a signal.
func TestWorkerEndsWithItsSocket(t *testing.T) {
	terminal := &lineWaiter{[]byte("state: 0 records"), make(chan struct{}, 1)}
	d := newTestDaemon(t, "AUTH_MODE FILE_PCAP;\nPCAP_PKT_FILE "+t.TempDir()+"/spa.pcap;", terminal)
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.mon.Close(context.Background())
	wk, err := d.embedWorker()
	if err != nil {
		t.Fatal(err)
	}
	go d.mon.Serve(t.Context(), wk.Conn)
	deadline := time.After(20 * time.Second)
	for asked := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-asked.C: // no reply until it reads packets
			d.mon.Notify(noticeState)
			continue
		case <-terminal.seen:
		case <-deadline:
			t.Fatal("the worker was never at work")
		}
		asked.Stop()
		break
	}
	wk.Conn.Close()
	ended := make(chan error, 1)
	go func() { ended <- wk.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended without a reason")
		}
	case <-deadline:
		t.Fatal("the worker lives on without its monitor")
	}
}
