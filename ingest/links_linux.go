package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// WatchLinks calls changed for each change of the named interfaces that the kernel reports,
// from one goroutine, until ctx is done.
func WatchLinks(ctx context.Context, names map[string]bool, changed func(Link)) error {
	feed, err := openLinkFeed(func(l Link) {
		if names[l.Name] {
			changed(l)
		}
	})
	if err == nil {
		context.AfterFunc(ctx, feed.close)
	}
	return err
}

// A linkFeed reads the changes of all interfaces from rtnetlink.
type linkFeed struct {
	conn *netlink.Conn
	done chan struct{} // closed when it has ended
}

func openLinkFeed(changed func(Link)) (*linkFeed, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_LINK})
	if err != nil {
		return nil, err
	}
	f := &linkFeed{conn, make(chan struct{})}
	go f.run(changed)
	return f, nil
}

// run reads until the socket is closed.
func (f *linkFeed) run(changed func(Link)) {
	defer close(f.done)
	for {
		messages, err := f.conn.Receive()
		if err != nil {
			if errors.Is(err, unix.ENOBUFS) {
				continue // an event was lost; the next will do
			}
			return
		}
		for _, m := range messages {
			if l, ok := linkOf(m); ok {
				changed(l)
			}
		}
	}
}

// linkOf decodes one RTM_NEWLINK or RTM_DELLINK: struct ifinfomsg and attributes.
func linkOf(m netlink.Message) (l Link, ok bool) {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return l, false
	}
	attrs, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
	if err != nil {
		return l, false
	}
	for attrs.Next() {
		if attrs.Type() == unix.IFLA_IFNAME {
			l.Name = attrs.String()
		}
	}
	flags := binary.NativeEndian.Uint32(m.Data[8:])
	l.Index = int(binary.NativeEndian.Uint32(m.Data[4:]))
	l.Gone = m.Header.Type == unix.RTM_DELLINK
	l.Up, l.Running = flags&unix.IFF_UP != 0, flags&unix.IFF_RUNNING != 0
	return l, true
}

func (f *linkFeed) close() {
	if f.conn != nil {
		f.conn.Close()
	}
	<-f.done
}

// A linkWatch knows which interface has a name now.
type linkWatch struct {
	*linkFeed
	name string

	mu         sync.Mutex
	index      int // of the interface that has the name and is up; 0 if none
	boundIndex int // the index that the socket is bound to; 0 if that is gone
	socket     socket
	changed    chan struct{} // has room for one
}

func watchLinks(name string) (w *linkWatch, err error) {
	w = &linkWatch{name: name, changed: make(chan struct{}, 1)}
	if name == AnyInterface { // there is nothing to watch
		w.linkFeed = &linkFeed{done: make(chan struct{})}
		close(w.done)
		return w, nil
	}
	w.linkFeed, err = openLinkFeed(w.update)
	return w, err
}

// update takes a change of any interface.
func (w *linkWatch) update(l Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case l.Name == w.name && l.Up && !l.Gone:
		w.index = l.Index
	case l.Index == w.index: // gone, down or renamed
		w.index = 0
	}
	if l.Index == w.boundIndex && l.Gone {
		w.boundIndex = 0
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
	if w.index != 0 && w.index != w.boundIndex && w.socket != nil {
		_ = w.socket.SetReadDeadline(time.Unix(1, 0)) // another interface has the name
	}
}

// setSocket sets the socket whose read is interrupted when the name belongs to another interface
// than index.
func (w *linkWatch) setSocket(index int, socket socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.boundIndex, w.socket = index, socket
	if w.index == 0 {
		w.index = index
	}
}

// wait returns once an interface that is up has the name, and whether that is
// another one than the socket is bound to.
func (w *linkWatch) wait(ctx context.Context) (another bool, err error) {
	for {
		w.mu.Lock()
		index, bound := w.index, w.boundIndex
		w.mu.Unlock()
		if index != 0 {
			return index != bound, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-w.done:
			return false, os.ErrClosed
		case <-w.changed:
		}
	}
}

// reset makes wait wait for news.
func (w *linkWatch) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.index = 0
}
