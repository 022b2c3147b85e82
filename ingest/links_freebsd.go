package ingest

import (
	"context"
	"net"
	"os"
	"time"
)

// linkInterval is how often an interface that is away is looked for.
const linkInterval = time.Second

// A linkWatch waits for an interface. BPF itself reports when it goes.
type linkWatch struct {
	name string
	done chan struct{}
}

func watchLinks(name string) (*linkWatch, error) {
	return &linkWatch{name, make(chan struct{})}, nil
}

// setSocket has nothing to do: the descriptor is bound to an interface, not to its name.
func (w *linkWatch) setSocket(int, socket) {}

// wait returns once an interface that is up has the name. It is taken for another one
// than before: the descriptor has to be bound anew.
func (w *linkWatch) wait(ctx context.Context) (another bool, err error) {
	tick := time.NewTicker(linkInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-w.done:
			return false, os.ErrClosed
		case <-tick.C:
		}
		if ifi, err := net.InterfaceByName(w.name); err == nil && ifi.Flags&net.FlagUp != 0 {
			return true, nil
		}
	}
}

// reset has nothing to do: wait always waits for an interval.
func (w *linkWatch) reset() {}

func (w *linkWatch) close() { close(w.done) }
