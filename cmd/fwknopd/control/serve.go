package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// An Enforcer lists, revokes and flushes grants: *monitor.Monitor in the daemon, the
// firewall itself if no daemon runs.
type Enforcer interface {
	List(ctx context.Context) ([]enforce.Grant, error)
	Revoke(ctx context.Context, g enforce.Grant) error
	Flush(ctx context.Context) error
}

// A server answers requests in the daemon.
type server struct {
	enforcer Enforcer
	Host
}

// A Host is what requests need of the daemon beside its Enforcer.
type Host struct {
	State func() State
	// Line returns the line of a stanza by its NAME or line.
	Line func(stanza string) (int, error)
	// Add opens what the administrator asks for, and returns it as it stands in the firewall,
	// with the base chains of other programs that drop it all the same.
	Add    func(context.Context, Addition) (open []enforce.Grant, blocked []string, err error)
	Reload func(ctx context.Context) (report.Reload, error)
	Status func(ctx context.Context) report.Status
	Fleet  func(ctx context.Context) (fleetlink.Status, error) // asks the fleet process
	// Uses returns the uses of stanzas, after a reset of that with the NAME reset, if that is
	// not "".
	Uses func(ctx context.Context, reset string) ([]report.Uses, error)
	// FleetRevoke revokes here and at the other gateways of the fleet; nil: there is none.
	FleetRevoke func(ctx context.Context, s Selection, o FleetOrder) ([]report.FleetRevoked, error)
	// FleetLink returns one end of a link to the fleet process, on which commands read what the fleet has
	// stored; nil: there is none.
	FleetLink func() (*os.File, error)
	Feed      *Feed // nil: events cannot be watched
	// Guard is GUARD_FORWARD, by which the connections of a grant are found.
	Guard enforce.Guard
	// Rejecter returns what rejects what connections that are cut still send, nil if nothing does;
	// nil: nothing does.
	Rejecter func() enforce.Rejecter
}

func (h Host) rejecter() enforce.Rejecter {
	if h.Rejecter == nil {
		return nil
	}
	return h.Rejecter()
}

// A State is what a running daemon reports about itself.
type State struct {
	Waiting    string       // what it waits for, "" for nothing
	Unconfined string       // why the worker is not wholly confined, "" if it is
	Access     *conf.Access // the stanzas that are in force
}

// Serve answers the commands of this package at path (see [SocketPath]) until stop
// is called. The caller must hold the pid file. Some requests are served at a time, so
// that one that waits for the firewall does not delay the state.
func Serve(path string, k Enforcer, h Host) (stop func(), err error) {
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		acceptLoop(ctx, l, server{k, h})
	}()
	return func() {
		os.Remove(path)
		cancel()
		l.Close()
		<-done
	}, nil
}

// maxExchanges is how many requests are served at a time.
const maxExchanges = 8

// acceptPause keeps acceptLoop from spinning when Accept fails, for example for lack
// of descriptors.
const acceptPause = 100 * time.Millisecond

func acceptLoop(ctx context.Context, l *net.UnixListener, s server) {
	slots := make(chan struct{}, maxExchanges)
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := l.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			conn.Close()
			return
		}
		serving.Go(func() {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			defer conn.Close()
			follow := s.serve(ctx, conn)
			<-slots
			if follow != nil {
				follow()
			}
		})
	}
}

// serve answers one request. An untrusted peer or a malformed request gets no answer. What
// follows the answer, if anything does, is left to the caller.
func (s server) serve(ctx context.Context, conn *net.UnixConn) (follow func()) {
	if checkPeer(conn) != nil {
		return nil
	}
	conn.SetDeadline(time.Now().Add(exchangeTimeout))
	var req request
	in := json.NewDecoder(io.LimitReader(conn, maxRequest))
	in.DisallowUnknownFields()
	if in.Decode(&req) != nil {
		return nil
	}
	if req.Do == "events" && s.Feed != nil {
		return s.openFeed(ctx, conn, req.Last)
	}
	if req.Do == "fleet-link" && s.FleetLink != nil {
		s.serveFleet(conn)
		return nil
	}
	json.NewEncoder(conn).Encode(s.answer(ctx, req)) // an error means that the client has gone
	return nil
}

