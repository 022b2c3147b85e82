// Package why implements fwknopd why: what became of a client lately, from the event log.
package why

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy/conf"
)

const (
	defaultLast = 5
	maxLast     = 1000
)

// An event is one of the event log, and the object that stands there.
type event struct {
	report.Logged
	object []byte
}

// Run runs the command and returns its exit code: 0 if there is an event of the client, 1, or
// 2 for a usage error.
func Run(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Why, args, stdout, stderr)
	if o == nil {
		return code
	}
	client, last, err := parse(o)
	if err != nil {
		return cli.Why.Refuse(stderr, err)
	}
	opts := config.FromFlags(o)
	opts.ServerOnly = true
	l, problems := config.Load(opts)
	if problems.Failed() {
		config.Print(stderr, problems)
		return 1
	}
	if err := show(l.Server.EventLog, client, last, o.JSON(), stdout); err != nil {
		fmt.Fprintf(stderr, "fwknopd why: %v\n", err)
		return 1
	}
	return 0
}

func parse(o *cli.Options) (client netip.Addr, last int, err error) {
	if len(o.Operands) != 1 {
		return client, 0, errors.New("the address of a client is wanted")
	}
	last = defaultLast
	if o.Set("last") {
		last = o.Last
	}
	if last < 1 || last > maxLast {
		return client, 0, fmt.Errorf("--last: 1 to %d", maxLast)
	}
	if client, err = netip.ParseAddr(o.Operands[0]); err != nil {
		return client, 0, fmt.Errorf("%q is no address", o.Operands[0])
	}
	return client.Unmap(), last, nil
}

// show prints the last events of a client, the oldest first.
func show(path string, client netip.Addr, last int, asJSON bool, stdout io.Writer) error {
	if path == "" {
		return errors.New("no events are kept: EVENT_LOG is __NONE__; name a file there and reload, events are written from then on")
	}
	found, untold, err := search([]string{path, path + ".1"}, client, last)
	switch {
	case err != nil:
		return err
	case len(found) == 0 && untold > 0:
		return fmt.Errorf("%s has nothing of %s, but %s left out, which may be of it: too many came at a time to tell them one by one", path, client, conf.Count(untold, "event"))
	case len(found) == 0:
		return fmt.Errorf("%s has nothing of %s: no packet of it arrived that any stanza looked at. Its packets may come from another address "+
			"(address translation), go to another port, not reach the interface, or not pass PCAP_FILTER: fwknopd doctor, and tcpdump on the server", path, client)
	}
	for _, e := range slices.Backward(found) {
		text := []byte(e.Text())
		if asJSON {
			text = append(e.AppendRemedy(nil, e.object), '\n')
		}
		if _, err := stdout.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// search returns the last events of a client, the newest first, of files of which the first
// is the newest. One that is not there is empty. untold is how many events of unknown clients
// were left out of them.
func search(paths []string, client netip.Addr, last int) (found []event, untold int, err error) {
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		st, err := f.Stat()
		if err == nil {
			err = backwards(f, st.Size(), func(line []byte) bool {
				e, err := report.ParseLogged(line)
				if err == nil && e.About(client) {
					found = append(found, event{e, slices.Clone(report.Plain(line))})
				}
				untold += e.Untold()
				return len(found) < last
			})
		}
		if err = errors.Join(err, f.Close()); err != nil || len(found) == last {
			return found, untold, err
		}
	}
	return found, untold, nil
}
