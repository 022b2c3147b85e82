package report

import (
	"os"
	"regexp"
	"testing"

	"fwknopd/policy"
)

// Every reason code has a meaning, and every refusal a remedy.
func TestMeanings(t *testing.T) {
	source, err := os.ReadFile("../../../policy/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Reason = "([a-z_.]+)"`).FindAllSubmatch(source, -1)
	if len(codes) < 30 || len(codes) != len(Reasons()) {
		t.Errorf("%d codes, %d meanings", len(codes), len(Reasons()))
	}
	for _, c := range codes {
		r := policy.Reason(c[1])
		m, known := MeaningOf(r)
		opens := r == policy.SPAGranted || r == policy.SPACommand || r == policy.KnockGranted
		if !known || m.Text == "" || (m.Remedy == "") != opens || ReasonHelp(r) == "" {
			t.Errorf("%s: %+v", r, m)
		}
	}
}
