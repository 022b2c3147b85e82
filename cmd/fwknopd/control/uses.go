package control

import (
	"errors"
	"time"

	"fwknopd/cmd/fwknopd/report"
)

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
