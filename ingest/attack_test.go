package ingest

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"fwknopd/fixtures/wait"
)

// TestAttackSlowloris: connections on which nothing is sent, or no end of a message, as many
// as the server takes, keep others out only until their time is over.
func TestAttackSlowloris(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fwknopd.sock")
	for _, c := range []struct {
		name, network, text string
		server              func() (s Source, address string)
	}{
		{"TCP", "tcp", "valid", func() (Source, string) {
			s := listenTCP(t, "127.0.0.1:0")
			return s, s.LocalAddr().String()
		}},
		{"feed", "unix", "192.0.2.7:17:valid\n", func() (Source, string) { return listenUnix(t, path), path }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, address := c.server()
			p := newTap(t, s)
			for range maxConnections {
				slow, err := net.Dial(c.network, address)
				ok(t, err)
				defer slow.Close()
			}
			wait.For(t, "all connections are taken", func() bool {
				more, err := net.Dial(c.network, address)
				ok(t, err)
				defer more.Close()
				return s.Stats().Counts().Lost > 0
			})
			p.until("valid", func() {
				valid, err := net.Dial(c.network, address)
				if err != nil {
					return // the queue of the kernel is full
				}
				fmt.Fprint(valid, c.text)
				valid.Close()
			})
		})
	}
}
