package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkStart is the time from the start of the program until it tells the service manager
// that it is ready, from when on packets are received. The daemon starts with the digests and
// chains that the start before left.
func BenchmarkStart(b *testing.B) {
	for _, bench := range []struct{ kind, load string }{
		{"nftables", "nftables"}, {"iptables", "iptables"}, {"auto", "nftables"},
	} {
		b.Run(bench.kind, func(b *testing.B) {
			s := newSiteWith(b, bench.kind, firewalls[bench.load])
			s.configure("", stanza(""))
			read := notifySocket(b, s.dir)
			var took []time.Duration
			for b.Loop() {
				begin := s.begin(b)
				read(b, "READY=1")
				took = append(took, time.Since(begin))
				_ = s.cmd.Process.Kill()
				_ = s.cmd.Wait()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[0])/1e6, "best-ms")
			b.ReportMetric(float64(took[len(took)/2])/1e6, "median-ms")
			b.ReportMetric(0, "ns/op") // has the end of the daemon in it
		})
	}
}

// begin starts the daemon, from a thread that is in the namespace already, and returns when.
func (s *site) begin(b *testing.B) (at time.Time) {
	bin, err := program()
	if err != nil {
		b.Fatal(err)
	}
	s.cmd = exec.Command(bin, s.args("-f")...)
	s.cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+filepath.Join(s.dir, "no-bus"))
	s.Server.Do(func() {
		at = time.Now()
		err = s.cmd.Start()
	})
	if err != nil {
		b.Fatal(err)
	}
	return at
}