// openFeed answers a request for events, and returns what sends them.
func (s server) openFeed(ctx context.Context, conn *net.UnixConn, last int) (follow func()) {
	r, history, err := s.Feed.subscribe(last, false)
	if err != nil {
		json.NewEncoder(conn).Encode(answer{Error: err.Error()})
		return nil
	}
	json.NewEncoder(conn).Encode(answer{History: history})
	return func() { s.Feed.send(ctx, r, conn) }
}

// answer returns the answer to a request.
func (s server) answer(ctx context.Context, req request) (a answer) {
	err := req.Select.resolve(s.Line)
	if err == nil {
		a, err = s.do(ctx, req)
	}
	if len(a.Grants) > 0 {
		a.Titles = report.TitlesOf(s.State().Access, a.Grants)
	}
	switch {
	case req.Do == "list" && errors.Is(err, enforce.ErrUnconfirmed):
		a.Unconfirmed = true
	case err != nil:
		a.Error = err.Error()
	}
	return a
}

// do does what is requested. An error may come with an answer.
func (s server) do(ctx context.Context, req request) (a answer, err error) {
	switch {
	case req.Do == "list":
		a.Grants, err = listSelected(ctx, s.enforcer, req.Select)
	case req.Do == "revoke":
		return revokeSelected(ctx, s.enforcer, s.rejecter(), req, s.Guard)
	case req.Do == "flush":
		err = s.enforcer.Flush(ctx)
	case req.Do == "state":
		state := s.State()
		a.Waiting, a.Unconfined = state.Waiting, state.Unconfined
	case req.Do == "add" && req.Add != nil:
		a.Grants, a.Blocked, err = s.Add(ctx, *req.Add)
	case req.Do == "reload":
		var verdict report.Reload
		verdict, err = s.Reload(ctx)
		a.Reload = &verdict
	case req.Do == "status":
		status := s.Status(ctx)
		a.Status = &status
	case req.Do == "fleet" && s.Fleet != nil:
		var status fleetlink.Status
		status, err = s.Fleet(ctx)
		a.Fleet = &status
	case req.Do == "uses" && s.Uses != nil:
		a.Uses, err = s.Uses(ctx, req.Reset)
	case req.Do == "fleet-revoke":
		return s.fleetRevoke(ctx, req)
	default:
		err = fmt.Errorf("request %q is not known to this daemon", req.Do)
	}
	return a, err
}

// fleetRevoke revokes here and at other gateways.
func (s server) fleetRevoke(ctx context.Context, req request) (a answer, err error) {
	if req.Fleet == nil || s.FleetRevoke == nil {
		return a, errors.New("which gateways is not said")
	}
	a.Revoked, err = s.FleetRevoke(ctx, req.Select, *req.Fleet)
	return a, err
}

// listSelected returns the grants that s selects. An error that comes with grants is
// [enforce.ErrUnconfirmed].
func listSelected(ctx context.Context, k Enforcer, s Selection) (matching []enforce.Grant, err error) {
	all, err := k.List(ctx)
	for _, g := range all {
		if s.Matches(g) {
			matching = append(matching, g)
		}
	}
	return matching, err
}

// revokeSelected revokes the grants that a request selects, and returns those it revoked with
// the connections through them. rejecter is that of a [Host], or nil.
func revokeSelected(ctx context.Context, k Enforcer, rejecter enforce.Rejecter, req request, guard enforce.Guard) (a answer, err error) {
	collect := watchCuts(k)
	a.Grants, err = revoke(ctx, k, req.Select)
	over, notRejected := collect(a.Grants)
	if req.Connections == "" || len(a.Grants) == 0 {
		return a, err
	}
	a.Connections = lookAt(ctx, rejecter, a.Grants, req.Connections == cutConnections, guard)
	if a.Connections != nil {
		a.Connections.addCut(over, rejecter, notRejected)
	}
	return a, err
}

// revoke revokes the grants that s selects and returns those it revoked.
func revoke(ctx context.Context, k Enforcer, s Selection) (closed []enforce.Grant, err error) {
	open, err := listSelected(ctx, k, s)
	if err != nil {
		return nil, err
	}
	if s == (Selection{}) {
		if err := k.Flush(ctx); err != nil {
			return nil, err
		}
		return open, nil
	}
	for _, g := range open {
		failed := k.Revoke(ctx, g)
		if errors.Is(failed, context.DeadlineExceeded) { // the others would take as long
			return closed, errors.Join(err, failed)
		}
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		closed = append(closed, g)
	}
	return closed, err
}
