package show

import (
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// Grants implements `fwknopd fleet grants`.
func Grants(args []string, stdout, stderr io.Writer) int {
	o, l, code := control.OpenLive(cli.Fleet, args, stdout, stderr)
	if o == nil {
		return code
	}
	if len(o.Operands) > 1 {
		return cli.Fleet.Refuse(stderr, fmt.Errorf("%q: grants takes options alone", o.Operands[1]))
	}
	r, err := ask(l, fleetlink.Query{Open: true, Gateway: o.Gateway})
	if err != nil {
		return failed(stderr, err)
	}
	defer r.Close()
	list, err := gateways(r)
	if err != nil {
		return failed(stderr, err)
	}
	for i := range list {
		if list[i].Self {
			here(l, &list[i])
		}
	}
	text := report.GatewaysText(list, time.Now())
	if o.JSON() {
		text = report.GatewaysJSON(list, time.Now())
	}
	if _, err := stdout.Write(text); err != nil {
		return failed(stderr, err)
	}
	return exitOK
}

// here puts what the daemon lists at this moment in place of what it has published, if it answers.
func here(l control.Live, g *report.Gateway) {
	grants, titles, err := l.Grants()
	unconfirmed := errors.Is(err, enforce.ErrUnconfirmed)
	if g.Self = err == nil || unconfirmed; g.Self {
		g.Open, g.Damaged = report.Open{V: 1, Grants: grants, Titles: titles, Unconfirmed: unconfirmed}, false
	}
}

// gateways reads what is open at all gateways.
func gateways(r *fleetlink.Reading) (list []report.Gateway, err error) {
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		g := report.Gateway{Name: s.Gateway, Self: s.Self, Heard: s.Heard, Said: s.Stored, Age: s.Ago}
		if g.Open, err = report.ParseOpen([]byte(s.Open)); err != nil {
			g.Open, g.Damaged = report.Open{}, true
		}
		list = append(list, g)
	}
}
