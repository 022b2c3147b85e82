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

// kind returns the format of the input, with the 1.9 daemon's name for a log; "" if
// nothing was read.
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

// writeInputs writes the lines of the report that name the inputs. It must be called
// after reading, when their formats are known.
func writeInputs(w io.Writer, opened []input) {
	for i := range opened {
		if kind := opened[i].kind(); kind != "" {
			fmt.Fprintf(w, "[+] Parsing %s: %s\n", kind, conf.Printable(opened[i].name))
		}
	}
}
