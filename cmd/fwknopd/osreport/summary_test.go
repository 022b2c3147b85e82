package osreport

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/fingerprint"
)

// manyLines is a log that is cut into parts.
func manyLines() string {
	const line = "2026-07-03T%02d:%02d:%02d+00:00 gate kernel: DROP IN=eth0 OUT= SRC=10.0.%d.%d DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=50 ID=1 DF " +
		"PROTO=TCP SPT=40000 DPT=%d WINDOW=%d RES=0x00 SYN URGP=0 OPT (%s) \n"
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, line, i/3600%24, i/60%60, i%60, i%7, i%200, []int{22, 80, 443}[i%3], 30000+i%4, []string{"020405B40402080A001046A0000000000103030A", "020405B40402080A001046A00000000063020101"}[i/7%2])
	}
	return b.String()
}

// Parts that are read in parallel give the summary of a single reader.
func TestSummaryInParallel(t *testing.T) {
	text := manyLines()
	name := filepath.Join(t.TempDir(), "kern.log")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := runtime.GOMAXPROCS(3)
	defer runtime.GOMAXPROCS(before)
	summary := func(input string) string {
		var out, diagnostics bytes.Buffer
		o := Options{Inputs: []string{input}, Systems: engine.Systems{Signatures: fingerprint.Default(), MaxHops: fingerprint.DefaultMaxHops}, Stdin: strings.NewReader(text)}
		if err := o.Summarize(t.Context(), summaries.Output{Text: true, JSON: true}, false, Span{}, &out, &diagnostics); err != nil {
			t.Fatal(err)
		}
		return strings.Replace(out.String(), `"`+input+`"`, `"input"`, 1)
	}
	parallel, single := summary(name), summary("-")
	if d := cmp.Diff(single, parallel); d != "" || !strings.Contains(single, `"syns":20000,`) || !strings.Contains(single, `"unknown":{"total":4,`) {
		t.Errorf("%s\n%.2000s", d, single)
	}
}
