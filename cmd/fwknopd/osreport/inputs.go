package osreport

import (
	"fmt"
	"io"
	"runtime"

	"fwknopd/ingest"
)

// An input is one name of the command line and the parts its content was cut into.
type input struct {
	name  string
	parts []*ingest.Reader
}

// open cuts the inputs into parts for all cores, in order.
func (o *Options) open(d *diagnostics) ([]input, error) {
	opt := ingest.ReadOptions{Ref: o.Now, Filter: o.Filter, Problem: d.problem, Stdin: o.Stdin}
	var inputs []input
	for _, name := range o.Inputs {
		parts, err := ingest.Split(name, runtime.GOMAXPROCS(0), opt)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, input{name, parts})
	}
	return inputs, nil
}

// partsOf returns the parts of all inputs, in order.
func partsOf(inputs []input) []*ingest.Reader {
	var all []*ingest.Reader
	for _, in := range inputs {
		all = append(all, in.parts...)
	}
	return all
}

// kind names what was read: the 1.9 daemon's words for a log.
func (in *input) kind() string {
	logs, captures := false, false
	for _, k := range in.parts[0].Kinds() {
		if k == ingest.KindLog {
			logs = true
		} else {
			captures = true
		}
	}
	switch {
	case logs && captures: // a pattern
		return "iptables logs and captures"
	case captures:
		return "capture"
	default:
		return "iptables log"
	}
}

// writeInputs writes the lines of the report that name the inputs, when these have
// been read: their content says what they are.
func writeInputs(w io.Writer, inputs []input) {
	for i := range inputs {
		fmt.Fprintf(w, "[+] Parsing %s: %s\n", inputs[i].kind(), inputs[i].name)
	}
}
