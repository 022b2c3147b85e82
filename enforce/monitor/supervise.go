package monitor

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"time"
)

// A Worker is a running worker process.
type Worker struct {
	Conn *net.UnixConn
	Wait func() error // until it has ended
	Kill func() error
}

// WorkerFD is the descriptor of the socket in a process started by [Spawn].
const WorkerFD = 3

// Spawn starts cmd as a worker: with the socket as descriptor [WorkerFD], in front
// of cmd.ExtraFiles, and with SIGKILL when this process ends.
func Spawn(cmd *exec.Cmd) (*Worker, error) { return nil, errNotYet }

// Parent is the worker's end of the socket, in a process started by [Spawn].
func Parent() (*net.UnixConn, error) { return nil, errNotYet }

// Supervision says how to keep a worker running.
type Supervision struct {
	Start    func() (*Worker, error)
	Interval time.Duration // KNOPWATCHD_CHECK_INTERVAL; 0 is 5 s
	Retries  int           // KNOPWATCHD_MAX_RETRIES: restarts in a row without a sighting alive; 0 is 20
	Ready    func()        // called whenever a worker says that it is at work; may be nil
}

// ErrGaveUp ends [Monitor.Supervise] after too many restarts.
var ErrGaveUp = errors.New("gave up restarting the worker")

// Supervise keeps a worker running and serves it, until ctx ends; then it ends the
// worker. A worker that dies is started again at once, one that dies again before
// it was seen alive after Interval. A worker is seen alive when it says so or
// when it has lived for Interval. After Retries it gives up with [ErrGaveUp]; the
// grants are still looked after, see [Monitor.Wait].
func (m *Monitor) Supervise(ctx context.Context, s Supervision) error { return errNotYet }

// Serve answers one worker until it hangs up (nil), breaks the protocol
// ([ErrProtocol]) or ctx ends. It closes conn. Grants outlive the worker.
func (m *Monitor) Serve(ctx context.Context, conn *net.UnixConn) error { return errNotYet }

// ServeControl is Serve for the administrator's commands: list, revoke and flush
// alone.
func (m *Monitor) ServeControl(ctx context.Context, conn *net.UnixConn) error { return errNotYet }

// ErrProtocol is a request that no honest worker makes.
var ErrProtocol = errors.New("protocol violation")

// Notify tells all workers something, see [Client.Notices].
func (m *Monitor) Notify(text string) {}
