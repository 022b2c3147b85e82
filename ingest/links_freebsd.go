package ingest

import (
	"context"
	"net"
	"os"
	"time"
)

// linkInterval is how often interfaces are looked at.
const linkInterval = time.Second

// WatchLinks calls changed with the state of each named interface once per interval, from
// one goroutine, until ctx is done.
func WatchLinks(ctx context.Context, names map[string]bool, changed func(Link)) error {
	go func() {
		tick := time.NewTicker(linkInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for name := range names {
				changed(lookUpLink(name))
			}
		}
	}()
	return nil
}

func lookUpLink(name string) Link {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return Link{Name: name, Gone: true}
	}
	return Link{ifi.Index, name, false, ifi.Flags&net.FlagUp != 0, ifi.Flags&net.FlagRunning != 0}
}

// A linkWatch waits for an interface. BPF itself reports when it goes.
type linkWatch struct {
	name string
	done chan struct{}
}

func watchLinks(name string, _ func() (*os.File, error)) (*linkWatch, error) {
	return &linkWatch{name, make(chan struct{})}, nil
}

// openLinks is not called: interfaces are looked at.
func openLinks() (*os.File, error) { return nil, errNotHere }

// wire returns the interface that has the name.
func (w *linkWatch) wire() (wire, error) { return wireOf(w.name) }

// missing reports that there is no interface of the name.
func (w *linkWatch) missing() bool {
	_, err := net.InterfaceByName(w.name)
	return err != nil && w.name != AnyInterface
}

// down reports nothing: the first read of a descriptor tells.
func (w *linkWatch) down() bool { return false }

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
		if lookUpLink(w.name).Up {
			return true, nil
		}
	}
}

// reset has nothing to do: wait always waits for an interval.
func (w *linkWatch) reset() {}

func (w *linkWatch) close() { close(w.done) }
