// Package why implements fwknopd why: what became of a client lately, from the event log.
package why

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

const (
	defaultLast = 5
	maxLast     = 1000
)

// An event is an object of the event log, as far as it is shown.
type event struct {
	Timestamp string                `json:"timestamp"`
	Type      string                `json:"event_type"`
	Verdict   string                `json:"verdict"`
	Reason    policy.Reason         `json:"reason"`
	Detail    policy.Detail         `json:"detail"`
	Src       string                `json:"src_ip"`
	Stanza    int                   `json:"stanza"`
	Name      string                `json:"stanza_name"`
	User      string                `json:"user"`
	Error     string                `json:"error"`
	BlockedBy []string              `json:"blocked_by"`
	Count     int                   `json:"count"` // of a suppressed event: refusals that are not told one by one
	Reasons   map[policy.Reason]int `json:"reasons"`
	Grant     struct {
		Src     string   `json:"src"`
		Ports   []string `json:"ports"`
		Expires string   `json:"expires"`
	} `json:"grant"`

	text []byte // the object
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
		text := e.line()
		if asJSON {
			text = string(e.object()) + "\n"
		}
		if _, err := io.WriteString(stdout, text); err != nil {
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
				e, is := read(line, client)
				if is {
					found = append(found, e)
				}
				untold += e.untold()
				return len(found) < last
			})
		}
		if err = errors.Join(err, f.Close()); err != nil || len(found) == last {
			return found, untold, err
		}
	}
	return found, untold, nil
}

// read returns the event in a line, if it is about the client.
func read(line []byte, client netip.Addr) (e event, is bool) {
	if json.Unmarshal(line, &e) != nil {
		return e, false // a line that was cut off by a crash
	}
	for _, text := range []string{e.Src, e.Grant.Src} {
		if a, err := netip.ParseAddr(text); err == nil && a.Unmap() == client {
			e.text = slices.Clone(line)
			return e, true
		}
	}
	return e, false
}

// untold returns how many events e stands for without saying whose they are.
func (e *event) untold() int {
	if e.Src != "" || e.Type != "suppressed" && e.Verdict != string(monitor.Lost) {
		return 0
	}
	return e.Count
}

// object returns the object of the event log, with the remedy of a refusal as one more member.
func (e *event) object() []byte {
	m, _ := report.MeaningOf(e.Reason)
	body, isObject := bytes.CutSuffix(bytes.TrimSpace(e.text), []byte("}"))
	if m.Remedy == "" || !isObject {
		return e.text
	}
	remedy, err := json.Marshal(m.Remedy)
	if err != nil {
		return e.text
	}
	return append(append(append(body, `,"remedy":`...), remedy...), '}')
}

// line returns the text of an event, with the remedy of a refusal behind it.
func (e *event) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Timestamp, e.Verdict)
	if e.Reason != "" {
		fmt.Fprintf(&b, " %s", e.Reason)
	}
	if e.Stanza != 0 {
		fmt.Fprintf(&b, " stanza %d", e.Stanza)
	}
	if e.Name != "" {
		fmt.Fprintf(&b, " (%s)", e.Name)
	}
	if e.User != "" {
		fmt.Fprintf(&b, " user %s", e.User)
	}
	if len(e.Grant.Ports) > 0 {
		fmt.Fprintf(&b, ": %s %s", e.Grant.Src, strings.Join(e.Grant.Ports, ","))
		if e.Grant.Expires != "" {
			fmt.Fprintf(&b, " until %s", e.Grant.Expires)
		}
	} else if text := report.Describe(e.Reason, &e.Detail); text != "" {
		fmt.Fprintf(&b, ": %s", text)
	}
	for _, r := range slices.Sorted(maps.Keys(e.Reasons)) {
		fmt.Fprintf(&b, " %s %d", r, e.Reasons[r])
	}
	if len(e.Reasons) > 0 {
		b.WriteString(", not told one by one")
	}
	if len(e.BlockedBy) > 0 {
		fmt.Fprintf(&b, ", still dropped by %s", strings.Join(e.BlockedBy, ", "))
	}
	if e.Error != "" {
		fmt.Fprintf(&b, ": %s", e.Error)
	}
	text := conf.Printable(b.String()) + "\n"
	for _, r := range append(slices.Sorted(maps.Keys(e.Reasons)), e.Reason) {
		if m, _ := report.MeaningOf(r); m.Remedy != "" {
			text += "    remedy: " + m.Remedy + "\n"
		}
	}
	if len(e.BlockedBy) > 0 {
		text += "    remedy: let that chain accept it too: fwknopd doctor\n"
	}
	return text
}
