// Package summaries writes a summary as the command line asks for it: as text, as JSON, as lines
// of a signature file, as an HTML page.
package summaries

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/page"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/cmd/fwknopd/wholefile"
)

const (
	// defaultTop is how many of each kind the text lists.
	defaultTop = 10
	// maxTop bounds --top.
	maxTop = 100_000
	// stdoutName is that of standard output.
	stdoutName = "-"
)

// An Output is what is written of a summary. The zero Output is nothing.
type Output struct {
	Page    string // file of the HTML page, "-" for standard output; "": none
	Text    bool   // the summary, on standard output
	Unknown bool   // SYNs that no signature fits, on standard output
	JSON    bool   // Text as JSON
	top     int    // 0: not given
}

// Of returns the output that the options ask for, and checks before anything is read whether it
// can be written.
func Of(o *cli.Options) (Output, error) {
	out := Output{Page: o.Report, Text: o.Summary, Unknown: o.Unknown, JSON: o.JSON(), top: o.Top}
	switch {
	case o.Set("top") && (o.Top < 1 || o.Top > maxTop):
		return out, fmt.Errorf("--top: 1 to %d", maxTop)
	case out.Text && out.Unknown:
		return out, errors.New("--summary and --unknown exclude each other")
	case out.Page == stdoutName && (out.Text || out.Unknown):
		return out, errors.New("--report - and another output on standard output exclude each other: name a file")
	case o.Set("report") && out.Page == "":
		return out, errors.New("--report: the name of a file is wanted")
	}
	return out, checkPage(out.Page)
}

// checkPage returns an error if no file can be written with the name of a page.
func checkPage(name string) error {
	if name == "" || name == stdoutName {
		return nil
	}
	dir := filepath.Dir(name)
	if info, err := os.Stat(dir); err != nil {
		return fmt.Errorf("--report: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("--report: %s is not a folder", dir)
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return fmt.Errorf("--report: %s is a folder", name)
	}
	return nil
}

// Asked reports whether there is anything to write.
func (o *Output) Asked() bool { return o.Page != "" || o.Text || o.Unknown }

// Write writes what was asked for of s.
func (o *Output) Write(s *stats.Stats, about stats.About, stdout io.Writer) error {
	if o.Text || o.Unknown {
		if _, err := stdout.Write(o.text(s, about)); err != nil {
			return err
		}
	}
	if o.Page == "" {
		return nil
	}
	var b bytes.Buffer
	if err := page.Write(&b, s.Summary(about, stats.Full)); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	if o.Page == stdoutName {
		_, err := stdout.Write(b.Bytes())
		return err
	}
	return wholefile.Publish(o.Page, b.Bytes())
}

// text returns what is for standard output.
func (o *Output) text(s *stats.Stats, about stats.About) []byte {
	top := o.top
	switch {
	case o.JSON:
		limits := stats.Full
		if top > 0 {
			limits = stats.UpTo(top)
		}
		return asJSON(s.Summary(about, limits))
	case top == 0 && o.Unknown:
		top = maxTop
	case top == 0:
		top = defaultTop
	}
	sum := s.Summary(about, stats.UpTo(top))
	if o.Unknown {
		return stats.AppendUnknown(nil, sum.Unknown.Shown)
	}
	return stats.AppendText(nil, sum, stats.TextStyle{UTF8: cli.UTF8(), Top: top})
}

// asJSON returns the summary as one object on a line.
func asJSON(s *stats.Summary) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return nil // not reached: numbers, strings and times that RFC 3339 can name
	}
	return append(text, '\n')
}
