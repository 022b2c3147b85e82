// Package inputs prints the diagnostics of the commands that read logs and captures
// once: the order of the files, their faults, and the progress.
package inputs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

const (
	// MaxProblems bounds how many malformed records are reported, so that a hostile log
	// cannot fill a disk.
	MaxProblems = 20
	// maxNames bounds how many inputs the line about their order lists.
	maxNames = 10
)

// A Log prints diagnostics. Problem may be called from several goroutines.
type Log struct {
	// Lines, if not nil, is asked for the lines of logs when files are put in order.
	Lines ingest.LineFunc
	// Wanted is what a log is to have, "Netfilter record" if empty.
	Wanted string

	mu       sync.Mutex
	w        io.Writer
	problems int
	stamps   []ingest.Problem // the first record of each kind without a time
}

// NewLog returns a Log that writes to w.
func NewLog(w io.Writer) *Log { return &Log{w: w} }

func (l *Log) logf(format string, a ...any) {
	fmt.Fprintf(l.w, "fwknopd: %s\n", conf.Printable(fmt.Sprintf(format, a...)))
}

// Files expands names and returns the files in the order in which to read them: the
// given order with asGiven, else that of their first records, with a message if that
// differs. ref dates stamps without a year.
func (l *Log) Files(names []string, ref time.Time, asGiven bool) ([]string, error) {
	files, err := ingest.Files(names)
	if err != nil || asGiven {
		return files, err
	}
	files, moved := ingest.InOrder(files, ref, l.Lines)
	if moved {
		named := strings.Join(files[:min(maxNames, len(files))], ", ")
		if more := len(files) - maxNames; more > 0 {
			named += fmt.Sprintf(" and %d more", more)
		}
		l.logf("the inputs as given run back in time; read in the order of their first records: %s (--as-given keeps the given order)", named)
	}
	return files, nil
}

// Problem reports a malformed record, up to a limit.
func (l *Log) Problem(p ingest.Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var stamp *ingest.UnreadStamp
	if errors.As(p.Err, &stamp) {
		l.addStamp(p, stamp.Kind)
		return
	}
	switch l.problems++; {
	case l.problems < MaxProblems:
		l.logf("%v", p)
	case l.problems == MaxProblems:
		l.logf("%v (more are counted, not named)", p)
	}
}

// addStamp stores a record without a time. The parts of a file are read in parallel, so
// the first record of each kind is only known at the end.
func (l *Log) addStamp(p ingest.Problem, kind string) {
	for i := range l.stamps {
		var known *ingest.UnreadStamp
		if errors.As(l.stamps[i].Err, &known) && known.Kind == kind {
			if l.stamps[i].Name == p.Name && p.Record < l.stamps[i].Record {
				l.stamps[i] = p
			}
			return
		}
	}
	l.stamps = append(l.stamps, p)
}

// Outcomes prints warnings about inputs that were read. Several readers may have read
// parts of the same one.
func (l *Log) Outcomes(readers ...*ingest.Reader) {
	var t Tally
	for _, r := range readers {
		t.Add(ReadingOf(r))
	}
	l.Warn(&t)
}

// Warn prints warnings about what was read.
func (l *Log) Warn(t *Tally) {
	for i := range t.Outcomes {
		l.printOutcome(&t.Outcomes[i])
	}
	if cut := t.Counts.Cut; cut > 0 {
		l.logf("%s only a part of a packet: the capture cut it short (tcpdump -s)", count(cut, "record holds", "records hold"))
	}
	for _, p := range l.stamps {
		l.logf("%v", p)
	}
	if untimed := t.Counts.Untimed; untimed > 0 {
		l.logf("%s no time that can be read", count(untimed, "event has", "events have"))
	}
	l.printInside(&t.Inside)
}

// printInside reports packets that the filter does not match because it does not look
// inside their encapsulation.
func (l *Log) printInside(i *ingest.Inside) {
	for _, around := range []struct {
		n          uint64
		what, mend string
	}{
		{i.PPPoE, "PPPoE frames", "-P NONE, or -P 'pppoes and …'"},
		{i.Tagged, "frames with a VLAN tag", "-P NONE, or -P 'vlan and …'"},
		{i.MPLS, "frames with MPLS labels", "-P NONE"},
	} {
		if around.n > 0 {
			l.logf("%s inside %s that PCAP_FILTER does not look into; use %s",
				count(around.n, "packet to "+destination(i)+" lies", "packets, the first to "+destination(i)+", lie"), around.what, around.mend)
		}
	}
}

// destination describes the destination of the packet.
func destination(i *ingest.Inside) string {
	switch i.Proto {
	case parse.UDP:
		return fmt.Sprintf("UDP port %d", i.Dst.Port())
	case parse.TCP:
		return fmt.Sprintf("TCP port %d", i.Dst.Port())
	}
	return i.Dst.Addr().String()
}

func (l *Log) printOutcome(o *ingest.Outcome) {
	if o.Kind == ingest.KindLog && !o.Found && o.Records > 0 && o.Err == nil {
		l.logf("%s: no %s in %s", o.Name, cmp.Or(l.Wanted, "Netfilter record"), count(o.Records, "line", "lines"))
	}
	if o.Err == nil {
		for _, err := range o.Foreign {
			l.logf("%s: %v; its frames are not ours", o.Name, err)
		}
	}
}

// count returns a number with its noun.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ErrInterrupted is the outcome of a command that the user ended.
var ErrInterrupted = errors.New("interrupted: this is what was read until then")

// ExitInterrupted is the exit code of such a command, as shells have it for SIGINT.
const ExitInterrupted = 128 + 2

// UntilInterrupted returns a context that ends with the first interrupt from the terminal. The
// second one ends the process.
func UntilInterrupted() (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// PrintError writes the error of a command, one line for each of joined errors.
func PrintError(w io.Writer, command string, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "%s: %s\n", command, conf.Printable(strings.TrimSuffix(line, "\n")))
	}
}
