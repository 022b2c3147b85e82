package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"fwknopd/enforce"
)

// ErrRefused is returned for a request that the policy does not allow.
var ErrRefused = errors.New("refused")

// Refusal returns an [ErrRefused] for the reason err.
func Refusal(err error) error { return refusal{err} }

// A refusal is text only where it is printed: a replay may have very many.
type refusal struct{ reason error }

func (r refusal) Error() string   { return ErrRefused.Error() + ": " + r.reason.Error() }
func (r refusal) Unwrap() []error { return []error{ErrRefused, r.reason} }

// ErrGone is returned by a [Client] whose connection has ended, and by a closed
// [Monitor].
var ErrGone = errors.New("monitor is gone")

// Lengths of the queues on the worker's side.
const (
	maxOutgoing = 4096
	maxNotices  = 16
)

// A Client is the worker's side of the socket. Its methods may be called from several
// goroutines. When the connection has ended, all fail at once with [ErrGone].
type Client struct {
	conn    *net.UnixConn
	out     chan []byte
	notices chan string
	done    chan struct{}

	mu     sync.Mutex
	lastID uint64
	calls  map[uint64]replyFunc // by the ID of the request; nil: the connection has ended
}

// A replyFunc is called exactly once, with the reply to one request or an error.
type replyFunc func(reply, *os.File, error)

// NewClient returns a client that uses and closes conn.
func NewClient(conn *net.UnixConn) *Client {
	c := &Client{
		conn: conn, out: make(chan []byte, maxOutgoing), notices: make(chan string, maxNotices),
		done: make(chan struct{}), calls: make(map[uint64]replyFunc),
	}
	go c.read()
	go c.write()
	return c
}

// Submit requests to open g and returns at once. done is called with the result, possibly
// on another goroutine, and must not block.
func (c *Client) Submit(g enforce.Grant, done func(error)) {
	c.send("apply", g, func(_ reply, _ *os.File, err error) { done(err) })
}

// Command requests to run a command. It returns when the command was accepted, not when
// it has ended; its result is an [Event] of the monitor.
func (c *Client) Command(ctx context.Context, cmd Command) error {
	_, _, err := c.roundTrip(ctx, "command", wireCommand{cmd.Stanza, cmd.From, []byte(cmd.Text), cmd.User, cmd.Src})
	return err
}

// Open returns the file that the monitor opens under this name. A name without a
// file is [os.ErrNotExist].
func (c *Client) Open(ctx context.Context, name string) (*os.File, error) {
	_, f, err := c.roundTrip(ctx, "open", name)
	if err == nil && f == nil {
		err = fmt.Errorf("%w: file %q did not come", errProtocol, name)
	}
	return f, err
}

// Journal returns the pipe of a journalctl that the monitor starts.
func (c *Client) Journal(ctx context.Context, q Journal) (*os.File, error) {
	_, f, err := c.roundTrip(ctx, "journal", q)
	if err == nil && f == nil {
		err = fmt.Errorf("%w: no pipe came", errProtocol)
	}
	return f, err
}

// CheckPassword reports whether the file holds this password for this user, which came
// from src.
func (c *Client) CheckPassword(ctx context.Context, src netip.Addr, file, user, pw string) (bool, error) {
	r, _, err := c.roundTrip(ctx, "crypt", password{file, user, []byte(pw), src})
	return r.Yes, err
}

// Resolve returns the addresses of a host, at most 16.
func (c *Client) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	r, _, err := c.roundTrip(ctx, "resolve", host)
	return r.Addrs, err
}

// Ready reports to the monitor that the worker is running. A worker calls it once.
func (c *Client) Ready(ctx context.Context) error {
	_, _, err := c.roundTrip(ctx, "ready", nil)
	return err
}

// Waiting reports to the monitor everything the worker waits for, such as an interface
// that does not exist yet; an empty list if it no longer waits.
func (c *Client) Waiting(ctx context.Context, list []string) error {
	_, _, err := c.roundTrip(ctx, "waiting", list)
	return err
}

// roundTrip sends a request and waits for the reply.
func (c *Client) roundTrip(ctx context.Context, op string, body any) (reply, *os.File, error) {
	type result struct {
		reply
		file *os.File
		err  error
	}
	ch := make(chan result, 1)
	c.send(op, body, func(r reply, f *os.File, err error) { ch <- result{r, f, err} })
	select {
	case a := <-ch:
		return a.reply, a.file, a.err
	case <-ctx.Done():
		go func() { // a file may still arrive
			if a := <-ch; a.file != nil {
				a.file.Close()
			}
		}()
		return reply{}, nil, ctx.Err()
	}
}

// send sends a request. What cannot be sent is answered at once.
func (c *Client) send(op string, body any, done replyFunc) {
	if _, err := c.enqueue(op, body, done); err != nil {
		done(reply{}, nil, err)
	}
}

// enqueue returns the ID of the request.
func (c *Client) enqueue(op string, body any, done replyFunc) (id uint64, err error) {
	req := request{Op: op}
	if body != nil {
		if req.Body, err = json.Marshal(body); err != nil {
			return 0, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		return 0, ErrGone
	}
	req.ID = c.lastID + 1
	frame, err := appendFrame(nil, req)
	if err != nil {
		return 0, err
	}
	select {
	case c.out <- frame:
	default:
		return 0, errBusy
	}
	c.lastID = req.ID
	c.calls[req.ID] = done
	return req.ID, nil
}

// Notices returns the texts of [Monitor.Notify], such as that there is a new
// configuration. The channel is closed when the connection ends. While too many are
// unread, new ones are dropped.
func (c *Client) Notices() <-chan string { return c.notices }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
