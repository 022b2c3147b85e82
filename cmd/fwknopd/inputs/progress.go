package inputs

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fwknopd/ingest"
)

const (
	// largeInput is the size from which a progress bar is shown.
	largeInput = 64 << 20
	// progressInterval is how often the bar is updated.
	progressInterval = 200 * time.Millisecond
)

// Progress shows a progress bar until stop is called, if the log is a terminal and the
// input is large; for a pipe, whose size is not known, how much was read.
func (l *Log) Progress(readers ...*ingest.Reader) (stop func()) {
	_, total := progress(readers)
	return l.ProgressOf(total, func() int64 {
		done, _ := progress(readers)
		return done
	})
}

// ProgressOf shows the progress through total bytes, of which done have been read; any goroutine may
// call done.
func (l *Log) ProgressOf(total int64, done func() int64) (stop func()) {
	f, ok := l.w.(*os.File)
	if !ok || 0 < total && total < largeInput || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	if total == 0 {
		total = -1
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionEnableColorCodes(false),
		progressbar.OptionSetSpinnerChangeInterval(0)) // else it draws from a goroutine of its own, with a data race
	begin := time.Now()
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer bar.Finish()
		for {
			select {
			case <-quit:
				return
			case <-time.After(progressInterval):
				n := done()
				bar.Set64(n)
				bar.Describe(timeLeft(n, total, time.Since(begin)))
				if total < 0 {
					bar.RenderBlank() // draws what was set: without a size Set64 does not
				}
			}
		}
	}()
	return func() { close(quit); <-ended }
}

// timeLeft says how long the rest of total will take, if the first part took that long; "" if that
// cannot be known.
func timeLeft(done, total int64, took time.Duration) string {
	if done <= 0 || total < done {
		return ""
	}
	left := time.Duration(float64(took) / float64(done) * float64(total-done))
	return "about " + left.Round(time.Second).String() + " left"
}

func progress(readers []*ingest.Reader) (done, total int64) {
	for _, r := range readers {
		d, t := r.Progress()
		done, total = done+d, total+t
	}
	return done, total
}
