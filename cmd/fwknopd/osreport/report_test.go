package osreport

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fingerprint"
)

// runReport runs --os -v over one log.
func runReport(t *testing.T, text string, maxHops int) (stdout, stderr string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kern.log")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, diag bytes.Buffer
	o := Options{Inputs: []string{name}, Systems: engine.Systems{Signatures: fingerprint.Default(), MaxHops: maxHops}, Verbose: true}
	if err := Run(t.Context(), o, &out, &diag); err != nil {
		t.Fatal(err)
	}
	return out.String(), diag.String()
}

// All 216 SYNs of the list of 2004 come from one source: every label is reported.
func TestOneSourceShowsEveryLabel(t *testing.T) {
	const dir = "../../../fixtures/netfilter/cross/"
	log, err := os.ReadFile(dir + "pf.log")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(dir + "pf.engines.tsv")
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(table))
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil || len(rows) != 217 {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	one := regexp.MustCompile(`SRC=\S+`).ReplaceAllString(string(log), "SRC=192.0.2.1")
	stdout, _ := runReport(t, one, fingerprint.DefaultMaxHops)
	if n := strings.Count(stdout, "[+] 192.0.2.1\n"); n != 1 || strings.Contains(stdout, "left out") {
		t.Fatalf("%d sources:\n%s", n, stdout)
	}
	for _, row := range rows[1:] {
		signature, label := row[1], row[2]
		if strings.HasPrefix(signature, "S45:") {
			continue // 45×MSS exceeds the largest window
		}
		if !strings.Contains(stdout, " "+label+"\n") {
			t.Errorf("%s: %q is missing", signature, label)
		}
	}
}

// The report gives the number of kinds of SYN beyond the limit for one source.
func TestLeftOutIsSaid(t *testing.T) {
	const line = "Oct  5 12:13:11 gate kernel: DROP IN=eth0 OUT= SRC=%s DST=198.51.100.1 LEN=44 TOS=0x00 PREC=0x00 TTL=50 ID=1 " +
		"PROTO=TCP SPT=40000 DPT=22 WINDOW=%d RES=0x00 SYN URGP=0 OPT (0204%04X) \n"
	const kinds = 3*sources.MaxResults - 5
	var text strings.Builder
	for i := range kinds {
		fmt.Fprintf(&text, line, "192.0.2.1", 31000+i, 703)
	}
	for i := range 3 {
		fmt.Fprintf(&text, line, "192.0.2.2", 31000+i, 703)
	}
	stdout, stderr := runReport(t, text.String(), fingerprint.DefaultMaxHops)
	left := fmt.Sprintf("(%d more findings left out: no more than %d of a source are listed)\n", kinds-sources.MaxResults, sources.MaxResults)
	if strings.Count(stdout, left) != 1 {
		t.Errorf("want %q in\n%s", left, stdout[max(0, len(stdout)-500):])
	}
	if want := fmt.Sprintf("fwknopd: %d findings were left out", kinds-sources.MaxResults); !strings.Contains(stderr, want) {
		t.Errorf("want %q in %s", want, stderr)
	}
}
