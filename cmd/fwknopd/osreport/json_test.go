package osreport

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/fingerprint"
)

// A record is one line of the JSON report.
type record struct {
	V         int         `json:"v"`
	Type      string      `json:"event_type"`
	Src       string      `json:"src_ip"`
	Tunnel    string      `json:"tunnel,omitempty"` // what its SYNs were inside, the outermost first
	SYNs      uint32      `json:"syns"`
	First     *time.Time  `json:"first_seen,omitempty"`
	Last      *time.Time  `json:"last_seen,omitempty"`
	Matches   []match     `json:"matches"`
	Unmatched []unmatched `json:"unmatched"`
	LeftOut   uint32      `json:"left_out,omitempty"` // findings beyond the limit
}

type match struct {
	Signature string `json:"signature"`
	OS        string `json:"os"`
	Generic   bool   `json:"generic,omitempty"`
}

type unmatched struct {
	Signature string   `json:"signature,omitempty"`
	Reason    string   `json:"reason,omitempty"` // why there is no signature
	Nearest   *match   `json:"nearest,omitempty"`
	Differs   []string `json:"differs,omitempty"`
}

// The objects are what package json makes of them.
func TestJSONIsCanonical(t *testing.T) {
	for _, name := range []string{"../../../fixtures/netfilter/cross/pf.log"} {
		if _, err := os.Stat(name); err != nil {
			t.Fatal(err)
		}
		var out, diag bytes.Buffer
		o := Options{Inputs: []string{name}, Systems: engine.Systems{Signatures: fingerprint.Default(), MaxHops: fingerprint.DefaultMaxHops}, JSON: true}
		if err := Run(t.Context(), o, &out, &diag); err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
		if len(lines) < 100 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines[:len(lines)-1] {
			var r record
			d := json.NewDecoder(bytes.NewReader(line))
			d.DisallowUnknownFields()
			if err := d.Decode(&r); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			var again bytes.Buffer
			enc := json.NewEncoder(&again)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(r); err != nil || !bytes.Equal(again.Bytes(), line) {
				t.Fatalf("error %v, got\n%swant\n%s", err, line, again.Bytes())
			}
		}
	}
}
