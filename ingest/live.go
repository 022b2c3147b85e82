package ingest

import (
	"context"
	"fmt"
	"os"
	"sync"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

const (
	// defaultSnaplen keeps any packet whole.
	defaultSnaplen = 65535
	// AnyInterface stands for all interfaces at once.
	AnyInterface = "any"
)

// LiveOptions say how an interface is listened to.
type LiveOptions struct {
	// Filter runs in the kernel, in place before the first packet. nil: all.
	Filter *filter.Filter
	// Payload is what else it drops; it has no part in whether a frame is filtered out.
	Payload filter.Payload
	// Promiscuous also sees packets that are for other hosts. Not for AnyInterface.
	Promiscuous bool
	// AnyDirection also sees packets that this host sends.
	AnyDirection bool
	// Snaplen is how many bytes of a frame are kept. 0: all.
	Snaplen int
	// Wait makes [Capture] wait for an interface that is not there yet; without it
	// Capture fails with errNoInterface.
	Wait bool
	// Away, if not nil, is called with the reason why nothing can be captured at
	// present, and with "" when capture goes on, from the goroutine that calls Next
	// (the first time from that of Capture). If it is nil, Problem is called.
	Away func(reason string)
	// Problem, if not nil, is called for each malformed frame.
	Problem func(Problem)
	// Socket, if not nil, returns each socket, which a privileged process opened with
	// [Spec.Files]; no rights are needed here then.
	Socket func() (*os.File, error)
	// Links, if not nil, returns the socket on which the kernel reports changes of
	// interfaces, for a process that may not open sockets.
	Links func() (*os.File, error)
}

// A Live is a Source of the frames that reach an interface. It survives that the
// interface goes down, is removed and made anew. Counts.Lost are the frames that
// the kernel dropped because we were too slow.
//
// VLAN tags that the kernel took off stay off: a frame is filtered and decoded as
// what it carries.
type Live struct {
	accounting
	opt    LiveOptions
	reason string // why nothing is captured, "" while it is

	mu     sync.Mutex  // guards conn against Close
	conn   socket      // nil until the interface is there
	reader *liveReader // of conn
	links  *linkWatch
	closed bool
}

// Capture opens an interface, or AnyInterface where there is one (Linux). It needs
// CAP_NET_RAW, or root. What opens decides what is seen: frames on Ethernet and
// loopback, IP packets on tunnels, PPP and AnyInterface.
func Capture(name string, opt LiveOptions) (*Live, error) {
	l := &Live{accounting: accounting{name: name, problem: opt.Problem}, opt: opt}
	l.counted = l.counts
	links, err := watchLinks(name, opt.Links)
	if err != nil {
		return nil, fmt.Errorf("%s: watch interfaces: %w", name, err)
	}
	l.links = links
	switch err := l.open(); {
	case err == nil && links.down():
		clearError(l.conn)
		l.setReason(reasonDown)
	case err == nil:
	case opt.Wait && links.missing():
		l.setReason(reasonMissing)
	default:
		links.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// open gets the socket, with the filter in place.
func (l *Live) open() error {
	w, err := l.links.wire()
	if err != nil {
		return err
	}
	conn, err := l.socket(w)
	if err != nil {
		return err
	}
	reader, err := newLiveReader(w, conn, &l.opt)
	if err != nil {
		conn.Close()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader != nil {
		l.reader.release()
	}
	l.conn, l.reader = conn, reader
	l.links.setSocket(w.Index, conn)
	if l.closed {
		conn.Close()
		return os.ErrClosed
	}
	return nil
}

func (l *Live) socket(w wire) (socket, error) {
	if l.opt.Socket != nil {
		return l.opt.Socket()
	}
	return w.listen(l.opt)
}

func (o *LiveOptions) snaplen() int {
	if o.Snaplen <= 0 || o.Snaplen > maxFrame {
		return defaultSnaplen
	}
	return o.Snaplen
}

// Next implements [Source].
func (l *Live) Next(ctx context.Context, ev *parse.Event) error {
	if l.reader == nil || l.reason != "" { // or the last wait was cancelled
		if err := l.waitForInterface(ctx); err != nil {
			return err
		}
	}
	for {
		n, err := l.reader.next(ctx, ev)
		if err == nil || isSkip(err) {
			l.bytes.Add(uint64(n))
			return l.count(err)
		}
		if err = l.handleError(ctx, err); err != nil {
			return err
		}
	}
}

// takeLost adds what the kernel dropped since the last call. l.mu must be held.
func (l *Live) takeLost() {
	if l.conn == nil {
		return
	}
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return // it is closed, and was read before
	}
	_ = raw.Control(func(fd uintptr) { l.lost.Add(l.reader.dropped(int(fd))) })
}

// Buffered implements [Source].
func (l *Live) Buffered() bool { return l.reader != nil && l.reader.pending() }

func (l *Live) counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeLost()
	return l.sum()
}

// Close ends a Next that waits in another goroutine.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.takeLost()
	l.links.close()
	if l.conn == nil {
		return nil
	}
	l.reader.release()
	return l.conn.Close()
}
