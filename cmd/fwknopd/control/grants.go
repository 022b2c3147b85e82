package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// Grants implements `fwknopd grants list|revoke` and returns the exit code.
func Grants(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Grants, args, stdout, stderr)
	if o == nil {
		return code
	}
	s, err := parseSelection(o)
	if err != nil {
		return cli.Grants.Refuse(stderr, err)
	}
	return withValidConfig(o, func(c *command) int { return c.grants(o.Operands[0], s) })(stdout, stderr)
}

// parseSelection parses the verb and the selection. Revoking everything requires --all.
func parseSelection(o *cli.Options) (s Selection, err error) {
	if len(o.Operands) != 1 || o.Operands[0] != "list" && o.Operands[0] != "revoke" {
		return s, errors.New("want one of list, revoke")
	}
	if o.Src != "" {
		if s.Src, err = parseSource(o.Src); err != nil {
			return s, fmt.Errorf("--src: %w", err)
		}
	}
	if o.Port != "" {
		if s.Port, err = parsePort(o.Port); err != nil {
			return s, fmt.Errorf("--port: %w", err)
		}
	}
	s.Stanza = o.Stanza
	named := s != (Selection{})
	switch {
	case o.Operands[0] == "revoke" && !named && !o.All:
		return s, errors.New("say what to close, or --all")
	case named && o.All:
		return s, errors.New("--all closes everything; leave out the rest")
	}
	return s, nil
}

// parsePort parses tcp/22, udp/53 or icmp.
func parsePort(text string) (enforce.Port, error) {
	name, number, has := strings.Cut(strings.ToLower(text), "/")
	for _, proto := range []enforce.Proto{enforce.TCP, enforce.UDP, enforce.ICMP, enforce.ICMPv6} {
		p := enforce.Port{Proto: proto}
		if proto.String() != name || p.HasNumber() != has {
			continue
		}
		if !has {
			return p, nil
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			break
		}
		p.Number = uint16(n)
		return p, nil
	}
	return enforce.Port{}, fmt.Errorf("%q is not like tcp/22", text)
}

func (c *command) grants(verb string, s Selection) int {
	ctx := context.Background()
	o := newGrantClient(c.Loaded)
	defer o.close()
	do := o.list
	if verb == "revoke" {
		do = o.revoke
	}
	grants, err := do(ctx, s)
	if verb == "list" && errors.Is(err, enforce.ErrUnconfirmed) {
		return c.printUnconfirmed(grants, c.titles(o, grants))
	}
	if err == nil || len(grants) > 0 {
		if printErr := c.print(verb, grants, c.titles(o, grants)); err == nil {
			err = printErr
		}
	}
	if err == nil && verb == "revoke" && len(grants) == 0 {
		err = errors.New("nothing of that is open")
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

// printUnconfirmed prints what the daemon has opened while the firewall does not answer.
func (c *command) printUnconfirmed(grants []enforce.Grant, titles report.Titles) int {
	now := time.Now()
	text := fmt.Appendf(report.ListText(grants, titles, now), "[-] %v\n", enforce.ErrUnconfirmed)
	if c.JSON() {
		text = report.UnconfirmedJSON(grants, titles, now)
	}
	if _, err := c.stdout.Write(text); err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *command) print(verb string, grants []enforce.Grant, titles report.Titles) error {
	var text []byte
	switch now := time.Now(); {
	case c.JSON():
		text = report.GrantsJSON(grants, titles, now)
	case verb == "list" && len(grants) == 0:
		text = []byte("nothing is open\n")
	case verb == "list":
		text = report.ListText(grants, titles, now)
	default:
		for i := range grants {
			text = fmt.Appendf(text, "closed %s\n", report.ClosedText(&grants[i]))
		}
	}
	_, err := c.stdout.Write(text)
	return err
}
