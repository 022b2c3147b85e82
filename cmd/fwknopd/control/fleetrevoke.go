package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// Revoke revokes the grants that s selects, and returns those it revoked.
func Revoke(ctx context.Context, k Enforcer, s Selection) ([]enforce.Grant, error) {
	return revoke(ctx, k, s)
}

// FleetRevoke implements `fwknopd fleet revoke`: the daemon that runs here revokes its grants and has
// the other gateways of the fleet revoke theirs. It returns the exit code; args begin with "revoke".
func FleetRevoke(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Fleet, args, stdout, stderr)
	if o == nil {
		return code
	}
	o.Operands = o.Operands[1:]
	list, err := fleetSelections(o)
	if err != nil {
		return cli.Fleet.Refuse(stderr, err)
	}
	return withValidConfig(o, func(c *command) int { return c.fleetRevoke(list) })(stdout, stderr)
}

// fleetSelections returns what is to be revoked: one selection for each operand. Lines are those of
// one gateway's file, so that a stanza has to be named.
func fleetSelections(o *cli.Options) (list []Selection, err error) {
	what := o.Operands
	if len(what) == 0 {
		what = []string{""}
	}
	for _, operand := range what {
		var one []string
		if operand != "" {
			one = []string{operand}
		}
		s, err := parseSelection(o, true, one)
		if err != nil {
			return nil, err
		}
		if _, err := strconv.Atoi(s.Name); err == nil {
			return nil, fmt.Errorf("%s is a line of the file of one gateway: want the NAME of a stanza", s.Name)
		}
		list = append(list, s)
	}
	return list, nil
}

// fleetRevoke asks the daemon, and says what each gateway has done.
func (c *command) fleetRevoke(list []Selection) int {
	var all []report.FleetRevoked
	for _, s := range list {
		a, err := ask(SocketPath(c.pidFile()), request{Do: "fleet-revoke", Fleet: &FleetOrder{s.Name, c.Options.Gateway}, Select: Selection{Src: s.Src, Port: s.Port}})
		switch {
		case errors.Is(err, errNoDaemon):
			return c.fail(errors.New("no daemon runs here, which alone can ask the other gateways"))
		case err != nil:
			return c.fail(err)
		}
		all = append(all, a.Revoked...)
	}
	text, err := []byte(report.FleetRevokedText(all)), error(nil)
	if c.JSON() {
		if text, err = report.FleetRevokedJSON(all); err != nil {
			return c.fail(err)
		}
	}
	if code := c.write(text); code != exitOK {
		return code
	}
	return revokedCode(all)
}

// revokedCode returns the exit code: an error if a gateway has not done it, or none knows the stanza.
func revokedCode(all []report.FleetRevoked) int {
	known := false
	for _, r := range all {
		if r.Error != "" {
			return exitError
		}
		known = known || !r.Unknown
	}
	if !known {
		return exitError
	}
	return exitOK
}

// A FleetOrder is what an order to the fleet has beside a [Selection].
type FleetOrder struct {
	Stanza  string `json:"stanza,omitempty"`  // NAME; "": any
	Gateway string `json:"gateway,omitempty"` // "": all
}
