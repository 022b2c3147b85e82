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

	"fwknopd/enforce"
)

// A request is one JSON object; the answer is one, too, and ends the connection.
type request struct {
	Do     string    `json:"do"` // list, revoke, flush, state
	Select Selection `json:"select"`
}

type answer struct {
	Grants  []enforce.Grant `json:"grants"`            // that are open, or were closed
	Waiting string          `json:"waiting,omitempty"` // what the daemon waits for
	Error   string          `json:"error,omitempty"`
}

const (
	maxRequest = 4 << 10
	maxAnswer  = 256 << 20 // 2^16 openings, and room
	// exchangeTime bounds a request with its answer: closing thousands of rules, or
	// some by commands.
	exchangeTime = 2 * time.Minute
	// stateTime bounds a question that needs no work: a daemon that is busy with other
	// requests does not hold up a status.
	stateTime = 2 * time.Second
)

// A Selection names some of what is open; the zero value names everything.
type Selection struct {
	Src    netip.Prefix `json:"src"`
	Port   enforce.Port `json:"port"`   // zero: any
	Stanza int          `json:"stanza"` // zero: any
}

// Has reports that g is selected; of a grant with several ports one is enough.
func (s Selection) Has(g enforce.Grant) bool {
	if s.Src.IsValid() && !s.Src.Contains(g.Src.Unmap()) || s.Stanza != 0 && s.Stanza != g.Stanza {
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

// SocketPath is where the daemon with that pid file listens.
func SocketPath(pidFile string) string { return strings.TrimSuffix(pidFile, ".pid") + ".sock" }

// errNoDaemon is that nobody listens.
var errNoDaemon = errors.New("no daemon listens")

// errNoAnswer is that the daemon hung up on us: mostly because it just ended.
var errNoAnswer = errors.New("the daemon hung up before it answered")

// hungUp is err, or [errNoAnswer] if that is what it means.
func hungUp(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errNoAnswer
	}
	return err
}

// ask sends one request to the daemon at path.
func ask(path string, req request) (*answer, error) { return askWithin(exchangeTime, path, req) }

func askWithin(d time.Duration, path string, req request) (*answer, error) {
	name, release, err := shorten(path)
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
	defer conn.Close()
	if err := trust(conn.(*net.UnixConn)); err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(d))
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return nil, hungUp(err)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(conn, maxAnswer)).Decode(&a); err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", hungUp(err))
	}
	if a.Error != "" {
		err = errors.New(a.Error)
	}
	return &a, err
}

// trust wants root or ourselves at the other end.
func trust(c *net.UnixConn) error {
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

// listen makes the socket at path in place of one that a dead daemon left. Only its
// owner may connect.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	name, release, err := shorten(path)
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
