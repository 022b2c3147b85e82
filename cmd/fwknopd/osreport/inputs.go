package osreport

import (
	"fmt"
	"io"
	"runtime"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/ingest"
)

// An input is one name of the command line and the parts its content was cut into.
type input struct {
	name  string
	parts []*ingest.Reader
}

// open cuts the inputs into parts for all cores, in order.
func (o *Options) open(log *inputs.Log) ([]input, error) {
	files, err := log.Files(o.Inputs, o.Now, o.AsGiven)
	if err != nil {
		return nil, err
	}
	opt := ingest.ReadOptions{Ref: o.Now, Filter: o.Filter, Problem: log.Problem, Stdin: o.Stdin}
	var opened []input
	for _, name := range files {
		parts, err := ingest.Split(name, runtime.GOMAXPROCS(0), opt)
		if err != nil {
			return nil, err
		}
		opened = append(opened, input{name, parts})
	}
	return opened, nil
}

// partsOf returns the parts of all inputs, in order.
func partsOf(inputs []input) []*ingest.Reader {
	var all []*ingest.Reader
	for _, in := range inputs {
		all = append(all, in.parts...)
	}
	return all
}

// kind names what was read, a log in the 1.9 daemon's words; "" if nothing was.
func (in *input) kind() string {
	switch in.parts[0].Outcomes()[0].Kind {
	case "":
		return ""
	case ingest.KindLog:
		return "iptables log"
	default:
		return "capture"
	}
}

// writeInputs writes the lines of the report that name the inputs, when these have
// been read: their content says what they are.
func writeInputs(w io.Writer, opened []input) {
	for i := range opened {
		if kind := opened[i].kind(); kind != "" {
			fmt.Fprintf(w, "[+] Parsing %s: %s\n", kind, opened[i].name)
		}
	}
}
