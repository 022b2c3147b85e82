package worker

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// The lag is that of the source that the event came from, and an event whose time is not of a
// clock has none.
func TestLagOfSources(t *testing.T) {
	line := "Nov 22 12:00:00 gate kernel: [1.0] DROP IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00 SRC=192.0.2.7 DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=5 DPT=7 WINDOW=64240 RES=0x00 SYN URGP=0\n"
	read := func(text string) ingest.Source {
		name := filepath.Join(t.TempDir(), "log")
		err := os.WriteFile(name, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		src, err := ingest.Read([]string{name}, ingest.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	each := []ingest.Source{read("nothing\n"), read(line), read("nothing\n")}
	s := newSources(make([]privsep.SourceSpec, 3), each)
	defer s.Close()
	var ev parse.Event
	if err := s.Next(context.Background(), &ev); err != nil {
		t.Fatal(err)
	}
	s.sawEvent(ev.Time.Add(90*time.Second), ev.Time)
	s.sawEvent(ev.Time, time.Unix(1, 0)) // counts from boot
	s.sawEvent(ev.Time, time.Time{})
	for i, state := range s.states() {
		if want := time.Duration(i%2) * 90 * time.Second; state.Lag != want {
			t.Errorf("source %d: lag %v, want %v", i, state.Lag, want)
		}
	}
	s.sawEvent(ev.Time.Add(-time.Hour), ev.Time)
	if lag := s.states()[1].Lag; lag != 0 {
		t.Errorf("an event of the future: lag %v", lag)
	}
	if err := s.Next(context.Background(), &ev); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
