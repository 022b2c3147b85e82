package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// WatchLinks calls changed for each change of the named interfaces that the kernel reports,
// from one goroutine, until ctx is done.
func WatchLinks(ctx context.Context, names map[string]bool, changed func(Link)) error {
	socket, err := openLinks()
	if err != nil {
		return err
	}
	feed := newLinkFeed(socket, slices.Collect(maps.Keys(names)), changed)
	context.AfterFunc(ctx, feed.close)
	return nil
}

// openLinks opens a socket on which rtnetlink reports the changes of all interfaces.
func openLinks() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// maxLinkMessage is the largest message that is read; an interface with many virtual
// functions has a long one.
const maxLinkMessage = 64 << 10

// A linkFeed reads the changes of interfaces from rtnetlink.
type linkFeed struct {
	conn    *os.File       // of openLinks
	indexes map[string]int // of the interfaces by their names, 0 where there is none
	changed func(Link)
	done    chan struct{} // closed when it has ended
}

// newLinkFeed calls changed, from one goroutine, for each change of an interface that has one of
// the names. One that gets another name is gone.
func newLinkFeed(conn *os.File, names []string, changed func(Link)) *linkFeed {
	f := &linkFeed{conn, make(map[string]int), changed, make(chan struct{})}
	for _, name := range names {
		f.indexes[name] = linkNow(name, conn).Index
	}
	go f.run()
	return f
}

// run reads until the socket is closed.
func (f *linkFeed) run() {
	defer close(f.done)
	buf := make([]byte, maxLinkMessage)
	for {
		n, err := f.conn.Read(buf)
		if err != nil {
			if errors.Is(err, unix.ENOBUFS) { // an event was lost
				f.lookAgain()
				continue
			}
			return
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			continue // cut off
		}
		for _, m := range messages {
			if l, ok := linkOf(m); ok {
				f.take(l)
			}
		}
	}
}

// take passes on a change of an interface that has one of the names, or had it.
func (f *linkFeed) take(l Link) {
	for name, index := range f.indexes {
		switch {
		case l.Name == name:
			f.indexes[name] = l.Index
			if l.Gone {
				f.indexes[name] = 0
			}
			f.changed(l)
		case l.Index == index:
			f.indexes[name] = 0
			f.changed(Link{Name: name, Index: index, Gone: true})
		}
	}
}

// lookAgain takes what is there now as the change.
func (f *linkFeed) lookAgain() {
	for name, index := range f.indexes {
		l := linkNow(name, f.conn)
		if index != 0 && index != l.Index {
			f.take(Link{Name: name, Index: index, Gone: true})
		}
		if !l.Gone {
			f.take(l)
		}
	}
}

// linkNow asks through a socket of any family for the interface that has the name.
func linkNow(name string, through socket) Link {
	var req interfaceRequest
	if req.send(through, name, unix.SIOCGIFINDEX) != nil {
		return Link{Name: name, Gone: true}
	}
	index := int(req.Uint32())
	if req.send(through, name, unix.SIOCGIFFLAGS) != nil {
		return Link{Name: name, Gone: true}
	}
	flags := req.Uint16()
	return Link{Name: name, Index: index, Up: flags&unix.IFF_UP != 0, Running: flags&unix.IFF_RUNNING != 0}
}

// linkOf decodes one RTM_NEWLINK or RTM_DELLINK: struct ifinfomsg and attributes.
func linkOf(m syscall.NetlinkMessage) (l Link, ok bool) {
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

// watchLinks watches through what open returns, or a socket of its own if open is nil.
func watchLinks(name string, open func() (*os.File, error)) (*linkWatch, error) {
	w := &linkWatch{name: name, changed: make(chan struct{}, 1)}
	if name == AnyInterface { // there is nothing to watch
		w.linkFeed = &linkFeed{done: make(chan struct{})}
		close(w.done)
		return w, nil
	}
	if open == nil {
		open = openLinks
	}
	socket, err := open()
	if err != nil {
		return w, err
	}
	if now := linkNow(name, socket); now.Up {
		w.index = now.Index
	}
	w.linkFeed = newLinkFeed(socket, []string{name}, w.update)
	return w, nil
}

// down reports that no interface that is up has the name.
func (w *linkWatch) down() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.index == 0 && w.name != AnyInterface
}

// missing reports that there is no interface of the name.
func (w *linkWatch) missing() bool {
	_, err := w.wire()
	return errors.Is(err, errNoInterface)
}

// wire returns the interface that has the name.
func (w *linkWatch) wire() (wire, error) { return wireOf(w.name, w.conn) }

// update takes a change of the interface that has the name.
func (w *linkWatch) update(l Link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case l.Up && !l.Gone:
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
