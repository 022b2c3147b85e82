package offline

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fwknopd/ingest"
	"fwknopd/policy"
)

// A tally counts decisions: events = ignored + granted + refused + commands +
// shadows.
type tally struct {
	ignored, granted, refused, commands, shadows uint64
	further                                      uint64 // decisions beyond the first on one event
	expired                                      uint64
	changed                                      uint64 // by --what-if
	reasons                                      []reasonCount
}

// A reasonCount is how often a reason was given. There are few: a list is found
// through faster than a map.
type reasonCount struct {
	policy.Reason
	n uint64
}

func (t *tally) event(d *policy.Decision) {
	switch verdictOf(d) {
	case verdictIgnored:
		t.ignored++
		return
	case verdictGranted:
		t.granted++
	case verdictRefused:
		t.refused++
	case verdictCommand:
		t.commands++
	case verdictShadow:
		t.shadows++
	}
	t.reason(d)
}

func (t *tally) also(d *policy.Decision) {
	t.further++
	t.reason(d)
}

func (t *tally) reason(d *policy.Decision) {
	for i := range t.reasons {
		if t.reasons[i].Reason == d.Reason {
			t.reasons[i].n++
			return
		}
	}
	t.reasons = append(t.reasons, reasonCount{d.Reason, 1})
}

// summary closes the books: every record and every event is accounted for.
func (r *run) summary(w io.Writer) {
	c := r.src.Counts()
	fmt.Fprintf(w, "fwknopd: %d records = %d events + %d not ours + %d malformed (%d bytes)\n",
		c.Records, c.Events, c.NotOurs, c.Malformed, c.Bytes)
	if c.Cut > 0 {
		fmt.Fprintf(w, "fwknopd: %d records hold only a part of their packet: the capture cut them short (tcpdump -s)\n", c.Cut)
	}
	if n := r.Copies(); n > 0 {
		fmt.Fprintf(w, "fwknopd: %d events are copies of a packet that was recorded before (bridge, bond or VLAN) and were ignored\n", n)
	}
	t := &r.count
	if r.other != nil {
		fmt.Fprintf(w, "fwknopd: %d events, %d decided differently\n", c.Events, t.changed)
		return
	}
	fmt.Fprintf(w, "fwknopd: %d events = %d ignored + %d granted + %d refused + %d commands", c.Events, t.ignored, t.granted, t.refused, t.commands)
	if t.shadows > 0 {
		fmt.Fprintf(w, " + %d by shadow stanzas", t.shadows)
	}
	if t.further > 0 {
		fmt.Fprintf(w, "; %d further decisions", t.further)
	}
	fmt.Fprintf(w, "; %d expired, %d still open\n", t.expired, r.open.open())
	if len(t.reasons) > 0 {
		var parts []string
		slices.SortFunc(t.reasons, func(a, b reasonCount) int { return cmp.Compare(a.Reason, b.Reason) })
		for _, c := range t.reasons {
			parts = append(parts, fmt.Sprintf("%s %d", c.Reason, c.n))
		}
		fmt.Fprintf(w, "fwknopd: %s\n", strings.Join(parts, ", "))
	}
	if k := r.KnockCounts(); k.Forged+k.Repeats+k.Evicted > 0 {
		fmt.Fprintf(w, "fwknopd: knocks: %d of records that the kernel did not write, %d recorded twice, %d attempts forgotten for want of room\n",
			k.Forged, k.Repeats, k.Evicted)
	}
}

const (
	// largeInput is where a progress bar is worth its place.
	largeInput = 64 << 20
	// progressEvery is how often the bar moves.
	progressEvery = 200 * time.Millisecond
)

// showProgress shows how far the reader is, if w is a terminal and the input large.
// The function it returns ends that.
func showProgress(w io.Writer, src *ingest.Reader) (stop func()) {
	_, total := src.Progress()
	f, ok := w.(*os.File)
	if !ok || total < largeInput || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionEnableColorCodes(false))
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				bar.Finish()
				return
			case <-time.After(progressEvery):
				done, _ := src.Progress()
				bar.Set64(done)
			}
		}
	}()
	return func() { close(quit); <-ended }
}
