package worker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
)

// A stalledPipe is a pipe whose writes block until read is closed.
type stalledPipe struct {
	bytes.Buffer
	read chan struct{}
}

func (s *stalledPipe) Write(p []byte) (int, error) {
	<-s.read
	return s.Buffer.Write(p)
}

func (s *stalledPipe) Close() error { return nil }

// Decisions do not wait for the log; lost messages are counted.
func TestRecordsNeverBlock(t *testing.T) {
	w := &stalledPipe{read: make(chan struct{})}
	l := newRecordWriter(w)
	done := make(chan struct{})
	go func() {
		for range 10 * maxQueued {
			l.put(privsep.RecordInfo, bytes.Repeat([]byte("x"), 100))
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("put waits for the reader")
	}
	close(w.read)
	l.close()
	if !strings.Contains(w.String(), "messages lost") {
		t.Error("the lost messages are not reported")
	}
}

// A record is one line, whatever is in its text.
func TestRecordsAreLines(t *testing.T) {
	w := &stalledPipe{read: make(chan struct{})}
	close(w.read)
	l := newRecordWriter(w)
	l.put(privsep.RecordInfo, []byte("a\nsb"))
	l.close()
	if got := w.String(); got != "ia?sb\n" {
		t.Errorf("%q", got)
	}
}
