package cli

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/fixtures/golden"
	"fwknopd/fixtures/mandoc"
)

//go:embed man.head
var manHead string

//go:embed man.tail
var manTail string

func TestManIsUpToDate(t *testing.T) {
	golden.Compare(t, "../man/fwknopd.8", []byte(manual()))
}

// manual returns the manual page fwknopd(8). The options come from the table that the
// parser uses, so that the page matches the program.
func manual() string {
	var b strings.Builder
	b.WriteString(manHead)
	b.WriteString(".Sh OPTIONS\n.Bl -tag -width Ds\n")
	var without []string
	for d := range Daemon.rows() {
		if d.help != "" {
			writeOption(&b, d)
		}
		if d.kind == ignored || d.kind == ignoredText {
			without = append(without, ".Fl -"+d.name)
		}
	}
	fmt.Fprintf(&b, ".El\n.Pp\nAccepted for old scripts, without effect:\n%s .\n", strings.Join(without, " ,\n"))
	for _, c := range append(server.all()[1:], FleetSubmit, FleetWork) {
		writeSubcommand(&b, c)
	}
	writeReasons(&b)
	writeMetrics(&b)
	b.WriteString(manTail)
	return b.String()
}

// writeSubcommand writes the options of a sub-command. Those that the daemon takes too
// are only named.
func writeSubcommand(b *strings.Builder, c Command) {
	fmt.Fprintf(b, ".Ss Options of %s\n", commandNames[c])
	var shared []string
	b.WriteString(".Bl -tag -width Ds\n")
	for d := range c.rows() {
		switch {
		case d.help == "":
		case d.in&Daemon != 0:
			shared = append(shared, ".Fl -"+d.name)
		default:
			writeOption(b, d)
		}
	}
	b.WriteString(".El\n")
	if len(shared) > 0 {
		fmt.Fprintf(b, ".Pp\nAs above:\n%s .\n", strings.Join(shared, " ,\n"))
	}
}

// writeReasons writes what each reason of a decision means, and what there is to do.
func writeReasons(b *strings.Builder) {
	b.WriteString(".Sh REASONS\nEvery decision has one. They never change their names; new ones may be added.\n.Bl -tag -width Ds\n")
	for _, r := range report.Reasons() {
		m, _ := report.MeaningOf(r)
		fmt.Fprintf(b, ".It Cm %s\n%s.\n", r, mandoc.Escape(strings.ToUpper(m.Text[:1])+m.Text[1:]))
		if m.Remedy != "" {
			fmt.Fprintf(b, "Remedy: %s.\n", mandoc.Escape(m.Remedy))
		}
	}
	b.WriteString(".El\n")
}

// writeMetrics writes what each metric is.
func writeMetrics(b *strings.Builder) {
	b.WriteString(`.Sh METRICS
With METRICS_LISTEN (see
.Xr fwknop.conf 5 )
the daemon answers
.Ql GET /metrics
in the text format of Prometheus.
No label is an address, a user or text of a packet.
Counters do not fall while the daemon runs, also if its worker is started again; what a worker that was killed had not told yet is missing in them.
The records, lags and remembered messages are what the worker says, and so are the reasons of decisions.
.Bl -tag -width Ds
`)
	for _, f := range metrics.Families() {
		labels := ""
		if len(f.Labels) > 0 {
			labels = " Brq " + strings.Join(f.Labels, " , ")
		}
		fmt.Fprintf(b, ".It Cm %s%s\n%s, %s.\n", f.Name, labels, strings.ToUpper(string(f.Kind[:1]))+string(f.Kind[1:]), mandoc.Escape(strings.ToLower(f.Help[:1])+f.Help[1:]))
	}
	b.WriteString(".El\n")
}

func writeOption(b *strings.Builder, d *option) {
	b.WriteString(".It")
	if d.short != "" {
		fmt.Fprintf(b, " Fl %s ,", d.short)
	}
	fmt.Fprintf(b, " Fl -%s", d.name)
	switch {
	case d.kind == optional:
		fmt.Fprintf(b, " Ns Op = Ns Ar %s", d.arg)
	case d.arg != "":
		fmt.Fprintf(b, " Ar %s", d.arg)
	}
	fmt.Fprintf(b, "\n%s.\n", mandoc.Escape(strings.ToUpper(d.help[:1])+d.help[1:]))
}
