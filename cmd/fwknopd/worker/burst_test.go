package worker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// In a burst of messages no grant is opened before the digests of as many messages are on
// disk, and none at all while the disk fails.
func TestBurstOfDigests(t *testing.T) {
	const burst = 200
	var durable, opened, early, failed atomic.Int32
	var failing atomic.Bool
	fw := new(enforce.Recorder)
	fw.Fail = func(enforce.Grant) error {
		if opened.Add(1) > durable.Load() {
			early.Add(1)
		}
		return nil
	}
	_, send := runOnUDP(t, "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\nFW_ACCESS_TIMEOUT 30\n", monitor.Config{
		Firewall: fw,
		Digests: func(list []monitor.Digest) error {
			if failing.Load() {
				failed.Add(int32(len(list)))
				return errors.New("input/output error")
			}
			durable.Add(int32(len(list)))
			return nil
		},
	})
	for n := range burst {
		send(n)
	}
	wait.For(t, "all grants", func() bool { return opened.Load() == burst })
	if early.Load() > 0 {
		t.Errorf("%d grants were opened before their digests were on disk", early.Load())
	}
	failing.Store(true)
	for n := range 20 {
		send(burst + n)
	}
	wait.For(t, "all failures", func() bool { return failed.Load() == 20 })
	failing.Store(false)
	send(burst + 100)
	wait.For(t, "a grant after the disk has recovered", func() bool { return opened.Load() > burst })
	if opened.Load() != burst+1 || early.Load() > 0 {
		t.Errorf("%d grants, %d digests on disk, %d too early", opened.Load(), durable.Load(), early.Load())
	}
}

// runOnUDP runs a worker with these stanzas, the first of which may open tcp/22, and a monitor.
// send sends the nth message to it.
func runOnUDP(t *testing.T, access string, cfg monitor.Config) (m *monitor.Monitor, send func(n int)) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	port := socket.LocalAddr().(*net.UDPAddr).Port
	encoded := encodedConfig(t, map[string]string{
		"fwknopd.conf": fmt.Sprintf("AUTH_MODE UDP;\nUDPSERV_PORT %d;\n", port),
		"access.conf":  access,
	})
	if cfg.Policy.Limits.Stanzas == nil {
		cfg.Policy.Limits.Stanzas = []enforce.Allowance{{Stanza: 1, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
			Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, MaxLifetime: time.Minute}}
	}
	cfg.Policy.Files = map[string]func() (*os.File, error){
		privsep.FileConfig:               func() (*os.File, error) { return os.Open(encoded) },
		privsep.FileJournal:              emptyJournal,
		privsep.FileUses:                 func() (*os.File, error) { return pipedUses(m.Uses()) },
		fmt.Sprintf("UDP port %d", port): socket.File,
	}
	if m, err = monitor.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go m.Serve(ctx, server)
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, conn, discard{}) }()
	t.Cleanup(func() { server.Close(); <-ended; cancel() })
	client, err := net.Dial("udp", socket.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return m, func(n int) {
		p, err := spa.Encode(&spa.Message{User: "u", Time: time.Now().Unix(), Version: "3.0.0", Type: spa.Access, Text: fmt.Sprintf("10.0.%d.%d,tcp/22", n/250, n%250+1)},
			spa.Key{Passphrase: []byte("sometestkey1")}, spa.EncodeOptions{Rand: rand.Reader})
		if err == nil {
			_, err = client.Write(p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// encodedConfig returns a file with what a monitor tells its worker of these files.
func encodedConfig(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	c := &privsep.Config{Options: config.Options{Config: "fwknopd.conf", Access: "access.conf"}, Files: make(map[string]privsep.FileResult)}
	for name, text := range files {
		c.Files[name] = privsep.FileResult{Data: []byte(text), Info: conf.FileInfo{Regular: true}}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// discard is the pipe of a worker whose records are not read.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }
