package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// A request is one JSON object. The answer is another one, after which the connection
// is closed; to "events" it is followed by the objects of the event log, one a line; with that to
// "fleet-link" comes a descriptor.
type request struct {
	Do     string    `json:"do"` // list, revoke, flush, state, add, reload, status, fleet, fleet-revoke, fleet-link, uses, events
	Select Selection `json:"select"`
	Add    *Addition `json:"add,omitempty"`
	// Connections: of what is revoked, are counted or cut; "": are not looked at.
	Connections string `json:"connections,omitempty"`
	Reset       string `json:"reset,omitempty"` // of uses: the NAME of a stanza that is counted from zero
	Last        int    `json:"last,omitempty"`  // how many of the last events are wanted
	// Fleet: of fleet-revoke, which gateways and stanza.
	Fleet *FleetOrder `json:"fleet,omitempty"`
}

type answer struct {
	Grants     []enforce.Grant `json:"grants"`            // listed, revoked or added
	Blocked    []string        `json:"blocked,omitempty"` // base chains that drop what was added
	Waiting    string          `json:"waiting,omitempty"` // what the daemon waits for
	Error      string          `json:"error,omitempty"`
	Unconfined string          `json:"unconfined,omitempty"` // why the worker is not wholly confined
	// Unconfirmed: the firewall did not answer, Grants are those that the daemon has opened.
	Unconfirmed bool         `json:"unconfirmed,omitempty"`
	Connections *Connections `json:"connections,omitempty"` // nil: they were not looked at
	// Titles are those of the stanzas of the grants, by the running configuration.
	Titles report.Titles `json:"titles,omitempty"`

	Reload *report.Reload    `json:"reload,omitempty"`
	Status *report.Status    `json:"status,omitempty"`
	Uses   []report.Uses     `json:"uses,omitempty"`
	Fleet  *fleetlink.Status `json:"fleet,omitempty"`
	// Revoked is what each gateway of the fleet has done.
	Revoked []report.FleetRevoked `json:"revoked,omitempty"`
	// History is how many of the events that follow have happened before the request.
	History int `json:"history,omitempty"`
}

const (
	maxRequest = 4 << 10
	maxAnswer  = 256 << 20 // more than 2^16 grants need
	// exchangeTimeout bounds a request with its answer: revoking thousands of grants,
	// or running external commands, takes time.
	exchangeTimeout = 2 * time.Minute
	// stateTimeout bounds a state request, so that a daemon busy with other requests
	// does not delay -S.
	stateTimeout = 2 * time.Second
)

// A Selection selects grants; the zero value selects all.
type Selection struct {
	Src    netip.Prefix `json:"src"`            // grants that let in one of these addresses
	Port   enforce.Port `json:"port"`           // zero: any
	Stanza int          `json:"stanza"`         // the line of SOURCE; zero: any
	Name   string       `json:"name,omitempty"` // NAME or line, which who has the configuration makes Stanza
	Key    string       `json:"key,omitempty"`  // of one grant, see [enforce.Grant.Key]; "": any
}

// resolve sets Stanza by Name, as line does (see [conf.Access.Line]).
func (s *Selection) resolve(line func(string) (int, error)) (err error) {
	if s.Name != "" {
		s.Stanza, err = line(s.Name)
		s.Name = ""
	}
	return err
}

// An Addition is a grant that the administrator asks for.
type Addition struct {
	Src    netip.Addr     `json:"src"`
	Dst    netip.Addr     `json:"dst"` // invalid: any
	Ports  []enforce.Port `json:"ports"`
	For    time.Duration  `json:"for"`    // whole seconds; 0: the time of the stanza
	Stanza string         `json:"stanza"` // NAME or line; "": the one that offers it
}

// Matches reports whether g is selected; of a grant with several ports one suffices, and of
// one for a prefix one address.
func (s Selection) Matches(g enforce.Grant) bool {
	if s.Src.IsValid() && !g.Overlaps(s.Src) || s.Stanza != 0 && s.Stanza != g.Stanza || s.Key != "" && s.Key != g.Key() {
		return false
	}
	if s.Port == (enforce.Port{}) {
		return true
	}
	for _, p := range g.Ports {
		if p == s.Port {
			return true
		}
	}
	return false
}

// SocketPath returns the path of the control socket of the daemon with that pid file.
func SocketPath(pidFile string) string { return strings.TrimSuffix(pidFile, ".pid") + ".sock" }

// errNoDaemon means that no process listens on the socket.
var errNoDaemon = errors.New("no daemon listens")

// errNoAnswer means that the daemon closed the connection, in most cases because it
// exits.
var errNoAnswer = errors.New("the daemon hung up before it answered")

// hangUpError returns [errNoAnswer] if err means a closed connection, else err.
func hangUpError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errNoAnswer
	}
	return err
}

// ask sends one request to the daemon at path and returns its answer.
func ask(path string, req request) (*answer, error) { return askTimeout(exchangeTimeout, path, req) }

func askTimeout(d time.Duration, path string, req request) (*answer, error) {
	conn, err := dial(d, path)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(d))
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return nil, hangUpError(err)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(conn, maxAnswer)).Decode(&a); err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", hangUpError(err))
	}
	if a.Error != "" {
		err = errors.New(a.Error)
	}
	return &a, err
}

// dial connects to the daemon at path. The error is [errNoDaemon] if none listens there.
func dial(d time.Duration, path string) (*net.UnixConn, error) {
	name, release, err := shortSocketPath(path)
	if err != nil {
		return nil, errNoDaemon
	}
	defer release()
	conn, err := net.DialTimeout("unix", name, d)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoDaemon
	}
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn.(*net.UnixConn)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// checkPeer returns an error unless the peer is root or has our own user id.
func checkPeer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	uid, credErr := 0, error(nil)
	if err := raw.Control(func(fd uintptr) { uid, credErr = peerUID(int(fd)) }); err != nil {
		return err
	}
	if credErr == nil && uid != 0 && uid != os.Geteuid() {
		credErr = fmt.Errorf("user %d is at the other end of the control socket", uid)
	}
	return credErr
}

// listen creates the socket at path, replacing one that a killed daemon left. Only
// its owner may connect.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return ListenPrivate(path)
}

// ListenPrivate creates a unix socket at path, where nothing may be. Only its owner may connect
// to it. It stays when the listener is closed.
func ListenPrivate(path string) (*net.UnixListener, error) {
	name, release, err := shortSocketPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := listenPrivate(name)
	if err != nil {
		return nil, err
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	return u, nil
}
