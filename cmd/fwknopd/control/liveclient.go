package control

import (
	"bufio"
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
// goes, which is an error. begin gets the last ones, at most that many, once; next gets each
// one that comes. Both may keep them.
func (l Live) Follow(ctx context.Context, last int, begin func([][]byte), next func([]byte)) error {
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
	in := bufio.NewScanner(conn)
	in.Buffer(make([]byte, 0, 4096), maxObject)
	history, err := readHistory(in)
	if err != nil {
		return err
	}
	begin(history)
	for conn.SetDeadline(time.Time{}); in.Scan(); {
		next(append([]byte(nil), in.Bytes()...))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return lineError(in)
}

// readHistory reads the answer and the objects that it announces.
func readHistory(in *bufio.Scanner) (history [][]byte, err error) {
	if !in.Scan() {
		return nil, lineError(in)
	}
	var a answer
	if err := json.Unmarshal(in.Bytes(), &a); err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", err)
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	for range a.History {
		if !in.Scan() {
			return nil, lineError(in)
		}
		history = append(history, append([]byte(nil), in.Bytes()...))
	}
	return history, nil
}

// lineError returns why there are no more lines.
func lineError(in *bufio.Scanner) error {
	if err := in.Err(); err != nil {
		return hangUpError(err)
	}
	return errEnded
}

// errEnded means that the daemon has closed the connection of a reader: in most cases it ends.
var errEnded = errors.New("the daemon hung up")
