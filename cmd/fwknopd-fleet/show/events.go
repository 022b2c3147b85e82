// Package show implements the commands that show what the gateways of a fleet have published:
// `fwknopd fleet events` and `fwknopd fleet grants`. They ask the fleet process over a link that the daemon
// hands them.
package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
)

// Exit codes of the command line contract.
const (
	exitOK    = 0
	exitError = 1
)

// Events implements `fwknopd fleet events`.
func Events(args []string, stdout, stderr io.Writer) int {
	o, l, code := control.OpenLive(cli.Fleet, args, stdout, stderr)
	if o == nil {
		return code
	}
	since, err := since(o)
	if err != nil {
		return cli.Fleet.Refuse(stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := ask(l, fleetlink.Query{Gateway: o.Gateway, Follow: o.Follow, Since: int64(since / time.Second)})
	if err == nil {
		defer context.AfterFunc(ctx, func() { r.Close() })()
		err = printEvents(r, o.JSON(), stdout)
	}
	if err != nil && ctx.Err() == nil {
		return failed(stderr, err)
	}
	return exitOK
}

// ask asks the fleet process of the daemon.
func ask(l control.Live, q fleetlink.Query) (*fleetlink.Reading, error) {
	conn, err := l.FleetLink()
	if err != nil {
		return nil, err
	}
	return fleetlink.Ask(conn, q)
}

func failed(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, cli.Rights(err))
	return exitError
}

// since returns how far back events are wanted.
func since(o *cli.Options) (time.Duration, error) {
	if len(o.Operands) > 1 {
		return 0, fmt.Errorf("%q: events takes options alone", o.Operands[1])
	}
	if !o.Set("since") {
		if o.Follow {
			return 0, nil
		}
		return time.Hour, nil
	}
	d, err := time.ParseDuration(o.Since)
	if days, found := strings.CutSuffix(o.Since, "d"); found {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("--since: %q is not a time like 90s, 12h or 7d", o.Since)
	}
	return d, nil
}

// printEvents prints what comes until there is no more.
func printEvents(r *fleetlink.Reading, asJSON bool, out io.Writer) error {
	p := printer{out, asJSON, make(map[string]place)}
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.print(&s); err != nil {
			return err
		}
	}
}

// A printer prints events, each once, and how many are missing between them.
type printer struct {
	out    io.Writer
	asJSON bool
	seen   map[string]place // by gateway
}

// A place is where a gateway has come to in its events.
type place struct{ run, next uint64 }

// print prints events that follow each other.
func (p *printer) print(s *fleetlink.Stored) error {
	var text []byte
	for i, object := range s.Objects {
		lost, again := p.advance(s.Gateway, s.Run, s.First+uint64(i))
		if again {
			continue
		}
		if lost > 0 {
			ev := monitor.Event{Kind: monitor.Lost, Time: s.Stored, Count: int(min(lost, maxLost))}
			text = p.append(text, s, report.EventJSON(&ev, ""))
		}
		text = p.append(text, s, []byte(object))
	}
	_, err := p.out.Write(text)
	return err
}

// maxLost bounds what is said to be missing: the numbers are those of a gateway, whatever it is.
const maxLost = math.MaxInt32

// advance notes the next event of a gateway. lost are missing before it; again is true of one that was
// there before. Events without a number are neither.
func (p *printer) advance(gateway string, run, number uint64) (lost uint64, again bool) {
	at, known := p.seen[gateway]
	switch {
	case run == 0:
		return 0, false
	case known && run < at.run, known && run == at.run && number < at.next:
		return 0, true
	case known && run == at.run:
		lost = number - at.next
	case known:
		lost = number - 1 // of a daemon that has started since
	}
	p.seen[gateway] = place{run, number + 1}
	return lost, false
}

func (p *printer) append(text []byte, s *fleetlink.Stored, object []byte) []byte {
	if p.asJSON {
		return append(append(text, report.FleetEventJSON(s.Gateway, s.Stored, object)...), '\n')
	}
	return append(append(text, report.FleetEventText(s.Gateway, s.Stored, object)...), '\n')
}
