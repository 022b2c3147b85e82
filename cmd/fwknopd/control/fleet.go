package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// serveFleet answers a request for a link to the fleet process with one end of it: what comes over that
// passes the daemon by.
func (s server) serveFleet(conn *net.UnixConn) {
	f, err := s.FleetLink()
	if err != nil {
		json.NewEncoder(conn).Encode(answer{Error: err.Error()})
		return
	}
	defer f.Close()
	text, _ := json.Marshal(answer{})                   // it has nothing that cannot be encoded
	_ = fleetlink.PassFile(conn, append(text, '\n'), f) // an error means that the client has gone
}

// FleetLink returns one end of a link to the fleet process of the daemon, which answers one query on
// it, see [fleetlink.Ask].
func (l Live) FleetLink() (*net.UnixConn, error) {
	conn, err := dial(statusTimeout, SocketPath(l.c.pidFile()))
	if err != nil {
		return nil, l.c.daemonError(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(statusTimeout))
	if err := json.NewEncoder(conn).Encode(request{Do: "fleet-link"}); err != nil {
		return nil, hangUpError(err)
	}
	text := make([]byte, maxRequest)
	n, f, err := fleetlink.TakeFile(conn, text)
	if err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", hangUpError(err))
	}
	var a answer
	if err = json.Unmarshal(text[:n], &a); err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	switch {
	case f == nil:
		return nil, cmp.Or(err, errors.New("the daemon gave no link to its fleet process"))
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("answer of the daemon: %w", err)
	}
	return fleetlink.Conn(f)
}
