package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// Grants implements `fwknopd grants list|revoke|add` and returns the exit code.
func Grants(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Grants, args, stdout, stderr)
	if o == nil {
		return code
	}
	run, err := parseGrants(o)
	if err != nil {
		return cli.Grants.Refuse(stderr, err)
	}
	return withValidConfig(o, run)(stdout, stderr)
}

// grantOptions are the options that a verb of grants takes beside those of all.
var grantOptions = map[string][]string{
	"list":   {"src", "port", "stanza", "all"},
	"revoke": {"src", "port", "stanza", "all"},
	"add":    {"src", "port", "stanza", "for", "dst"},
}

// parseGrants parses the verb and what belongs to it, and returns what runs it.
func parseGrants(o *cli.Options) (run func(*command) int, err error) {
	if len(o.Operands) != 1 || grantOptions[o.Operands[0]] == nil {
		return nil, errors.New("want one of list, revoke, add")
	}
	verb := o.Operands[0]
	for _, name := range []string{"src", "port", "stanza", "all", "for", "dst"} {
		if o.Set(name) && !slices.Contains(grantOptions[verb], name) {
			return nil, fmt.Errorf("--%s does not go with %s", name, verb)
		}
	}
	if verb == "add" {
		a, err := parseAddition(o)
		return func(c *command) int { return c.add(a) }, err
	}
	s, err := parseSelection(o)
	return func(c *command) int { return c.grants(verb, s) }, err
}

// parseSelection parses the selection of list or revoke. Revoking everything requires --all.
func parseSelection(o *cli.Options) (s Selection, err error) {
	if o.Src != "" {
		if s.Src, err = parseSource(o.Src); err != nil {
			return s, fmt.Errorf("--src: %w", err)
		}
	}
	if len(o.Ports) > 1 {
		return s, errors.New("--port: one here")
	}
	for _, text := range o.Ports {
		if s.Port, err = parsePort(text); err != nil {
			return s, fmt.Errorf("--port: %w", err)
		}
	}
	s.Name = o.Stanza
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
	o := newGrantClient(c)
	defer o.close()
	do := o.list
	if verb == "revoke" {
		do = o.revoke
	}
	grants, err := do(ctx, s)
	if verb == "list" && errors.Is(err, enforce.ErrUnconfirmed) {
		return c.printUnconfirmed(grants)
	}
	if err == nil || len(grants) > 0 {
		if printErr := c.print(verb, grants); err == nil {
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
func (c *command) printUnconfirmed(grants []enforce.Grant) int {
	now := time.Now()
	text := fmt.Appendf(report.ListText(grants, now), "[-] %v\n", enforce.ErrUnconfirmed)
	if c.JSON() {
		text = report.UnconfirmedJSON(grants, now)
	}
	if _, err := c.stdout.Write(text); err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *command) print(verb string, grants []enforce.Grant) error {
	var text []byte
	switch now := time.Now(); {
	case c.JSON():
		text = report.GrantsJSON(grants, now)
	case verb == "list" && len(grants) == 0:
		text = []byte("nothing is open\n")
	case verb == "list":
		text = report.ListText(grants, now)
	default:
		for i := range grants {
			text = fmt.Appendf(text, "closed %s\n", report.ClosedText(&grants[i]))
		}
	}
	_, err := c.stdout.Write(text)
	return err
}
