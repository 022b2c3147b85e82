package metrics

import (
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/report"
)

// AppendText appends all metrics to b, in the text format.
func (s *Set) AppendText(b []byte, r *Readings) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &writer{text: b, set: s, read: r}
	for i := range families {
		f := &families[i]
		w.family = f
		w.add("# HELP ", f.Name, " ", helpEscaper.Replace(f.Help), ".\n# TYPE ", f.Name, " ", string(f.Kind), "\n")
		f.series(w)
	}
	return w.text
}

// A writer appends the samples of one family after the other.
type writer struct {
	text   []byte
	set    *Set // its mutex is held
	read   *Readings
	family *Family
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func (w *writer) add(parts ...string) {
	for _, p := range parts {
		w.text = append(w.text, p...)
	}
}

// name appends the name of a series with the values of the labels of the family.
func (w *writer) name(values []string) {
	w.add(w.family.Name)
	for i, value := range values {
		before := ","
		if i == 0 {
			before = "{"
		}
		w.add(before, w.family.Labels[i], `="`, labelEscaper.Replace(strings.ToValidUTF8(value, "?")), `"`)
	}
	if len(values) > 0 {
		w.add("}")
	}
	w.add(" ")
}

// count appends a sample.
func (w *writer) count(n uint64, labels ...string) {
	w.name(labels)
	w.text = append(strconv.AppendUint(w.text, n, 10), '\n')
}

// float appends a sample.
func (w *writer) float(f float64, labels ...string) {
	w.name(labels)
	w.text = append(strconv.AppendFloat(w.text, f, 'f', -1, 64), '\n')
}

func (w *writer) flag(on bool) {
	n := uint64(0)
	if on {
		n = 1
	}
	w.count(n)
}

// time appends a time in seconds since 1970.
func (w *writer) time(t time.Time) { w.float(float64(t.UnixMilli()) / 1000) }

// histogram appends the series of a histogram.
func (w *writer) histogram(h *histogram) {
	// The sum first: what is counted meanwhile is missing in it, not in the counts.
	w.buckets(h.sum.Load(), h.bounds, func(i int) uint64 { return h.counts[i].Load() })
}

// buckets appends the series of durations, whose sum is in microseconds, by the counts of each of the
// bounds and of what is longer.
func (w *writer) buckets(sum uint64, bounds []time.Duration, count func(i int) uint64) {
	total := uint64(0)
	for i := range len(bounds) + 1 {
		total = saturated(total, count(i))
		bound := "+Inf"
		if i < len(bounds) {
			bound = strconv.FormatFloat(bounds[i].Seconds(), 'f', -1, 64)
		}
		w.add(w.family.Name, `_bucket{le="`, bound, `"} `, strconv.FormatUint(total, 10), "\n")
	}
	w.add(w.family.Name, "_sum ", strconv.FormatFloat(float64(sum)/1e6, 'f', -1, 64), "\n")
	w.add(w.family.Name, "_count ", strconv.FormatUint(total, 10), "\n")
}

func (w *writer) decisions() {
	for i, p := range pairs {
		w.count(saturated(w.set.records[i].Load(), w.set.worker.unlogged[i].total()), p.verdict, string(p.reason))
	}
}

func (w *writer) records() {
	for i := range w.set.worker.sources {
		src := &w.set.worker.sources[i]
		w.count(src.events.total(), src.name, "event")
		w.count(src.notOurs.total(), src.name, "not_ours")
		w.count(src.malformed.total(), src.name, "malformed")
	}
}

func (w *writer) lost() {
	for i := range w.set.worker.sources {
		src := &w.set.worker.sources[i]
		w.count(src.lost.total(), src.name)
	}
}

func (w *writer) lag() {
	for _, src := range w.set.worker.sources[:w.set.worker.known] {
		w.float(max(src.lag, 0), src.name)
	}
}

func (w *writer) claims() {
	c := &w.set.worker.claims
	w.count(c.first.total(), "first")
	w.count(c.taken.total(), "taken")
	w.count(c.unavailable.total(), "unavailable")
}

func (w *writer) announcements() {
	a := &w.set.worker.announced
	w.count(a.sent.total(), "sent")
	w.count(a.granted.total(), "granted")
	w.count(a.refused.total(), "refused")
	w.count(a.dropped.total(), "dropped")
}

func (w *writer) claimDurations() {
	c := &w.set.worker.claims
	w.buckets(c.sum.total(), report.ClaimBounds, func(i int) uint64 { return c.took[i].total() })
}

func (w *writer) connections() {
	w.count(w.set.ended.Load(), "ended")
	w.count(w.set.cut.Load(), "cut")
	w.count(w.set.left.Load(), "left")
}

func (w *writer) active() {
	if w.read.Backend != "" {
		w.count(uint64(w.read.Firewall), w.read.Backend)
	}
	w.count(uint64(w.read.External), "external")
}
