package daemon

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/fixtures/short"
	"fwknopd/policy"
)

// mostADay is how much may be written on a day in which there is only junk, in bytes.
const mostADay = 5 << 20

// A tally counts what is written.
type tally struct {
	bytes.Buffer
	n int
}

func (c *tally) Write(p []byte) (int, error) {
	c.n += len(p)
	if c.Len() < 1<<20 {
		c.Buffer.Write(p)
	}
	return len(p), nil
}

func (*tally) Close() error { return nil }

// A day is a day of a daemon that writes all kinds of logs.
type day struct {
	*daemon
	t              *testing.T
	syslog, events tally
}

func newDay(t *testing.T) *day {
	d := &day{t: t}
	d.daemon = newTestDaemon(t, "ALERTING_METHODS noemail;\n", &d.syslog)
	d.daemon.events.file = &d.events
	return d
}

// written returns the bytes that were written. The prefixes of syslog are counted, and
// every line a second time, for fwknopd.warn.
func (d *day) written() int {
	const prefix = 60
	lines := bytes.Count(d.syslog.Bytes(), []byte("\n")) * d.syslog.n / max(d.syslog.Len(), 1)
	return 2*(d.syslog.n+prefix*lines) + d.events.n
}

// says logs n records of a worker.
func (d *day) says(n int, kind byte, v any) {
	d.t.Helper()
	if err := d.readRecords(strings.NewReader(strings.Repeat(record(d.t, kind, v), n))); err != nil {
		d.t.Fatal(err)
	}
}

// What the worker of a flooded daemon reports in a day is logged, all of it, and is not
// much, with the lines of 2.6 too.
func TestJunkOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDay(t)
		begin := time.Now()
		refuse := func() {
			r := refusal()
			r.Decision.Reason = policy.SPADecryptFailed
			d.says(1, privsep.RecordDecision, r)
		}
		problem := "/var/log/kern.log:123456789: " + strings.Repeat("x", 80)
		for range privsep.RefusalBurst {
			refuse()
		}
		d.says(privsep.ProblemBurst, privsep.RecordText, problem)
		for n := 1; time.Since(begin) < 24*time.Hour; n++ {
			time.Sleep(privsep.SummaryLast)
			d.says(1, privsep.RecordSuppressed, report.Suppressed{Time: time.Now(), Sources: report.MaxSources, Reasons: []report.ReasonCount{
				{Reason: policy.NoStanza, Count: 60000}, {Reason: policy.SPADecryptFailed, Count: 60000}, {Reason: policy.SPAHMACMismatch, Count: 60000}}})
			if n%int(privsep.RefusalEvery/privsep.SummaryLast) == 0 {
				refuse()
				d.says(1, privsep.RecordText, problem)
			}
		}
		if bytes.Contains(d.syslog.Bytes(), []byte("left out")) {
			t.Error("not everything was logged")
		}
		if n := d.written(); n < 1<<20 || n > mostADay {
			t.Errorf("%d bytes were written, at most %d", n, mostADay)
		}
	})
}

// A worker that is taken over writes no more, whatever it says, also when it is
// restarted again and again. What the monitor does is logged nevertheless.
func TestHostileRecordsOfADay(t *testing.T) {
	short.Skip(t)
	long, many := refusal(), refusal()
	long.Decision.User = strings.Repeat("x", 10000)
	many.Refusals = make([]policy.Refusal, report.MaxRefusals)
	for i := range many.Refusals {
		many.Refusals[i] = policy.Refusal{Stanza: 1, Reason: policy.SPADecryptFailed}
	}
	for name, c := range map[string]struct {
		kind byte
		v    any
	}{
		"refusals":        {privsep.RecordDecision, refusal()},
		"long refusals":   {privsep.RecordDecision, long},
		"many stanzas":    {privsep.RecordDecision, many},
		"texts":           {privsep.RecordText, "x"},
		"long texts":      {privsep.RecordText, strings.Repeat("x", privsep.MaxRecord)},
		"states":          {privsep.RecordState, report.State{}},
		"kept":            {privsep.RecordTaken, report.Taken{Error: strings.Repeat("<", 500)}},
		"losses":          {privsep.RecordLost, uint64(1)},
		"empty summaries": {privsep.RecordSuppressed, report.Suppressed{Time: now, Sources: 2, Reasons: []report.ReasonCount{{Reason: policy.NoStanza, Count: 1}}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDay(t)
			n := 60
			if len(record(t, c.kind, c.v)) > 1000 {
				n = 6
			}
			for range 24 * 6 {
				d.says(n, c.kind, c.v)
				time.Sleep(10 * time.Minute)
			}
			if n := d.written(); n > mostADay || !bytes.Contains(d.syslog.Bytes(), []byte("of the worker left out: it logs too much\n")) {
				t.Errorf("%s: %d bytes were written, at most %d", name, n, mostADay)
			}
		})
	}
}

// Decisions that grant are logged as long as the monitor carries them out.
func TestAllowBudget(t *testing.T) {
	b := newRecordBudget()
	for range 10 * allowBurst {
		if !b.allow(now) {
			t.Fatal("a decision that is carried out is not logged")
		}
		b.carriedOut()
	}
	n := 0
	for b.allow(now) {
		n++
	}
	if n != allowBurst {
		t.Errorf("%d decisions are logged that were not carried out, not %d", n, allowBurst)
	}
	if later := now.Add(allowEvery); !b.allow(later) || b.allow(later) {
		t.Error("not one more a minute")
	}
}

// Decisions that grant and that the monitor does not carry out are bounded like all else,
// and it is said that some are left out.
func TestHostileGrantsOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDay(t)
		d.records.spent, d.records.since = allowBurst, time.Now()
		r := refusal()
		r.Decision.Verdict, r.Decision.Reason, r.Decision.Grant = policy.Allow, policy.SPAGranted, grant(nil)
		for range 24 * 6 {
			d.says(60, privsep.RecordDecision, r)
			time.Sleep(10 * time.Minute)
		}
		const most = mostADay + 24*60*1500 // one a minute is logged beside all else
		if n := d.written(); n > most || !bytes.Contains(d.syslog.Bytes(), []byte("of the worker left out: it logs too much\n")) {
			t.Errorf("%d bytes were written, at most %d", n, most)
		}
	})
}
