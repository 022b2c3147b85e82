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

// A linkWatch knows by rtnetlink which interface has a name now.
type linkWatch struct {
	conn *netlink.Conn
	name string
	done chan struct{}

	mu         sync.Mutex
	index      int // of the interface that has the name and is up; 0 if none
	boundIndex int // the index that the socket is bound to; 0 if that is gone
	socket     socket
	changed    chan struct{} // has room for one
}

// watchLinks begins to watch; for AnyInterface there is nothing to.
func watchLinks(name string) (*linkWatch, error) {
	w := &linkWatch{name: name, done: make(chan struct{}), changed: make(chan struct{}, 1)}
	if name == AnyInterface {
		close(w.done)
		return w, nil
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_LINK})
	if err != nil {
		return nil, err
	}
	w.conn = conn
	go w.run()
	return w, nil
}

// run reads until the socket is closed.
func (w *linkWatch) run() {
	defer close(w.done)
	for {
		messages, err := w.conn.Receive()
		if err != nil {
			if errors.Is(err, unix.ENOBUFS) {
				continue // an event was lost; the next will do
			}
			return
		}
		for _, m := range messages {
			w.message(m)
		}
	}
}

// message takes one RTM_NEWLINK or RTM_DELLINK: struct ifinfomsg and attributes.
func (w *linkWatch) message(m netlink.Message) {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return
	}
	attrs, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
	if err != nil {
		return
	}
	name := ""
	for attrs.Next() {
		if attrs.Type() == unix.IFLA_IFNAME {
			name = attrs.String()
		}
	}
	index := int(binary.NativeEndian.Uint32(m.Data[4:]))
	up := binary.NativeEndian.Uint32(m.Data[8:])&unix.IFF_UP != 0 && m.Header.Type == unix.RTM_NEWLINK
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case name == w.name && up:
		w.index = index
	case index == w.index: // gone, down or renamed
		w.index = 0
	}
	if index == w.boundIndex && m.Header.Type == unix.RTM_DELLINK {
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

// setSocket tells which socket to wake up when the name belongs to another interface
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

func (w *linkWatch) close() {
	if w.conn != nil {
		w.conn.Close()
	}
	<-w.done
}
