package control

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy"
)

// TestErrorCodes checks that each refusal of an SPA packet has one code of the 2.6 daemon.
func TestErrorCodes(t *testing.T) {
	source, err := os.ReadFile("../../../policy/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Reason = "(spa\.[a-z_]+|no_stanza)"`).FindAllSubmatch(source, -1)
	if len(found) < 20 {
		t.Fatalf("%d reasons in reason.go", len(found))
	}
	for _, m := range found {
		reason, n := policy.Reason(m[1]), 0
		for _, c := range errCodes {
			if slices.Contains(c.reasons, reason) {
				n++
			}
		}
		granted := reason == policy.SPAGranted || reason == policy.SPACommand
		if n > 1 || granted == (n == 1) {
			t.Errorf("%s stands for %d numbers", reason, n)
		}
	}
	var out bytes.Buffer
	if code := errorCodes(&cli.Options{}, &out, &out); code != exitOK || bytes.Count(out.Bytes(), []byte("\n")) != len(errCodes) {
		t.Errorf("exit %d, %q", code, out.String())
	}
}
