package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
)

// parseAddition parses what `grants add` is to open.
func parseAddition(o *cli.Options) (a Addition, err error) {
	if o.Src == "" || len(o.Ports) == 0 {
		return a, errors.New("add wants --src and --port")
	}
	if a.Src, err = parseAddr(o.Src); err != nil {
		return a, fmt.Errorf("--src: %w", err)
	}
	if o.Dst != "" {
		if a.Dst, err = parseAddr(o.Dst); err != nil {
			return a, fmt.Errorf("--dst: %w", err)
		}
	}
	for _, text := range o.Ports {
		p, err := parsePort(text)
		if err != nil {
			return a, fmt.Errorf("--port: %w", err)
		}
		a.Ports = append(a.Ports, p)
	}
	if o.Set("for") {
		if a.For, err = parseTime(o.For); err != nil {
			return a, fmt.Errorf("--for: %w", err)
		}
	}
	a.Stanza = o.Stanza
	return a, nil
}

// parseAddr parses one address.
func parseAddr(text string) (netip.Addr, error) {
	p, err := cli.ParsePrefix(text)
	if err != nil || !p.IsSingleIP() {
		return netip.Addr{}, fmt.Errorf("%q is not an address", text)
	}
	return p.Addr(), nil
}

// maxFor bounds --for: a client's message has no room for more.
const maxFor = (1<<32 - 1) * time.Second

// parseTime parses a lifetime in whole seconds: 10m, 1h30m, or a number of seconds.
func parseTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, wrong := strconv.ParseUint(text, 10, 32); wrong == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < time.Second || d > maxFor || d%time.Second != 0 {
		return 0, fmt.Errorf("%q is not a time like 10m, of one second or more", text)
	}
	return d, nil
}

// add implements `fwknopd grants add`: the daemon opens, and ends what it has opened.
func (c *command) add(a Addition) int {
	answer, err := ask(SocketPath(c.pidFile()), request{Do: "add", Add: &a})
	switch {
	case errors.Is(err, errNoDaemon):
		return c.fail(errors.New("no daemon runs, which alone opens a grant and ends it"))
	case err != nil:
		return c.fail(err)
	}
	now := time.Now()
	var text []byte
	for i := range answer.Grants {
		text = fmt.Appendf(text, "open %s\n", report.OpenText(&answer.Grants[i], now))
	}
	if c.JSON() {
		text = report.GrantsJSON(answer.Grants, answer.Titles, now)
	}
	if code := c.write(text); code != exitOK {
		return code
	}
	if len(answer.Blocked) > 0 {
		return c.fail(fmt.Errorf("the rules are in place, but %s drops it all the same: fwknopd doctor", strings.Join(answer.Blocked, ", ")))
	}
	return exitOK
}
