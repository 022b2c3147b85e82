package monitor

import (
	"context"
	"errors"
	"net"
	"os"

	"fwknopd/enforce"
)

// ErrRefused is the answer to what the offer does not allow.
var ErrRefused = errors.New("refused")

// ErrGone is the answer of a [Client] whose monitor is gone.
var ErrGone = errors.New("monitor is gone")

// A Client is the worker's side of the socket, and an [enforce.Enforcer]. Its
// methods may be called from several goroutines. When the monitor is gone, all
// fail at once with [ErrGone].
type Client struct{ done chan struct{} }

var _ enforce.Enforcer = (*Client)(nil)

// NewClient takes over conn.
func NewClient(conn *net.UnixConn) *Client { return &Client{make(chan struct{})} }

// Submit asks to open g and returns at once; done is called with the outcome, on
// another goroutine, and should be quick.
func (c *Client) Submit(g enforce.Grant, done func(error)) { done(errNotYet) }

// Apply implements [enforce.Enforcer].
func (c *Client) Apply(ctx context.Context, g enforce.Grant) error { return errNotYet }

// Revoke implements [enforce.Enforcer].
func (c *Client) Revoke(ctx context.Context, g enforce.Grant) error { return errNotYet }

// List implements [enforce.Enforcer].
func (c *Client) List(ctx context.Context) ([]enforce.Grant, error) { return nil, errNotYet }

// Flush closes everything; for control connections alone.
func (c *Client) Flush(ctx context.Context) error { return errNotYet }

// Command asks to run a command. It returns when the command was accepted, not
// when it has ended; how it ended is an [Event] of the monitor.
func (c *Client) Command(ctx context.Context, cmd Command) error { return errNotYet }

// Open returns the file that the monitor opens under this name. A name without a
// file is [os.ErrNotExist].
func (c *Client) Open(ctx context.Context, name string) (*os.File, error) { return nil, errNotYet }

// CheckPassword reports whether the file holds this password for this user.
func (c *Client) CheckPassword(ctx context.Context, file, user, password string) (bool, error) {
	return false, errNotYet
}

// Ready tells the monitor that the worker is at work.
func (c *Client) Ready(ctx context.Context) error { return errNotYet }

// Alive comes back when the monitor has answered.
func (c *Client) Alive(ctx context.Context) error { return errNotYet }

// Notices are what [Monitor.Notify] says, such as that there is a new
// configuration. It is closed when the monitor is gone. A notice that is still
// unread is not repeated.
func (c *Client) Notices() <-chan string { return nil }

// Done is closed when the monitor is gone.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection.
func (c *Client) Close() error { return nil }
