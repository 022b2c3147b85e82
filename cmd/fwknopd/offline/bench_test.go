package offline

import (
	"io"
	"os"
	"testing"
)

func BenchmarkProf(b *testing.B) {
	name := os.Getenv("PROF_PCAP")
	for b.Loop() {
		if Replay([]string{"-c", "/tmp/engine/h2.conf", "-a", "/tmp/engine/h2a.conf", name}, nil, io.Discard, io.Discard) != 0 {
			b.Fatal("no")
		}
	}
}
