package ingest

import (
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/wait"
)

// TestIdle: sources that wait do not wake up.
func TestIdle(t *testing.T) {
	dir := t.TempDir()
	log, err := followLog(filepath.Join(dir, "kern.log"), FollowOptions{})
	ok(t, err)
	appendTo(t, filepath.Join(dir, "spa.pcap"), string(buildPcap("one")))
	pcap, err := followPcap(filepath.Join(dir, "spa.pcap"), FollowOptions{})
	ok(t, err)
	fifo := followFIFO(t, filepath.Join(dir, "fifo"), ReadOptions{})
	udp := listenUDP(t, "127.0.0.1:0")
	tcp := listenTCP(t, "127.0.0.1:0")
	local := listenUnix(t, filepath.Join(dir, "sock"))
	p := newTap(t, Merge(log, pcap, fifo, udp, tcp, local))
	debug.FreeOSMemory() // or the runtime would, a little at a time, while we count
	switches := func() int {
		var r unix.Rusage
		ok(t, unix.Getrusage(unix.RUSAGE_SELF, &r))
		return int(r.Nvcsw)
	}
	wait.Idle(t, 2*time.Second, 5, map[string]func() int{"this process": switches}) // the timer and the runtime have a few
	appendTo(t, filepath.Join(dir, "kern.log"), line(7))                            // all are still awake enough
	p.want("7")
}
