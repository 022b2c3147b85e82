package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// A Live asks a running daemon for what a live view shows. It may be used by several
// goroutines; the daemon may end and start again meanwhile.
type Live struct{ c *command }

// OpenLive parses a command line that takes only the place of the daemon from the
// configuration. If o is nil, the command ends with that exit code.
func OpenLive(c cli.Command, args []string, stdout, stderr io.Writer) (o *cli.Options, l Live, code int) {
	cmd, code := beginWithPaths(c, args, stdout, stderr)
	if cmd == nil {
		return nil, l, code
	}
	return cmd.Options, Live{cmd}, exitOK
}

// Status returns what the daemon says about itself.
func (l Live) Status() (*report.Status, error) {
	return statusOf(l.c.askDaemon(statusTimeout, request{Do: "status"}))
}

// Grants returns what is open, and what the stanzas are called. If the firewall does not
// answer, it is what the daemon has opened, with [enforce.ErrUnconfirmed].
func (l Live) Grants() ([]enforce.Grant, report.Titles, error) {
	a, err := l.c.askDaemon(exchangeTimeout, request{Do: "list"})
	switch {
	case err != nil:
		return nil, nil, err
	case a.Unconfirmed:
		err = enforce.ErrUnconfirmed
	}
	return a.Grants, a.Titles, err
}

// Revoke closes the grant with that key.
func (l Live) Revoke(key string) error {
	a, err := l.c.askDaemon(exchangeTimeout, request{Do: "revoke", Select: Selection{Key: key}})
	if err == nil && len(a.Grants) == 0 {
		err = errors.New("it is not open any more")
	}
	return err
}

// maxObject bounds an object of the event log.
const maxObject = 1 << 20

// Follow reads the objects of the event log as they happen, until ctx is done or the daemon
// goes, which is an error. take gets the last ones first, at most that many, also if there are
// none; then those that come, several at a time if there are many. It may keep them.
func (l Live) Follow(ctx context.Context, last int, take func([][]byte)) error {
	conn, err := dial(statusTimeout, SocketPath(l.c.pidFile()))
	if err != nil {
		return l.c.daemonError(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(statusTimeout))
	if err := json.NewEncoder(conn).Encode(request{Do: "events", Last: last}); err != nil {
		return hangUpError(err)
	}
	in := lineReader{r: conn}
	lines, err := in.history()
	if err != nil {
		return err
	}
	take(lines)
	conn.SetDeadline(time.Time{})
	for {
		switch lines, err := in.read(); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case len(lines) > 0:
			take(lines)
		}
	}
}

// A lineReader reads the lines that are there at a time.
type lineReader struct {
	r    io.Reader
	buf  []byte   // for one read
	rest []byte   // the beginning of the next line
	next [][]byte // lines that were read too early
}

// history reads the answer and the objects that it announces.
func (in *lineReader) history() ([][]byte, error) {
	var lines [][]byte
	want := 1
	for len(lines) < want {
		more, err := in.read()
		if err != nil {
			return nil, err
		}
		if lines = append(lines, more...); want > 1 || len(lines) == 0 {
			continue
		}
		var a answer
		if err := json.Unmarshal(lines[0], &a); err != nil {
			return nil, fmt.Errorf("answer of the daemon: %w", err)
		}
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		want += a.History
	}
	in.next = lines[want:]
	return lines[1:want], nil
}

// read waits for something, and returns the whole lines of it, which may be none.
func (in *lineReader) read() (lines [][]byte, err error) {
	if lines, in.next = in.next, nil; len(lines) > 0 {
		return lines, nil
	}
	if in.buf == nil {
		in.buf = make([]byte, 64<<10)
	}
	n, err := in.r.Read(in.buf)
	if err != nil {
		return nil, endError(err)
	}
	in.rest = append(in.rest, in.buf[:n]...)
	whole := bytes.LastIndexByte(in.rest, '\n') + 1
	if whole == 0 && len(in.rest) > maxObject {
		return nil, errors.New("the daemon sends no lines")
	}
	for line := range bytes.Lines(in.rest[:whole]) {
		lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
	}
	in.rest = bytes.Clone(in.rest[whole:])
	return lines, nil
}

// endError returns why there are no more lines.
func endError(err error) error {
	if err = hangUpError(err); errors.Is(err, errNoAnswer) {
		return errEnded
	}
	return err
}

// errEnded means that the daemon has closed the connection of a reader: in most cases it ends.
var errEnded = errors.New("the daemon hung up")
