package setup

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// routes is the table of IPv4 routes of the kernel, proc(5): a header, then for each route
// interface, destination, gateway, flags, references, uses, metric and mask.
const routes = "/proc/net/route"

// routeInterface returns the interface of the default route with the smallest metric, "" if
// there is none.
func routeInterface() string {
	f, err := os.Open(routes)
	if err != nil {
		return ""
	}
	defer f.Close()
	name, best := "", -1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) < 8 || field[1] != "00000000" || field[7] != "00000000" {
			continue
		}
		if metric, err := strconv.Atoi(field[6]); err == nil && (best < 0 || metric < best) {
			name, best = field[0], metric
		}
	}
	return name
}
