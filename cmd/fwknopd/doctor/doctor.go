// Package doctor implements fwknopd doctor: it looks at what a grant takes on this host, from
// the rights of the process to the firewall, and says what stands in the way. It changes
// nothing.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// States of a finding.
const (
	ok      = "ok"
	warning = "warning"
	fix     = "fix" // without it nothing is granted, or is not seen
)

// A finding is what was found out about one thing.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"` // a command, or what to do
}

// A Doctor implements fwknopd doctor.
type Doctor struct {
	// Firewall returns lines on where grants would be opened on this host, and what would
	// still drop the packets.
	Firewall func(*config.Loaded) []string
}

// Run runs the command and returns its exit code: 0, or 1 if there is something to fix, or 2
// for a usage error.
func (d Doctor) Run(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Doctor, args, stdout, stderr)
	if o == nil {
		return code
	}
	list := d.examine(o)
	if o.JSON() {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(struct {
			V        int       `json:"v"`
			Findings []finding `json:"findings"`
		}{1, list}); err != nil {
			fmt.Fprintf(stderr, "fwknopd doctor: %v\n", err)
			return 1
		}
	} else {
		printText(stdout, list)
	}
	for _, f := range list {
		if f.State == fix {
			return 1
		}
	}
	return 0
}

// PrintFirewall prints what the lines of a survey mean, with what mends it.
func PrintFirewall(w io.Writer, survey []string, l *config.Loaded) {
	printText(w, judgeFirewall(survey, setAuto(l), setGuard(survey, l)))
}

func printText(w io.Writer, list []finding) {
	for _, f := range list {
		fmt.Fprintf(w, "%-8s %-14s %s\n", f.State, f.Check, conf.Printable(f.Text))
		if f.Fix != "" {
			fmt.Fprintf(w, "%24s%s\n", "-> ", conf.Printable(f.Fix))
		}
	}
}

// examine returns the findings in the order in which a packet meets what they are about.
func (d Doctor) examine(o *cli.Options) []finding {
	list := examineRights()
	opts := config.FromFlags(o)
	opts.StrictModes = true
	l, problems := config.Load(opts)
	list = append(list, judgeConfiguration(problems, opts.Main())...)
	if problems.Failed() {
		return list
	}
	list = append(list, examineSources(l)...)
	list = append(list, examineClock()...)
	list = append(list, examineRefusals(l.Server)...)
	survey := d.Firewall(l)
	list = append(list, judgeFirewall(survey, setAuto(l), setGuard(survey, l))...)
	list = append(list, examineKeys(l.Access)...)
	list = append(list, examineFolders(l.Server)...)
	list = append(list, examineDigests(l.Server)...)
	return append(list, examineDaemon(l.Server)...)
}
