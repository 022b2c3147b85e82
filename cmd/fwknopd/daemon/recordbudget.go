package daemon

import (
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// What the records of workers may write. An honest worker stays below it, see
// [privsep.RefusalBurst]; one that is taken over must not fill the disk either.
const (
	// recordBurst and recordRate are for all but decisions that grant: in bytes, and
	// bytes per second. A record is taken to write recordUnit, its length twice, and
	// refusalUnit for each further stanza.
	recordBurst = 1 << 20
	recordRate  = 48
	recordUnit  = 1024
	refusalUnit = 600
	// allowBurst and allowEvery are for decisions that grant. Each one that the monitor
	// carries out permits one more. Those beyond count with the others.
	allowBurst = 20000
	allowEvery = time.Minute
)

// A recordBudget limits what is logged for the workers, whichever of them sends it.
type recordBudget struct {
	others *privsep.Budget

	mu    sync.Mutex
	spent int       // decisions that grant, without those that were carried out
	since time.Time // when spent was last reduced
}

func newRecordBudget() *recordBudget {
	return &recordBudget{others: privsep.NewBudget(recordRate, recordBurst)}
}

// allow takes a decision that grants from the budget. The monitor logs what it opens in
// any case.
func (b *recordBudget) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := int(now.Sub(b.since) / allowEvery); n > 0 {
		b.spent, b.since = max(b.spent-n, 0), now
	}
	if b.spent >= allowBurst {
		return false
	}
	b.spent++
	return true
}

// carriedOut records that the monitor did what a decision granted.
func (b *recordBudget) carriedOut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(b.spent-1, 0)
}

// other takes another record from the budget: of the size, with so many refusals by
// further stanzas. lost is the number of records refused since the last one that was not.
func (b *recordBudget) other(now time.Time, size, refusals int) (ok bool, lost int) {
	lost = b.others.Take(now, recordUnit+2*size+refusalUnit*refusals)
	return lost >= 0, lost
}

// mayLog reports whether the worker may log a record. It first logs how much was left
// out before.
func (d *daemon) mayLog(size, refusals int) bool {
	ok, lost := d.records.other(time.Now(), size, refusals)
	if lost > 0 {
		d.logf(warning, "%s of the worker left out: it logs too much", conf.Count(lost, "message"))
	}
	return ok
}
