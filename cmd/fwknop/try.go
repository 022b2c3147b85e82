package main

import (
	"context"
	"errors"
	"net"
	"time"
)

// A SYN that is dropped is sent again by the kernel after a second only. So tries begin
// one after another, whatever became of those before, and the first that succeeds ends
// all. A longer wait has longer gaps: what opens is noticed within a quarter of the time
// that it took, and there are ten tries a second at most.
const (
	leastGap = 5 * time.Millisecond
	mostGap  = 100 * time.Millisecond
	tryTime  = 2 * time.Second // also for far servers
	resent   = time.Second     // when the SYN of a try may have been sent again
)

// An outcome is what became of the tries of a port.
type outcome struct {
	port  string
	conn  net.Conn // nil: it is closed
	err   error    // the last answer of a closed port, nil if there was none
	first bool     // the first try succeeded
}

// dialer returns the function that tries to connect to a TCP port. The connection may
// outlive a break of the network: it sends no keep-alives.
func dialer(to string) func(context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: tryTime, KeepAlive: -1}
	return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", to) }
}

// try calls dial until it succeeds or ctx is done.
func try(ctx context.Context, dial func(context.Context) (net.Conn, error)) *outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin, tries := time.Now(), make(chan *outcome)
	next := time.NewTimer(0)
	var last error
	for first := true; ; {
		select {
		case <-next.C:
			go tryOnce(ctx, dial, first, tries)
			first = false
			next.Reset(min(max(time.Since(begin)/4, leastGap), mostGap))
		case o := <-tries:
			if o.conn != nil {
				o.first = o.first && time.Since(begin) < resent
				return o
			}
			if timeout := net.Error(nil); !errors.As(o.err, &timeout) || !timeout.Timeout() {
				last = o.err
			}
		case <-ctx.Done():
			return &outcome{err: last}
		}
	}
}

// tryOnce tries once. A connection that comes too late is closed.
func tryOnce(ctx context.Context, dial func(context.Context) (net.Conn, error), first bool, tries chan<- *outcome) {
	conn, err := dial(ctx)
	select {
	case tries <- &outcome{conn: conn, err: err, first: first}:
	case <-ctx.Done():
		if conn != nil {
			conn.Close()
		}
	}
}

// of adds the port.
func (o *outcome) of(port string) *outcome {
	o.port = port
	return o
}

// remark is for a port that opened sooner than most servers can open it. There is no try
// before the packet is sent, which others could see.
func (o *outcome) remark() string {
	if o.first {
		return ", at the first try: it may have been open before"
	}
	return ""
}
