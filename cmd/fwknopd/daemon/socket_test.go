package daemon

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// A hearer is a terminal that tells when it is told a text.
type hearer struct {
	text  []byte
	heard chan struct{} // has room for one
}

// Write implements io.Writer.
func (h *hearer) Write(b []byte) (int, error) {
	if bytes.Contains(b, h.text) {
		select {
		case h.heard <- struct{}{}:
		default:
		}
	}
	return len(b), nil
}

// The worker ends when the socket to its monitor closes, in the middle of its work: there
// need be no signal that tells it.
func TestWorkerEndsWithItsSocket(t *testing.T) {
	terminal := &hearer{[]byte("state: 0 records"), make(chan struct{}, 1)}
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
		case <-asked.C: // until it reads packets, it does not answer
			d.mon.Notify(noticeState)
			continue
		case <-terminal.heard:
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
