package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"fwknopd/enforce"
)

// A Keeper keeps grants open, and closes those that it is asked to for good: in the
// daemon *monitor.Monitor, without one the firewall itself.
type Keeper interface {
	enforce.Enforcer
	Flush(ctx context.Context) error
}

// A server answers for a daemon.
type server struct {
	keeper  Keeper
	waiting func() string
}

// Serve answers the commands of this package at path (see [SocketPath]) for a
// daemon that holds its pid file, until stop is called. Requests are taken one
// after the other.
//
// waiting says what the daemon waits for, "" for nothing.
func Serve(path string, k Keeper, waiting func() string) (stop func(), err error) {
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		accept(ctx, l, server{k, waiting})
	}()
	return func() {
		os.Remove(path)
		cancel()
		l.Close()
		<-done
	}, nil
}

// acceptPause keeps a listener that fails (out of descriptors) from spinning.
const acceptPause = 100 * time.Millisecond

func accept(ctx context.Context, l *net.UnixListener, s server) {
	for {
		conn, err := l.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
			continue
		}
		hangUp := context.AfterFunc(ctx, func() { conn.Close() })
		s.serve(ctx, conn)
		hangUp()
		conn.Close()
	}
}

// serve takes one request. Whoever cannot ask properly gets no answer.
func (s server) serve(ctx context.Context, conn *net.UnixConn) {
	if trust(conn) != nil {
		return
	}
	conn.SetDeadline(time.Now().Add(exchangeTime))
	var req request
	in := json.NewDecoder(io.LimitReader(conn, maxRequest))
	in.DisallowUnknownFields()
	if in.Decode(&req) != nil {
		return
	}
	var a answer
	var err error
	switch req.Do {
	case "list":
		a.Grants, err = selected(ctx, s.keeper, req.Select)
	case "revoke":
		a.Grants, err = revoke(ctx, s.keeper, req.Select)
	case "flush":
		err = s.keeper.Flush(ctx)
	case "state":
		a.Waiting = s.waiting()
	default:
		err = fmt.Errorf("request %q is not known to this daemon", req.Do)
	}
	if err != nil {
		a.Error = err.Error()
	}
	json.NewEncoder(conn).Encode(a) // who does not wait for the answer does not want it
}

// selected is what is open of a selection.
func selected(ctx context.Context, k Keeper, s Selection) (some []enforce.Grant, err error) {
	all, err := k.List(ctx)
	for _, g := range all {
		if s.Has(g) {
			some = append(some, g)
		}
	}
	return some, err
}

// revoke closes what is selected, and returns what was closed.
func revoke(ctx context.Context, k Keeper, s Selection) (closed []enforce.Grant, err error) {
	open, err := selected(ctx, k, s)
	if err != nil {
		return nil, err
	}
	if s == (Selection{}) {
		return open, k.Flush(ctx)
	}
	for _, g := range open {
		if failed := k.Revoke(ctx, g); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		closed = append(closed, g)
	}
	return closed, err
}
