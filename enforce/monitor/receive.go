package monitor

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// write sends requests, all that are queued in one call.
func (c *Client) write() {
	var buf []byte
	for {
		select {
		case <-c.done:
			return
		case frame := <-c.out:
			buf = append(buf, frame...)
		}
		for len(c.out) > 0 && len(buf) < 16*maxFrame {
			buf = append(buf, <-c.out...)
		}
		if _, err := c.conn.Write(buf); err != nil {
			c.conn.Close() // which ends read
			return
		}
		buf = buf[:0]
	}
}

// read delivers replies to their callers until the connection ends.
func (c *Client) read() {
	in := &receiver{conn: c.conn}
	r := bufio.NewReaderSize(in, 16*maxFrame)
	var buf [maxFrame]byte
	for {
		text, err := readFrame(r, &buf)
		var rep reply
		if err == nil {
			err = decode(text, &rep)
		}
		if err != nil {
			break
		}
		var f *os.File
		if rep.File {
			f = in.nextFile()
		}
		c.deliver(rep, f)
	}
	c.conn.Close()
	in.close()
	c.fail()
}

func (c *Client) deliver(rep reply, f *os.File) {
	if rep.ID == 0 {
		select {
		case c.notices <- rep.Notice:
		default:
		}
		return
	}
	c.mu.Lock()
	done, ok := c.calls[rep.ID]
	delete(c.calls, rep.ID)
	c.mu.Unlock()
	switch {
	case ok:
		done(rep, f, rep.error())
	case f != nil:
		f.Close()
	}
}

// error returns the reply's error; [errors.Is] finds the same sentinels as in the monitor.
func (r reply) error() error {
	switch {
	case r.Err == "":
		return nil
	case r.Refused && r.Absent:
		return remoteError{r.Err, []error{ErrRefused, os.ErrNotExist}}
	case r.Refused:
		return remoteError{r.Err, []error{ErrRefused}}
	case r.Absent:
		return remoteError{r.Err, []error{os.ErrNotExist}}
	}
	return errors.New(r.Err)
}

// remoteError is an error received over the socket.
type remoteError struct {
	text string
	is   []error
}

func (e remoteError) Error() string   { return e.text }
func (e remoteError) Unwrap() []error { return e.is }

// fail completes all pending calls with [ErrGone].
func (c *Client) fail() {
	c.mu.Lock()
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	close(c.done)
	close(c.notices)
	for _, done := range calls {
		done(reply{}, nil, ErrGone)
	}
}

// A receiver reads a connection and stores the descriptors that are passed with the
// bytes. A descriptor is available with the first byte of its message, in the order of
// messages.
type receiver struct {
	conn *net.UnixConn
	fds  []int
}

// Read implements [io.Reader].
func (r *receiver) Read(p []byte) (int, error) {
	var oob [256]byte
	n, oobn, flags, _, err := r.conn.ReadMsgUnix(p, oob[:]) // with MSG_CMSG_CLOEXEC
	if oobn > 0 {
		if fdErr := r.storeDescriptors(oob[:oobn]); err == nil {
			err = fdErr
		}
	}
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = fmt.Errorf("%w: descriptors were cut off", errProtocol)
	}
	return max(n, 0), err
}

func (r *receiver) storeDescriptors(oob []byte) error {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return err
		}
		r.fds = append(r.fds, fds...)
	}
	return nil
}

// nextFile returns the next descriptor, nil if there is none.
func (r *receiver) nextFile() *os.File {
	if len(r.fds) == 0 {
		return nil
	}
	fd := r.fds[0]
	r.fds = r.fds[1:]
	return os.NewFile(uintptr(fd), "passed")
}

func (r *receiver) close() {
	for _, fd := range r.fds {
		unix.Close(fd)
	}
}
