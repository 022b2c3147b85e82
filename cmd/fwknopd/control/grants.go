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
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// Grants implements `fwknopd grants list|revoke|add|uses` and returns the exit code.
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
	"list":   {"src", "port", "stanza", "all", "watch"},
	"revoke": {"src", "port", "stanza", "all", "cut"},
	"add":    {"src", "port", "stanza", "for", "dst"},
	"uses":   {"reset"},
}

// parseGrants parses the verb and what belongs to it, and returns what runs it.
func parseGrants(o *cli.Options) (run func(*command) int, err error) {
	if len(o.Operands) == 0 || grantOptions[o.Operands[0]] == nil {
		return nil, errors.New("want one of list, revoke, add, uses")
	}
	verb, what := o.Operands[0], o.Operands[1:]
	if len(what) > 1 || len(what) == 1 && (verb == "add" || verb == "uses") {
		return nil, fmt.Errorf("unexpected argument %q", what[len(what)-1])
	}
	for _, name := range []string{"src", "port", "stanza", "all", "for", "dst", "cut", "watch", "reset"} {
		if o.Set(name) && !slices.Contains(grantOptions[verb], name) {
			return nil, fmt.Errorf("--%s does not go with %s", name, verb)
		}
	}
	switch verb {
	case "uses":
		return (*command).uses, nil
	case "add":
		a, err := parseAddition(o)
		return func(c *command) int { return c.add(a) }, err
	}
	s, err := parseSelection(o, verb == "revoke", what)
	switch {
	case verb == "revoke":
		return func(c *command) int { return c.revoke(s) }, err
	case o.Watch:
		return func(c *command) int { return c.watch(s) }, err
	}
	return func(c *command) int { return c.listGrants(s) }, err
}

// parseSelection parses the selection of list or revoke: the options, and what of an address,
// a network or a stanza. Revoking everything requires --all.
func parseSelection(o *cli.Options, revoke bool, what []string) (s Selection, err error) {
	if o.Src != "" {
		if s.Src, err = cli.ParsePrefix(o.Src); err != nil {
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
	if err := s.take(what); err != nil {
		return s, err
	}
	named := s != (Selection{})
	switch {
	case revoke && !named && !o.All:
		return s, errors.New("say what to close, or --all")
	case named && o.All:
		return s, errors.New("--all closes everything; leave out the rest")
	}
	return s, nil
}

// take takes in the addresses, networks or titles of stanzas that are named without an option.
func (s *Selection) take(what []string) error {
	for _, text := range what {
		src, err := cli.ParsePrefix(text)
		switch {
		case err == nil && !s.Src.IsValid():
			s.Src = src
		case err != nil && s.Name == "":
			s.Name = text
		default:
			return fmt.Errorf("%q and an option say different things", text)
		}
	}
	return nil
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

// listGrants implements `fwknopd grants list`.
func (c *command) listGrants(s Selection) int {
	o := newGrantClient(c)
	defer o.close()
	grants, err := o.list(context.Background(), s)
	unconfirmed := errors.Is(err, enforce.ErrUnconfirmed)
	if err != nil && !unconfirmed {
		return c.fail(err)
	}
	titles := o.titlesOf(grants)
	switch now := time.Now(); {
	case c.JSON() && unconfirmed:
		return c.write(report.UnconfirmedJSON(grants, titles, now))
	case c.JSON():
		return c.write(report.GrantsJSON(grants, titles, now))
	default:
		return c.write(listText(grants, titles, err, now))
	}
}

const nothingOpen = "nothing is open\n"

// listText returns what is open as a list. unconfirmed, if not nil, says that the firewall did
// not answer.
func listText(grants []enforce.Grant, titles report.Titles, unconfirmed error, now time.Time) []byte {
	switch {
	case unconfirmed != nil:
		return fmt.Appendf(report.ListText(grants, titles, now), "[-] %v\n", unconfirmed)
	case len(grants) == 0:
		return []byte(nothingOpen)
	}
	return report.ListText(grants, titles, now)
}

// write writes to stdout and returns the exit code.
func (c *command) write(text []byte) int {
	if _, err := c.stdout.Write(text); err != nil {
		return c.fail(err)
	}
	return exitOK
}

// revoke implements `fwknopd grants revoke`.
func (c *command) revoke(s Selection) int {
	o := newGrantClient(c)
	defer o.close()
	do := countConnections
	if c.Options.Cut {
		do = cutConnections
	}
	a, err := o.revoke(context.Background(), s, do)
	if err == nil || len(a.Grants) > 0 {
		if code := c.write(c.revoked(&a, o.titlesOf(a.Grants))); code != exitOK {
			return code
		}
	}
	switch {
	case err != nil:
	case len(a.Grants) == 0:
		err = errors.New("nothing of that is open")
	case a.Connections != nil:
		err = a.Connections.err()
		if err != nil && !c.Options.Cut { // what was asked for is done
			inputs.PrintError(c.stderr, "fwknopd", err)
			return exitOK
		}
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

// revoked returns the text for what was revoked.
func (c *command) revoked(a *answer, titles report.Titles) (text []byte) {
	if c.JSON() {
		text = report.GrantsJSON(a.Grants, titles, time.Now())
		if a.Connections != nil {
			text = a.Connections.addJSON(text)
		}
		return text
	}
	for i := range a.Grants {
		text = fmt.Appendf(text, "closed %s\n", report.ClosedText(&a.Grants[i]))
	}
	if a.Connections != nil {
		text = append(text, a.Connections.text(c.Options.Cut)...)
	}
	return text
}

// uses implements `fwknopd grants uses`: the daemon counts them, and it alone.
func (c *command) uses() int {
	a, err := ask(SocketPath(c.pidFile()), request{Do: "uses", Reset: c.Options.Reset})
	switch {
	case errors.Is(err, errNoDaemon):
		return c.fail(errors.New("no daemon runs, which alone counts uses"))
	case err != nil:
		return c.fail(err)
	case c.JSON():
		return c.write(report.UsesJSON(a.Uses, time.Now()))
	}
	return c.write([]byte(report.UsesText(a.Uses)))
}
