// Package scrape answers GET /metrics at a unix socket or an address, in the privileged
// process. It is no general HTTP server: of a request it reads the head, within a limit of
// length and time, and looks at nothing but its first line; it takes no body, keeps no
// connection and runs no code that the request chooses. Few connections are served at a
// time; one that sends no request gives way to the next.
//
// Entry points: [Listen], then [Listener.Serve].
package scrape

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
)

// A Listener listens for scrapes.
type Listener struct {
	net.Listener
	at     conf.Endpoint
	socket os.FileInfo // of a unix socket
	done   chan struct{}
	stop   func()
}

// errInUse is the error of a socket at which another process listens.
var errInUse = errors.New("a process listens there already")

// Listen opens an endpoint. A unix socket that a process left is replaced; only its owner may
// connect to it. No request is answered before Serve.
func Listen(at conf.Endpoint) (*Listener, error) {
	l := &Listener{at: at}
	var err error
	if at.Path == "" {
		l.Listener, err = net.Listen("tcp", at.Addr.String())
	} else {
		err = l.listenUnix(at.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, cause(err))
	}
	return l, nil
}

// cause leaves out the address and the call, which the message has.
func cause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

func (l *Listener) listenUnix(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	if faults := safepath.Check(dir); len(faults) > 0 { // others could put their socket there
		return errors.New(faults[0].String())
	}
	if err := removeStale(path); err != nil {
		return err
	}
	u, err := control.ListenPrivate(path)
	if err != nil {
		return err
	}
	l.Listener = u
	if l.socket, err = os.Lstat(path); err != nil {
		u.Close()
	}
	return err
}

// removeStale removes a socket at which nothing listens.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file, which is not a socket")
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return errInUse
	case !errors.Is(err, syscall.ECONNREFUSED):
		return errInUse // as with a full queue
	}
	return os.Remove(path)
}

// Close stops to listen, ends all connections and waits for their goroutines. It removes the
// unix socket.
func (l *Listener) Close() error {
	if l.socket != nil {
		if st, err := os.Lstat(l.at.Path); err == nil && os.SameFile(st, l.socket) {
			os.Remove(l.at.Path)
		}
	}
	err := l.Listener.Close()
	if l.stop != nil {
		l.stop()
		<-l.done
	}
	return err
}
