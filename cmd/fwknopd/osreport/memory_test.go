package osreport

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/fingerprint"
	"fwknopd/fixtures/short"
)

// manySources writes a log of so many sources, each of which is there twice.
func manySources(t *testing.T, sources int) string {
	t.Helper()
	options := []string{"020405B40402080A001046A0000000000103030A", "020405B4", "0204058C0101040201030307"}
	var text bytes.Buffer
	for i := range 2 * sources {
		n := i % sources
		fmt.Fprintf(&text, "2026-07-03T%02d:%02d:%02d+00:00 gate kernel: DROP IN=eth0 OUT= SRC=10.%d.%d.%d DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=50 ID=1 DF "+
			"PROTO=TCP SPT=40000 DPT=%d WINDOW=%d RES=0x00 SYN URGP=0 OPT (%s) \n",
			i/3600%24, i/60%60, i%60, n>>16, n>>8&255, n&255, []int{22, 80, 443}[n%3], 30000+n%4, options[i%len(options)])
	}
	name := filepath.Join(t.TempDir(), "kern.log")
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// With less memory than the sources take a report has the same bytes. They are fewer than those that
// have their ports counted for sure: of more, further ones have them with less memory.
func TestLittleMemoryChangesNothing(t *testing.T) {
	short.Skip(t)
	systems := engine.Systems{Signatures: fingerprint.Default(), MaxHops: fingerprint.DefaultMaxHops}
	o := Options{Inputs: []string{manySources(t, 8000)}, Systems: systems, Now: time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)}
	for name, run := range map[string]func(o Options, out io.Writer) error{
		"text":  func(o Options, out io.Writer) error { return Run(t.Context(), o, out, out) },
		"all":   func(o Options, out io.Writer) error { o.Verbose = true; return Run(t.Context(), o, out, out) },
		"brief": func(o Options, out io.Writer) error { o.Brief = true; return Run(t.Context(), o, out, out) },
		"json":  func(o Options, out io.Writer) error { o.JSON = true; return Run(t.Context(), o, out, out) },
		"summary": func(o Options, out io.Writer) error {
			return o.Summarize(t.Context(), summaries.Output{Text: true}, false, Span{}, out, out)
		},
		"unknown": func(o Options, out io.Writer) error {
			return o.Summarize(t.Context(), summaries.Output{Unknown: true}, false, Span{}, out, out)
		},
	} {
		var outputs [2]bytes.Buffer
		for i, memory := range []int{0, 1 << 20} {
			o.Memory = memory
			if err := run(o, &outputs[i]); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(outputs[0].Bytes(), outputs[1].Bytes()) {
			t.Errorf("%s: with little memory %d bytes, else %d", name, outputs[1].Len(), outputs[0].Len())
		}
	}
}

// A folder for temporary files that cannot be written is an error that names it.
func TestNoTemporaryFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	systems := engine.Systems{Signatures: fingerprint.Default(), MaxHops: fingerprint.DefaultMaxHops}
	o := Options{Inputs: []string{manySources(t, 20000)}, Systems: systems, Memory: 1 << 20}
	var out bytes.Buffer
	err := Run(t.Context(), o, &out, &out)
	if want := "sources that do not fit into --memory: open " + missing; err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte(want)) {
		t.Errorf("error %v, want %s…", err, want)
	}
}
