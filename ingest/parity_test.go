package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
)

// TestLogEqualsCapture reads the same packets from a log and from a capture.
func TestLogEqualsCapture(t *testing.T) {
	captures, err := filepath.Glob("../fixtures/netfilter/cross/*.pcap")
	if err != nil || len(captures) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range captures {
		t.Run(filepath.Base(name), func(t *testing.T) {
			frames, err := Read([]string{name}, ReadOptions{})
			ok(t, err)
			defer frames.Close()
			lines, err := Read([]string{strings.TrimSuffix(name, ".pcap") + ".log"}, ReadOptions{Ref: testRef})
			ok(t, err)
			defer lines.Close()
			for n := 1; ; n++ {
				frame, err := nextEvent(t, frames)
				line, err2 := nextEvent(t, lines)
				if err == io.EOF && err2 == io.EOF {
					if n == 1 {
						t.Error("no events")
					}
					return
				}
				ok(t, errors.Join(err, err2))
				if frame == "" { // its data offset lies; the line was made without a packet
					continue
				}
				if frame != line {
					t.Errorf("packet %d\nframe %+v\nline  %+v", n, frame, line)
				}
			}
		})
	}
}

// nextEvent returns what a log line and a frame both tell of a packet.
func nextEvent(t *testing.T, src Source) (string, error) {
	t.Helper()
	var ev parse.Event
	for {
		err := src.Next(t.Context(), &ev)
		if isSkip(err) {
			t.Errorf("record refused: %v", err)
			continue
		}
		if err == nil && !ev.HasOptions {
			return "", nil
		}
		options := fmt.Sprintf("% x", ev.Options())
		ev.SetOptions(make([]byte, parse.MaxOptions)) // nothing left of earlier ones
		ev.Time, ev.Origin, ev.Payload, ev.In, ev.Prefix = time.Time{}, 0, nil, nil, nil
		ev.Seq, ev.Ack, ev.HasSeq = 0, 0, false
		// The two kinds of fixture were made with these apart.
		ev.Flags &^= parse.ECE | parse.CWR
		ev.ID, ev.Src = 0, netip.AddrPortFrom(netip.IPv4Unspecified(), ev.Src.Port())
		return fmt.Sprintf("%+v %s", ev, options), err
	}
}
