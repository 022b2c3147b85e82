// Package inputs is what the commands that read logs and captures once say about
// them: their order, what is wrong in them and with them, how far reading is.
package inputs

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"fwknopd/ingest"
	"fwknopd/parse"
)

const (
	// maxProblems bounds how many malformed records are named: a hostile log must not
	// fill a disk.
	maxProblems = 20
	// maxNames bounds how many inputs are named in the line about their order.
	maxNames = 10
)

// A Log writes to stderr. Its methods may be called from several goroutines.
type Log struct {
	mu       sync.Mutex
	w        io.Writer
	problems int
	stamps   []ingest.Problem // the first record of each kind without a time
}

// NewLog returns a Log that writes to w.
func NewLog(w io.Writer) *Log { return &Log{w: w} }

func (l *Log) say(format string, a ...any) { fmt.Fprintf(l.w, "fwknopd: "+format+"\n", a...) }

// Files returns the files that names stand for in the order in which to read them:
// that of their first records, which is said where it is not the given one, or with
// asGiven the given one. ref gives stamps without a year theirs.
func (l *Log) Files(names []string, ref time.Time, asGiven bool) ([]string, error) {
	files, err := ingest.Files(names)
	if err != nil || asGiven {
		return files, err
	}
	files, moved := ingest.InOrder(files, ref)
	if moved {
		named := strings.Join(files[:min(maxNames, len(files))], ", ")
		if more := len(files) - maxNames; more > 0 {
			named += fmt.Sprintf(" and %d more", more)
		}
		l.say("the inputs as given run back in time; read in the order of their first records: %s (--as-given keeps the given order)", named)
	}
	return files, nil
}

// Problem names a malformed record, up to a limit.
func (l *Log) Problem(p ingest.Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var stamp *ingest.UnreadStamp
	if errors.As(p.Err, &stamp) {
		l.stamp(p, stamp.Kind)
		return
	}
	switch l.problems++; {
	case l.problems < maxProblems:
		l.say("%v", p)
	case l.problems == maxProblems:
		l.say("%v (more are counted, not named)", p)
	}
}

// stamp notes a record without a time. The parts of a file are read side by side:
// which record is the first of its kind shows at the end.
func (l *Log) stamp(p ingest.Problem, kind string) {
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

// Outcomes says what is remarkable about inputs that were read. Several readers may
// have read parts of one.
func (l *Log) Outcomes(readers ...*ingest.Reader) {
	var cut, untimed uint64
	var inside ingest.Inside
	var all []ingest.Outcome
	for _, r := range readers {
		c := r.Counts()
		cut, untimed = cut+c.Cut, untimed+c.Untimed
		inside.Add(r.Inside())
		for _, o := range r.Outcomes() {
			if last := len(all) - 1; last >= 0 && all[last].Name == o.Name && r.Part() {
				all[last].Records += o.Records
				all[last].Found = all[last].Found || o.Found
				continue
			}
			all = append(all, o)
		}
	}
	for i := range all {
		l.outcome(&all[i])
	}
	if cut > 0 {
		l.say("%s only a part of a packet: the capture cut it short (tcpdump -s)", count(cut, "record holds", "records hold"))
	}
	for _, p := range l.stamps {
		l.say("%v", p)
	}
	if untimed > 0 {
		l.say("%s no time that can be read", count(untimed, "event has", "events have"))
	}
	l.inside(&inside)
}

// inside says that the filter would match more if it looked where it does not.
func (l *Log) inside(i *ingest.Inside) {
	for _, around := range []struct {
		n          uint64
		what, mend string
	}{
		{i.PPPoE, "PPPoE frames", "-P NONE"},
		{i.Tagged, "frames with a VLAN tag", "-P NONE, or -P 'vlan and …'"},
	} {
		if around.n > 0 {
			l.say("%s inside %s that PCAP_FILTER does not look into; use %s",
				count(around.n, "packet to "+target(i)+" lies", "packets, the first to "+target(i)+", lie"), around.what, around.mend)
		}
	}
}

// target names where a packet went.
func target(i *ingest.Inside) string {
	switch i.Proto {
	case parse.UDP:
		return fmt.Sprintf("UDP port %d", i.Dst.Port())
	case parse.TCP:
		return fmt.Sprintf("TCP port %d", i.Dst.Port())
	}
	return i.Dst.Addr().String()
}

func (l *Log) outcome(o *ingest.Outcome) {
	if o.Kind == ingest.KindLog && !o.Found && o.Records > 0 && o.Err == nil {
		l.say("%s: no Netfilter record in %s", o.Name, count(o.Records, "line", "lines"))
	}
	if o.Err == nil {
		for _, err := range o.Foreign {
			l.say("%s: %v; its frames are not ours", o.Name, err)
		}
	}
}

// count puts a number in front of a word.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Say writes what ended a command, a line for each of several errors.
func Say(w io.Writer, command string, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "%s: %s\n", command, strings.TrimSuffix(line, "\n"))
	}
}
