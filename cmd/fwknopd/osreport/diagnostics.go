package osreport

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fwknopd/ingest"
)

const (
	// maxProblems bounds how many malformed records are named.
	maxProblems = 20
	// largeInput is where a progress bar is worth its place.
	largeInput = 64 << 20
	// progressEvery is how often the bar moves.
	progressEvery = 200 * time.Millisecond
)

// diagnostics is what --os says on stderr. Its methods may be called from several
// goroutines.
type diagnostics struct {
	mu       sync.Mutex
	w        io.Writer
	problems int
}

func newDiagnostics(w io.Writer) *diagnostics { return &diagnostics{w: w} }

// problem names a bad record, up to a limit: a hostile log must not fill a disk.
func (d *diagnostics) problem(p ingest.Problem) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problems++
	switch {
	case d.problems < maxProblems:
		fmt.Fprintf(d.w, "fwknopd: %s:%d: %v\n", p.Name, p.Record, p.Err)
	case d.problems == maxProblems:
		fmt.Fprintf(d.w, "fwknopd: %s:%d: %v (more are counted, not named)\n", p.Name, p.Record, p.Err)
	}
}

// progress shows how far the readers are, if stderr is a terminal and the input
// large. The function it returns ends that.
func (d *diagnostics) progress(readers []*ingest.Reader) (stop func()) {
	var total int64
	for _, r := range readers {
		_, n := r.Progress()
		total += n
	}
	f, ok := d.w.(*os.File)
	if !ok || total < largeInput || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionEnableColorCodes(false))
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer bar.Finish()
		for {
			select {
			case <-quit:
				return
			case <-time.After(progressEvery):
			}
			var done int64
			for _, r := range readers {
				n, _ := r.Progress()
				done += n
			}
			bar.Set64(done)
		}
	}()
	return func() { close(quit); <-ended }
}

// summary closes the books.
func (d *diagnostics) summary(readers []*ingest.Reader, t *tally, n *names) {
	var c ingest.Counts
	for _, r := range readers {
		c.Add(r.Counts())
	}
	named, left := 0, uint64(0)
	for s := range t.all() {
		if len(t.signatures(s, n)) > 0 {
			named++
		}
		left += uint64(t.left(s))
	}
	fmt.Fprintf(d.w, "fwknopd: %d records = %d events + %d not ours + %d malformed; %d SYNs from %d sources, %d named, %d unnamed\n",
		c.Records, c.Events, c.NotOurs, c.Malformed, t.syns, t.n, named, t.n-named)
	if t.optionless > 0 {
		fmt.Fprintf(d.w, "fwknopd: %d of the SYNs have %s\n", t.optionless, noOptions)
	}
	if left > 0 {
		fmt.Fprintf(d.w, "fwknopd: %d findings were left out; no more than %d of a source are listed\n", left, maxResults)
	}
	if t.dropped > 0 {
		fmt.Fprintf(d.w, "fwknopd: %d SYNs came from further sources; no more than %d are told apart\n", t.dropped, maxSources)
	}
}
