package node

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// handshake returns the errors of both sides.
func handshake(t *testing.T, client, server *tls.Config) (c, s error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answered := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			err = tls.Server(conn, server).Handshake()
		}
		answered <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to := tls.Client(conn, client)
	if c = to.Handshake(); c == nil {
		_, c = to.Read(make([]byte, 1)) // with TLS 1.3 a client hears only now that it was refused
	}
	conn.Close()
	return c, <-answered
}

func TestPins(t *testing.T) {
	list := configs(t, 2)
	stranger := list[1]
	var err error
	if stranger.Credentials, _, err = NewCredentials("gw2"); err != nil {
		t.Fatal(err)
	}
	if _, err := memberTLS(stranger); err == nil || !strings.Contains(err.Error(), "another pin for gw2") {
		t.Errorf("a key that is not that of the list: %v", err)
	}
	stranger.Peers = list[1].Peers[:1]
	var sides []*tls.Config
	for _, cfg := range []fleetlink.Config{list[0], list[1], stranger} {
		side, err := memberTLS(cfg)
		if err != nil {
			t.Fatal(err)
		}
		sides = append(sides, side)
	}
	if _, err := handshake(t, sides[0], sides[1]); err != nil {
		t.Errorf("two members: %v", err)
	}
	if _, err := handshake(t, sides[2], sides[0]); !errors.Is(err, errPin) {
		t.Errorf("a stranger calls: %v", err)
	}
	if err, _ := handshake(t, sides[0], sides[2]); !errors.Is(err, errPin) {
		t.Errorf("a stranger is called: %v", err)
	}
	old := sides[0].Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err := handshake(t, old, sides[1]); err == nil {
		t.Error("TLS 1.2 is accepted")
	}
	if _, err := memberTLS(fleetlink.Config{Name: "gw1", Credentials: []byte("junk")}); err == nil {
		t.Error("junk is accepted as credentials")
	}
}
