package control

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/enforce"
)

// A command gets one end of a link, of which the daemon keeps nothing, or why there is none.
func TestFleetLink(t *testing.T) {
	p, h := newPlace(t, false), testHost
	links, why := make(chan *fleetlink.Link, 1), errors.New("this gateway belongs to no fleet")
	var there atomic.Bool
	h.FleetLink = func() (*os.File, error) {
		if !there.Load() {
			return nil, why
		}
		conn, file, err := fleetlink.Pair()
		links <- fleetlink.NewLink(conn)
		return file, err
	}
	stop, err := Serve(filepath.Join(p.dir, "fwknopd.sock"), new(enforce.Recorder), h)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	_, l, _ := OpenLive(cli.Fleet, []string{"-c", p.conf}, t.Output(), t.Output())
	if _, err := l.FleetLink(); err == nil || err.Error() != why.Error() {
		t.Errorf("without a fleet: %v", err)
	}
	there.Store(true)
	conn, err := l.FleetLink()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other := <-links
	if err := other.Send('x', nil); err != nil {
		t.Fatal(err)
	}
	if kind, _, err := fleetlink.NewLink(conn).Receive(); kind != 'x' || err != nil {
		t.Errorf("%q, %v", kind, err)
	}
	stop()
	conn.Close()
	if _, _, err := other.Receive(); err == nil {
		t.Error("the daemon holds the link")
	}
}
