package osreport

import (
	"fmt"
	"io"
	"runtime"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// An input is one file of the command line, split into parts.
type input struct {
	name  string
	parts []*ingest.Reader
}

// open opens the inputs, each split into parts for all cores, in order.
func (o *Options) open(log *inputs.Log) ([]input, error) {
	files, err := log.Files(o.Inputs, o.Now, o.AsGiven)
	if err != nil {
		return nil, err
	}
	return o.split(files, log)
}

func (o *Options) readOptions(log *inputs.Log) ingest.ReadOptions {
	return ingest.ReadOptions{Ref: o.Now, Filter: o.Filter, Inner: o.Inner, Problem: log.Problem, Stdin: o.Stdin}
}

// split opens files, each split into parts for all cores.
func (o *Options) split(files []string, log *inputs.Log) ([]input, error) {
	opt := o.readOptions(log)
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

// kind returns the format of the input, "" if nothing was read.
func (in *input) kind() ingest.Kind { return in.parts[0].Outcomes()[0].Kind }

// A parsed is what the report says of an input.
type parsed struct {
	name string
	kind ingest.Kind
}

// parsedOf returns those of inputs, after reading, when their formats are known.
func parsedOf(opened []input) (list []parsed) {
	for i := range opened {
		list = append(list, parsed{opened[i].name, opened[i].kind()})
	}
	return list
}

// writeInputs writes the lines of the report that name the inputs, with the 1.9 daemon's name for a
// log.
func writeInputs(w io.Writer, list []parsed) {
	for _, in := range list {
		format := "capture"
		switch in.kind {
		case "":
			continue
		case ingest.KindLog:
			format = "iptables log"
		}
		fmt.Fprintf(w, "[+] Parsing %s: %s\n", format, conf.Printable(in.name))
	}
}
